//===- Serve.cpp - The verb that answers OpenAI's clients -------------------------------------===//

#include "runtime/commands/Verb.h"
#include "runtime/conversation/Conversation.h"
#include "runtime/memory/AnonymousMemory.h"
#include "runtime/server/Server.h"
#include <csignal>
#include <cstdio>
#include <thread>

using namespace nibble;

namespace {
struct ServeFlags {
  RunFlags run;
  std::string host = "127.0.0.1", modelName, keyFile, accessLog, corsOrigin, toolStyle;
  std::vector<std::string> keys, allowedHosts;
  uint16_t port = 8080;
  uint32_t sequences = 64, tokenBudget = 512, queueRequests = 1024;
  uint64_t queueTokens = 1u << 20;
  std::optional<uint64_t> memory;
  double drainSeconds = 30, timeout = 0;
};
} // namespace

/// The keys of a file, one a line; empty lines and those that begin with # are none.
static Result<void> readKeys(const std::string &path, std::vector<std::string> &keys) {
  NIBBLE_TRY(auto file, MappedFile::open(path));
  std::string_view text = file.text();
  size_t before = keys.size();
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    while (!line.empty() && (line.back() == '\r' || line.back() == ' '))
      line.remove_suffix(1);
    if (!line.empty() && line.front() != '#')
      keys.emplace_back(line);
  }
  if (keys.size() == before)
    return failure(path + ": has no API key; expected one a line");
  return {};
}

static Result<server::ServerOptions> serverOptions(const ServeFlags &flags) {
  server::ServerOptions options;
  options.address = flags.host;
  options.port = flags.port;
  options.modelName = flags.modelName;
  options.keys = flags.keys;
  if (!flags.keyFile.empty())
    NIBBLE_CHECK(readKeys(flags.keyFile, options.keys));
  for (const std::string &key : options.keys)
    if (key.empty())
      return failure("--api-key: expected a key, found an empty word");
  options.allowedOrigin = flags.corsOrigin;
  options.allowedHosts = flags.allowedHosts;
  options.accessLog = flags.accessLog;
  options.timeout = std::chrono::milliseconds(static_cast<int64_t>(flags.timeout * 1000));
  if (!flags.toolStyle.empty()) {
    NIBBLE_TRY(options.toolStyle, server::parseToolStyle(flags.toolStyle));
  }
  options.bound = {.requests = flags.queueRequests, .tokens = flags.queueTokens};
  return options;
}

static void sayHello(const server::Server &server, const ServeFlags &flags, bool hasKeys) {
  std::string host = flags.host.find(':') == std::string::npos ? flags.host : "[" + flags.host + "]";
  std::string base = "http://" + host + ":" + std::to_string(server.port());
  std::string key = hasKeys ? " -H \"Authorization: Bearer $KEY\"" : "";
  std::string prompt = server.canChat() ? R"("messages": [{"role": "user", "content": "Hello!"}])"
                                        : R"("prompt": "Once upon a time")";
  std::fprintf(stderr, "model %s at %s/v1\n", server.modelName().c_str(), base.c_str());
  std::fprintf(stderr, "try: curl %s/v1/%s%s -d '{%s, \"stream\": true}'\n", base.c_str(),
               server.canChat() ? "chat/completions" : "completions", key.c_str(), prompt.c_str());
  if (!server.isLoopback() && !hasKeys)
    std::fputs("warning: whoever reaches this address may ask: there is no --api-key\n", stderr);
  std::fputs("ready\n", stderr);
}

/// Waits until the server has nothing left to do, or for so long. Another signal ends the program.
static bool waitUntilIdle(const server::Server &server, const sigset_t &signals, double seconds) {
  auto until =
      Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  const timespec tick = {0, 10'000'000};
  while (!server.isIdle()) {
    if (Clock::now() >= until)
      return false;
    if (::sigtimedwait(&signals, nullptr, &tick) > 0)
      std::_Exit(kExitInterrupted);
  }
  return true;
}

static Result<int> runServe(const std::string &path, const ServeFlags &flags) {
  NIBBLE_TRY(auto serverFlags, serverOptions(flags));
  NIBBLE_TRY(auto artifact, Artifact::open(path));
  std::optional<Tokenizer> tokenizer;
  if (!artifact.segment("tokenizer").empty()) {
    NIBBLE_TRY(auto opened, openTokenizer(artifact));
    tokenizer.emplace(std::move(opened));
  }
  NIBBLE_TRY(auto options, engineOptions(flags.run));
  options.sequences = options.rowBudget = flags.sequences;
  options.tokenBudget = std::max(flags.tokenBudget, flags.sequences);
  options.keepsPrefixes = true;
  NIBBLE_TRY(options, fitMemory(artifact, options, flags.memory));
  NIBBLE_TRY(MemoryPlan plan, planMemory(artifact, options));
  std::fprintf(stderr, "memory plan (%s):\n%s", plan.variant->target.c_str(), describe(plan).c_str());

  // Before there are other threads: signals wait until this one asks for them.
  sigset_t signals, before;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  ::pthread_sigmask(SIG_BLOCK, &signals, &before);
  std::signal(SIGPIPE, SIG_IGN); // a log's reader that goes away ends nothing
  raiseDescriptorLimit();
  NIBBLE_TRY(auto engine, Engine::create(artifact, options));
  int received = 0;
  {
    NIBBLE_TRY(auto server,
               server::Server::start(artifact, engine, tokenizer ? &*tokenizer : nullptr, serverFlags));
    std::thread loop([&server] { server.run(); });
    sayHello(server, flags, !serverFlags.keys.empty());
    ::sigwait(&signals, &received);
    server.drain();
    if (!server.isIdle())
      std::fprintf(stderr, "draining for up to %g s; another signal ends at once\n", flags.drainSeconds);
    if (!waitUntilIdle(server, signals, flags.drainSeconds)) {
      server.abort();
      waitUntilIdle(server, signals, 5);
    }
    server.end(std::chrono::seconds(1));
    loop.join();
  }
  printProfile(engine);
  return received == SIGINT ? kExitInterrupted : kExitDone;
}

void nibble::addServeVerb(CLI::App &app, Choice &choice) {
  auto flags = std::make_shared<ServeFlags>();
  CLI::App *verb = addVerb(app, choice, "serve", "Answers OpenAI's clients over HTTP",
                           {"serve", "serve --port 0 --max-sequences 16 --memory 4G",
                            "serve --host 0.0.0.0 --api-key-file keys.txt --access-log access.log",
                            "serve --allow-host models.example   (behind a proxy of that name)"});
  verb->add_option("--host", flags->host,
                   "Address to listen on; 0.0.0.0 for all of this machine's (default: 127.0.0.1, which only "
                   "this machine reaches)")
      ->option_text("ADDRESS");
  verb->add_option("--port", flags->port, "Port to listen on; 0 takes any that is free (default: 8080)")
      ->option_text("PORT");
  verb->add_option("--served-model-name", flags->modelName,
                   "What requests call the model (default: the artifact's file name)")
      ->option_text("NAME");
  verb->add_option("--api-key", flags->keys,
                   "Requests must have this key, or another one that is given: the option may be repeated "
                   "(default: no key is asked for)")
      ->allow_extra_args(false)
      ->option_text("KEY");
  verb->add_option("--api-key-file", flags->keyFile, "File of such keys, one a line")->option_text("FILE");
  verb->add_option(
          "--allow-host", flags->allowedHosts,
          "Without keys, a server that only this machine reaches answers requests for localhost and "
          "its addresses alone, lest web pages ask it by a name of their own; this name is answered, "
          "too. May be repeated; * for every name")
      ->allow_extra_args(false)
      ->option_text("NAME");
  verb->add_option("--cors-origin", flags->corsOrigin,
                   "Lets scripts of this other site ask, such as https://chat.example; * for all (default: "
                   "none; the page at / needs no permission)")
      ->option_text("ORIGIN");
  verb->add_option("--memory", flags->memory,
                   "All that the process may come to take, as 8G or 512M; what weights and buffers leave is "
                   "for the KV cache (default: four fifths of what is free)")
      ->transform(CLI::AsSizeValue(false))
      ->option_text("SIZE");
  verb->add_option("--max-sequences", flags->sequences,
                   "Most answers generated at a time; further requests wait (default: 64)")
      ->check(CLI::Range(1, 65536))
      ->option_text("N");
  verb->add_option("--token-budget", flags->tokenBudget,
                   "Most tokens computed in one step, those of prompts included (default: 512)")
      ->check(CLI::Range(1, 65536))
      ->option_text("N");
  verb->add_option("--queue-requests", flags->queueRequests,
                   "Most requests that wait; further ones are told to try again later (default: 1024)")
      ->check(CLI::PositiveNumber)
      ->option_text("N");
  verb->add_option("--queue-tokens", flags->queueTokens,
                   "Most tokens in the prompts that wait (default: 1048576)")
      ->check(CLI::PositiveNumber)
      ->option_text("N");
  verb->add_option("--request-timeout", flags->timeout,
                   "A request that takes longer ends with what it has; 0 for no bound (default: 0)")
      ->check(CLI::Range(0.0, 1e6))
      ->option_text("SECONDS");
  verb->add_option("--drain-seconds", flags->drainSeconds,
                   "How long accepted requests may go on after SIGTERM or Ctrl-C (default: 30)")
      ->check(CLI::Range(0.0, 1e6))
      ->option_text("SECONDS");
  verb->add_option("--access-log", flags->accessLog,
                   "File to which a line is appended for each request; - for standard output (default: none)")
      ->option_text("FILE");
  verb->add_option("--tool-style", flags->toolStyle,
                   "How the model writes calls of tools: llama3, hermes (Qwen's, too), mistral or "
                   "mistral-args (default: as its chat template shows)")
      ->option_text("STYLE");
  addRunFlags(*verb, flags->run);
  verb->callback([&choice, flags] {
    choice.action = [&choice, flags] { return runServe(choice.artifactPath, *flags); };
  });
}
