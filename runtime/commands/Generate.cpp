//===- Generate.cpp - The verb that continues texts -----------------------------------------------------===//

#include "nibble/runtime/Generator.h"
#include "runtime/commands/Verb.h"
#include "runtime/memory/AnonymousMemory.h"
#include <algorithm>
#include <cstdio>

using namespace nibble;

namespace {
struct GenerateFlags {
  RunFlags run;
  std::vector<std::string> prompts, files, stops;
  std::string tokens;
  uint32_t count = 0;
  bool ignoreEos = false, json = false, quiet = false, echo = false;
};
} // namespace

// Tokens to generate unless -n says otherwise, where the context holds as many.
static constexpr uint32_t kDefaultCount = 256;

static Result<int> runGenerate(const std::string &path, const GenerateFlags &flags) {
  NIBBLE_TRY(auto artifact, Artifact::open(path));
  const ModelInfo &model = artifact.manifest().model;
  std::vector<std::vector<int32_t>> prompts;
  if (!flags.tokens.empty()) {
    NIBBLE_TRY(prompts, readTokenFile(flags.tokens, model));
  }
  if (prompts.empty())
    return failure("there is nothing to continue; give -p TEXT, -f FILE or --tokens FILE.json");

  NIBBLE_TRY(auto options, engineOptions(flags.run));
  options.sequences = static_cast<uint32_t>(std::min<size_t>(prompts.size(), 64));
  options.rowBudget = options.sequences;
  NIBBLE_TRY(auto engine, startEngine(artifact, options, flags.run));
  Generator generator(engine, nullptr);
  for (const auto &prompt : prompts) {
    GenerationRequest request;
    request.prompt = prompt;
    uint32_t room = engine.plan().context > prompt.size()
                        ? engine.plan().context - static_cast<uint32_t>(prompt.size())
                        : 0;
    request.maxTokens = flags.count ? flags.count : std::min(kDefaultCount, room);
    if (!flags.ignoreEos)
      request.stopTokens = model.eosTokens;
    NIBBLE_CHECK(generator.submit(std::move(request)));
  }
  Interruptible interruptible;
  while (!Interruptible::isRequested()) {
    NIBBLE_TRY(bool more, generator.step());
    if (!more)
      break;
  }
  bool interrupted = Interruptible::isRequested();
  generator.cancel();
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (uint32_t i = 0; i < prompts.size(); ++i) {
    const GenerationResult &result = generator.result(i);
    list.push_back({{"prompt_tokens", result.promptTokens},
                    {"tokens", result.tokens},
                    {"text", result.text},
                    {"finish_reason", finishReasonName(result.reason)},
                    {"seconds", result.seconds}});
  }
  std::puts(list.dump().c_str());
  printProfile(engine);
  return interrupted ? kExitInterrupted : kExitDone;
}

void nibble::addGenerateVerb(CLI::App &app, Choice &choice) {
  auto flags = std::make_shared<GenerateFlags>();
  CLI::App *verb = addVerb(app, choice, "generate", "Continues a text",
                           {"generate -p \"Once upon a time\"", "generate --tokens ids.json -n 32 --json"});
  verb->add_option("--tokens", flags->tokens, "JSON [[ids...], ...]: prompts as token ids");
  verb->add_option("-n,--count", flags->count, "Most tokens to generate")->check(CLI::PositiveNumber);
  verb->add_flag("--ignore-eos", flags->ignoreEos, "Go on behind end tokens");
  verb->add_flag("--json", flags->json, "Print the results as JSON");
  addRunFlags(*verb, flags->run);
  verb->callback([&choice, flags] {
    choice.action = [&choice, flags] { return runGenerate(choice.artifactPath, *flags); };
  });
}
