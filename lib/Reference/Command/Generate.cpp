//===- Generate.cpp - The verb that continues sequences, greedily -----------------------------===//
#include "Command.h"
#include "Feeding.h"
#include "Model.h"
#include "Progress.h"
#include "nibble/runtime/TokenFile.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>

using namespace nibble;
using namespace nibble::reference;

namespace {

struct Sequence {
  std::vector<int32_t> tokens; // prompt, then what was generated
  int64_t prompt = 0;          // tokens of the prompt
  int64_t done = 0;            // tokens in the cache
  const char *reason = nullptr;
  double seconds = 0;
};

} // namespace

/// Multiplications of the prompts and of `count` tokens more for each, none of them stopping early.
static double estimate(const Interpreter &interpreter, const std::vector<Sequence> &sequences,
                       int64_t count) {
  Step prompts, last;
  for (size_t s = 0; s < sequences.size(); ++s) {
    prompts.add(s, sequences[s].tokens, 0, sequences[s].prompt, 1);
    // The middle of what will be generated stands for all of it.
    std::vector<int32_t> padded(sequences[s].prompt + count / 2 + 1);
    last.add(s, padded, sequences[s].prompt + count / 2, sequences[s].prompt + count / 2 + 1, 1);
  }
  return interpreter.multiplications(prompts.batch) +
         static_cast<double>(count - 1) * interpreter.multiplications(last.batch);
}

Result<void> nibble::reference::runGenerate(const CommandOptions &options) {
  Progress progress("generate");
  InterpreterOptions interpreterOptions;
  interpreterOptions.progress = [&](double work) { return progress.add(work); };
  NIBBLE_TRY(Model model, Model::open(options.input, options.checkpoint, std::move(interpreterOptions)));
  Interpreter &interpreter = model.interpreter();
  ModelShape shape = interpreter.shape();
  NIBBLE_TRY(auto prompts, readTokenFile(options.tokens, static_cast<uint32_t>(shape.vocabulary)));

  KeyValueCache cache(shape.layers, shape.kvHeads, shape.headDim, options.cache);
  std::vector<Sequence> sequences;
  for (auto &prompt : prompts) {
    cache.addSequence();
    auto length = static_cast<int64_t>(prompt.size());
    sequences.push_back({std::move(prompt), length});
  }
  progress.setTotal(estimate(interpreter, sequences, options.count));

  auto start = std::chrono::steady_clock::now();
  while (true) {
    Step step;
    for (size_t s = 0; s < sequences.size(); ++s)
      if (!sequences[s].reason) {
        auto length = static_cast<int64_t>(sequences[s].tokens.size());
        step.add(s, sequences[s].tokens, sequences[s].done, length, 1);
        sequences[s].done = length;
      }
    if (step.logits.empty())
      break;
    NIBBLE_TRY(Matrix logits, interpreter.step(step.batch, cache));
    for (int64_t row = 0; row < logits.rows; ++row) {
      Sequence &sequence = sequences[step.logits[row].first];
      std::span<const double> values = logits.row(row);
      auto token = static_cast<int32_t>(std::max_element(values.begin(), values.end()) - values.begin());
      sequence.tokens.push_back(token);
      bool stops = !options.ignoreStops && std::ranges::count(model.stopTokens(), token);
      if (stops)
        sequence.reason = "stop";
      else if (static_cast<int64_t>(sequence.tokens.size()) == sequence.prompt + options.count)
        sequence.reason = "length";
      sequence.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    }
  }

  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const Sequence &sequence : sequences)
    list.push_back(
        {{"prompt_tokens", sequence.prompt},
         {"tokens", std::vector<int32_t>(sequence.tokens.begin() + sequence.prompt, sequence.tokens.end())},
         {"finish_reason", sequence.reason},
         {"seconds", sequence.seconds}});
  if (std::puts(list.dump().c_str()) < 0 || std::fflush(stdout) != 0)
    return nibble::failure("standard output: cannot be written");
  return {};
}
