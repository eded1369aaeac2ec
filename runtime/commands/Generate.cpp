//===- Generate.cpp - The verb that continues texts -------------------------------------------===//

#include "nibble/runtime/Generator.h"
#include "runtime/commands/SamplingFlags.h"
#include "runtime/commands/Verb.h"
#include "runtime/conversation/Conversation.h"
#include "runtime/memory/AnonymousMemory.h"
#include <algorithm>
#include <cstdio>

using namespace nibble;

namespace {

struct GenerateFlags {
  RunFlags run;
  SamplingFlags sampling;
  std::vector<std::string> prompts, files, stops;
  std::string tokens;
  uint32_t count = 0;
  bool ignoreEos = false, noSpecial = false, noParseSpecial = false, json = false, quiet = false,
       echo = false;
};

/// A prompt as text (empty where it came as ids) and as ids.
struct Prompt {
  std::string text;
  std::vector<int32_t> ids;
};

/// Prints texts that grow at the same time one behind the other: the first as it grows, each next one when it
/// is its turn.
class OrderedOutput {
public:
  OrderedOutput(size_t count, bool silent) : texts(count), silent(silent) {}

  void add(size_t index, std::string_view text) {
    if (index == current)
      print(text);
    else
      texts[index] += text;
  }

  /// Moves on while the current text is complete.
  template <typename IsFinished> void advance(const IsFinished &isFinished) {
    while (current < texts.size() && isFinished(current)) {
      print("\n");
      started = false;
      if (++current < texts.size())
        print(std::exchange(texts[current], {}));
    }
  }

private:
  void print(std::string_view text) {
    if (silent)
      return;
    if (!started && texts.size() > 1)
      std::printf("%s=== %zu ===\n", current ? "\n" : "", current + 1);
    started = true;
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
  }

  std::vector<std::string> texts; // what waits for its turn
  size_t current = 0;
  bool silent, started = false;
};

} // namespace

// Tokens to generate unless -n says otherwise, where the context holds as many.
static constexpr uint32_t kDefaultCount = 256;
// Requests that run at a time; more wait.
static constexpr size_t kMostSequences = 64;

static Result<std::vector<Prompt>> readPrompts(const GenerateFlags &flags, const Tokenizer *tokenizer,
                                               const std::string &name, const ModelInfo &model) {
  std::vector<Prompt> prompts;
  if (!flags.tokens.empty()) {
    NIBBLE_TRY(auto sequences, readTokenFile(flags.tokens, model.vocabulary));
    for (auto &ids : sequences)
      prompts.push_back({"", std::move(ids)});
  }
  std::vector<std::string> texts = flags.prompts;
  for (const std::string &path : flags.files) {
    NIBBLE_TRY(auto file, MappedFile::open(path));
    texts.emplace_back(file.text());
  }
  if (!texts.empty() && !tokenizer)
    return failure(name + ": has no tokenizer; give the prompt as ids with --tokens FILE.json");
  for (std::string &text : texts) {
    NIBBLE_TRY(auto ids,
               encodePrompt(*tokenizer, text,
                            {.addSpecial = !flags.noSpecial, .parseSpecial = !flags.noParseSpecial}));
    prompts.push_back({std::move(text), std::move(ids)});
  }
  return prompts;
}

static void printStatistics(const Generator &generator, size_t count) {
  const GenerationStatistics &statistics = generator.statistics();
  auto rate = [](uint64_t tokens, double seconds) {
    return seconds > 0 ? static_cast<double>(tokens) / seconds : 0;
  };
  double first = 0;
  for (uint32_t i = 0; i < count; ++i)
    first = std::max(first, generator.result(i).secondsToFirst);
  std::fprintf(
      stderr,
      "prompt %llu tokens, %.1f tokens/s | decode %llu tokens, %.1f tokens/s | first token after %.0f ms | "
      "peak memory %s\n",
      static_cast<unsigned long long>(statistics.promptTokens),
      rate(statistics.promptTokens, statistics.promptSeconds),
      static_cast<unsigned long long>(statistics.decodedTokens),
      rate(statistics.decodedTokens, statistics.decodeSeconds), first * 1e3,
      formatBytes(peakResidentMemory()).c_str());
}

static void printJson(const Generator &generator, size_t count) {
  auto list = nlohmann::ordered_json::array();
  for (uint32_t i = 0; i < count; ++i) {
    const GenerationResult &result = generator.result(i);
    list.push_back({{"prompt_tokens", result.promptTokens},
                    {"tokens", result.tokens},
                    {"text", result.text},
                    {"finish_reason", finishReasonName(result.reason)},
                    {"seconds", result.seconds}});
  }
  std::puts(list.dump().c_str());
}

static Result<int> runGenerate(const std::string &path, const GenerateFlags &flags) {
  NIBBLE_TRY(auto artifact, Artifact::open(path));
  const Manifest &manifest = artifact.manifest();
  std::optional<Tokenizer> tokenizer;
  if (!artifact.segment("tokenizer").empty()) {
    NIBBLE_TRY(auto opened, openTokenizer(artifact));
    tokenizer.emplace(std::move(opened));
  }
  NIBBLE_TRY(auto prompts, readPrompts(flags, tokenizer ? &*tokenizer : nullptr, path, manifest.model));
  NIBBLE_TRY(auto options, engineOptions(flags.run));
  options.sequences = options.rowBudget = static_cast<uint32_t>(std::min(prompts.size(), kMostSequences));
  NIBBLE_TRY(auto engine, startEngine(artifact, options, flags.run));

  SamplingOptions sampling = samplingOptions(flags.sampling, manifest.generation);
  OrderedOutput output(prompts.size(), flags.json || !tokenizer);
  Generator generator(engine, tokenizer ? &*tokenizer : nullptr);
  for (size_t i = 0; i < prompts.size(); ++i) {
    GenerationRequest request;
    request.prompt = prompts[i].ids;
    size_t room = engine.plan().context - std::min<size_t>(engine.plan().context, request.prompt.size());
    request.maxTokens =
        flags.count ? flags.count : static_cast<uint32_t>(std::min<size_t>(kDefaultCount, room));
    request.sampling = sampling;
    request.sampling.seed += i; // equal prompts get different texts
    if (!flags.ignoreEos)
      request.stopTokens = manifest.model.eosTokens;
    request.stopStrings = flags.stops;
    request.continuesText = true;
    request.onText = [&output, i](std::string_view text) { output.add(i, text); };
    NIBBLE_CHECK(generator.submit(std::move(request)));
  }
  if (flags.echo)
    for (size_t i = 0; i < prompts.size(); ++i)
      output.add(i, prompts[i].text);

  auto isFinished = [&](size_t i) { return generator.isFinished(static_cast<uint32_t>(i)); };
  Interruptible interruptible;
  while (!Interruptible::isRequested()) {
    NIBBLE_TRY(bool more, generator.step());
    output.advance(isFinished);
    if (!more)
      break;
  }
  for (uint32_t i = 0; i < prompts.size(); ++i)
    if (generator.result(i).reason == FinishReason::Failed)
      return failure(generator.result(i).error);
  bool interrupted = Interruptible::isRequested();
  generator.cancel();
  output.advance(isFinished);
  if (flags.json || !tokenizer)
    printJson(generator, prompts.size());
  NIBBLE_CHECK(flushOutput());
  if (!flags.quiet)
    printStatistics(generator, prompts.size());
  printProfile(engine);
  return interrupted ? kExitInterrupted : kExitDone;
}

void nibble::addGenerateVerb(CLI::App &app, Choice &choice) {
  auto flags = std::make_shared<GenerateFlags>();
  CLI::App *verb =
      addVerb(app, choice, "generate", "Continues a text",
              {"generate -p \"Once upon a time\" --temperature 0.8 --seed 1",
               "generate -f story.txt -n 200 --stop \"THE END\"", "generate -p \"One\" -p \"Two\" --json",
               "generate --tokens ids.json -n 32 --json"});
  auto *input = verb->add_option_group("input");
  input->add_option("-p,--prompt", flags->prompts, "The text to continue; several run together")
      ->allow_extra_args(false);
  input->add_option("-f,--file", flags->files, "A file with the text; several run together")
      ->allow_extra_args(false);
  input->add_option("--tokens", flags->tokens, "JSON [[ids...], ...]: prompts as token ids");
  input->require_option(1, 0);
  verb->add_option("-n,--count", flags->count,
                   "Most tokens to generate (default: 256, or what the context leaves)")
      ->check(CLI::PositiveNumber);
  addSamplingFlags(*verb, flags->sampling);
  verb->add_option("--stop", flags->stops, "End before this text; may be given several times")
      ->allow_extra_args(false);
  verb->add_flag("--ignore-eos", flags->ignoreEos, "Go on behind end tokens");
  verb->add_flag("--echo", flags->echo, "Print the prompt in front of its continuation");
  verb->add_flag("--no-special", flags->noSpecial, "Add no start token to the prompt");
  verb->add_flag("--no-parse-special", flags->noParseSpecial,
                 "Read special tokens in the prompt as plain text");
  verb->add_flag("--json", flags->json, "Print the results as JSON");
  verb->add_flag("-q,--quiet", flags->quiet, "Print no statistics");
  addRunFlags(*verb, flags->run);
  verb->callback([&choice, flags] {
    choice.action = [&choice, flags] { return runGenerate(choice.artifactPath, *flags); };
  });
}
