//===- Chat.cpp - The verb that holds a conversation ------------------------------------------===//

#include "nibble/runtime/Generator.h"
#include "runtime/commands/SamplingFlags.h"
#include "runtime/commands/Verb.h"
#include "runtime/conversation/Conversation.h"
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <poll.h>
#include <unistd.h>

using namespace nibble;
using Json = nlohmann::ordered_json;

namespace {

struct ChatFlags {
  RunFlags run;
  SamplingFlags sampling;
  std::string system, prompt, templateName, date;
  std::vector<std::string> stops;
  uint32_t count = 0;
  bool json = false, statistics = false;
};

/// Everything that lasts from turn to turn.
struct Session {
  const ChatFlags &flags;
  const Manifest &manifest;
  const Tokenizer &tokenizer;
  const TemplateSet &templates;
  Engine &engine;
  SamplingOptions sampling;
  SequenceId sequence;
  Json messages = Json::array();
  std::vector<int32_t> stored = {}; // tokens of the sequence in the cache

  void clear() {
    messages = Json::array();
    if (!flags.system.empty())
      messages.push_back({{"role", "system"}, {"content", flags.system}});
  }

  /// Adds a message and the model's answer to the conversation. An error leaves the conversation as it was.
  Result<GenerationResult> ask(const std::string &text, bool print);
};

/// Reads lines from standard input, also where signals interrupt.
class LineReader {
public:
  enum class Outcome { Line, Interrupted, End };
  Outcome read(std::string &line) {
    while (true) {
      if (size_t end = buffer.find('\n'); end != std::string::npos) {
        line = buffer.substr(0, end);
        buffer.erase(0, end + 1);
        return Outcome::Line;
      }
      if (!waitForInput()) {
        buffer.clear();
        return Outcome::Interrupted;
      }
      char bytes[4096];
      ssize_t count = ::read(STDIN_FILENO, bytes, sizeof(bytes));
      if (count < 0 && errno == EINTR)
        continue;
      if (count <= 0) {
        line = std::exchange(buffer, {});
        return line.empty() ? Outcome::End : Outcome::Line;
      }
      buffer.append(bytes, static_cast<size_t>(count));
    }
  }

private:
  /// False where an interrupt came before input. The signal is let through to this thread while it waits and
  /// not between looking and waiting (the workers never take it). True only where reading will not wait: it
  /// would go on waiting after an interrupt.
  static bool waitForInput() {
    sigset_t interrupt, before;
    sigemptyset(&interrupt);
    sigaddset(&interrupt, SIGINT);
    ::pthread_sigmask(SIG_BLOCK, &interrupt, &before);
    pollfd input = {STDIN_FILENO, POLLIN, 0};
    while (!Interruptible::isRequested())
      if (::ppoll(&input, 1, nullptr, &before) > 0 || errno != EINTR)
        break;
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return !Interruptible::isRequested();
  }

  std::string buffer;
};

} // namespace

Result<GenerationResult> Session::ask(const std::string &text, bool print) {
  messages.push_back({{"role", "user"}, {"content", text}});
  auto answer = [&]() -> Result<GenerationResult> {
    Conversation conversation;
    conversation.messages = messages;
    conversation.templateName = flags.templateName;
    conversation.date = flags.date;
    NIBBLE_TRY(std::string rendered, renderConversation(templates, conversation));
    GenerationRequest request;
    NIBBLE_TRY(request.prompt, encodeRendered(tokenizer, rendered));
    if (request.prompt.empty())
      return failure("the chat template rendered nothing");
    // What the last turns have left in the cache need not be computed again, but one token is needed to go on
    // from.
    auto different =
        std::mismatch(stored.begin(), stored.end(), request.prompt.begin(), request.prompt.end() - 1);
    stored.erase(different.first, stored.end());
    engine.truncate(sequence, static_cast<uint32_t>(stored.size()));
    request.sequence = sequence;
    request.maxTokens = flags.count;
    request.sampling = sampling;
    request.stopTokens = manifest.model.eosTokens;
    request.stopStrings = flags.stops;
    if (print)
      request.onText = [](std::string_view part) {
        std::fwrite(part.data(), 1, part.size(), stdout);
        std::fflush(stdout);
      };
    std::vector<int32_t> prompt = request.prompt;
    Generator generator(engine, &tokenizer);
    NIBBLE_TRY(RequestId id, generator.submit(std::move(request)));
    while (!Interruptible::isRequested()) {
      NIBBLE_TRY(bool more, generator.step());
      if (!more)
        break;
    }
    generator.cancel();
    GenerationResult result = generator.result(id);
    if (result.reason == FinishReason::Failed)
      return failure(result.error);
    stored = std::move(prompt);
    stored.insert(stored.end(), result.tokens.begin(), result.tokens.end());
    stored.resize(engine.length(sequence));
    if (flags.statistics) {
      const GenerationStatistics &statistics = generator.statistics();
      std::fprintf(stderr, "\n[%llu new prompt tokens, %.1f tokens/s; %llu tokens decoded, %.1f tokens/s]",
                   static_cast<unsigned long long>(statistics.promptTokens),
                   static_cast<double>(statistics.promptTokens) / std::max(statistics.promptSeconds, 1e-9),
                   static_cast<unsigned long long>(statistics.decodedTokens),
                   static_cast<double>(statistics.decodedTokens) / std::max(statistics.decodeSeconds, 1e-9));
    }
    return result;
  }();
  if (answer)
    messages.push_back({{"role", "assistant"}, {"content", answer->text}});
  else
    messages.erase(messages.size() - 1);
  return answer;
}

static Result<int> askOnce(Session &session) {
  Interruptible interruptible;
  NIBBLE_TRY(GenerationResult result, session.ask(session.flags.prompt, !session.flags.json));
  if (session.flags.json)
    std::puts(Json({{"prompt_tokens", result.promptTokens},
                    {"tokens", result.tokens},
                    {"text", result.text},
                    {"finish_reason", finishReasonName(result.reason)},
                    {"seconds", result.seconds}})
                  .dump()
                  .c_str());
  else
    std::putchar('\n');
  return Interruptible::isRequested() ? kExitInterrupted : kExitDone;
}

static Result<int> converse(Session &session) {
  bool terminal = ::isatty(STDIN_FILENO);
  Interruptible interruptible; // before the line that speaks of Ctrl-C
  if (terminal)
    std::fprintf(stderr, "%s. Ctrl-C stops an answer, /clear starts over, /exit or Ctrl-D ends.\n",
                 session.manifest.model.name.empty() ? "Ready" : session.manifest.model.name.c_str());
  LineReader reader;
  std::string line;
  while (true) {
    if (terminal)
      std::fputs("> ", stderr);
    LineReader::Outcome outcome = reader.read(line);
    if (outcome == LineReader::Outcome::Interrupted) {
      Interruptible::takeRequest(); // before the message: who reads it may press Ctrl-C again
      std::fputs("\n(/exit or Ctrl-D ends)\n", stderr);
      continue;
    }
    if (outcome == LineReader::Outcome::End || line == "/exit")
      break;
    if (line == "/clear") {
      session.clear();
      continue;
    }
    if (line.empty())
      continue;
    auto answer = session.ask(line, true);
    std::putchar('\n');
    NIBBLE_CHECK(flushOutput());
    if (!answer)
      std::fprintf(stderr, "error: %s%s\n", answer.error().message.c_str(),
                   session.messages.size() > 1 ? " (or /clear starts over)" : "");
    if (Interruptible::takeRequest())
      std::fputs("(stopped)\n", stderr);
  }
  if (terminal)
    std::fputc('\n', stderr);
  return kExitDone;
}

static Result<int> runChat(const std::string &path, const ChatFlags &flags, bool once) {
  NIBBLE_TRY(auto artifact, Artifact::open(path));
  NIBBLE_TRY(auto tokenizer, openTokenizer(artifact));
  NIBBLE_TRY(auto templates, openTemplates(artifact));
  NIBBLE_TRY(auto options, engineOptions(flags.run));
  options.sequences = options.rowBudget = 1;
  NIBBLE_TRY(auto engine, startEngine(artifact, options, flags.run));
  NIBBLE_TRY(SequenceId sequence, engine.createSequence());
  Session session = {flags,     artifact.manifest(),
                     tokenizer, templates,
                     engine,    samplingOptions(flags.sampling, artifact.manifest().generation),
                     sequence};
  session.clear();
  auto code = once ? askOnce(session) : converse(session);
  printProfile(engine);
  return code;
}

void nibble::addChatVerb(CLI::App &app, Choice &choice) {
  auto flags = std::make_shared<ChatFlags>();
  CLI::App *verb = addVerb(
      app, choice, "chat", "Holds a conversation by the checkpoint's chat template",
      {"chat", "chat --system \"Answer in one word.\" --temperature 0.7", "chat -p \"What is 12 + 7?\""});
  auto *prompt = verb->add_option("-p,--prompt", flags->prompt, "Ask this, print the answer and end");
  verb->add_option("--system", flags->system, "The system message");
  verb->add_option("-n,--count", flags->count, "Most tokens of an answer (default: what the context leaves)")
      ->check(CLI::PositiveNumber);
  addSamplingFlags(*verb, flags->sampling);
  verb->add_option("--stop", flags->stops, "End an answer before this text")->allow_extra_args(false);
  verb->add_option("--template", flags->templateName, "Which template, where there are several");
  verb->add_option("--date", flags->date, "YYYY-MM-DD, for templates that show the date (default: today)");
  verb->add_flag("--json", flags->json, "With -p: print the answer as JSON")->needs(prompt);
  verb->add_flag("--stats", flags->statistics, "Print tokens/s behind each answer");
  addRunFlags(*verb, flags->run);
  verb->callback([&choice, flags, prompt] {
    bool once = prompt->count() > 0;
    choice.action = [&choice, flags, once] { return runChat(choice.artifactPath, *flags, once); };
  });
}
