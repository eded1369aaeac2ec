//===- Logits.cpp - The verb that writes logits to a file -------------------------------------===//
#include "Command.h"
#include "Feeding.h"
#include "Model.h"
#include "Progress.h"
#include "nibble/runtime/Npy.h"
#include "nibble/runtime/TokenFile.h"

using namespace nibble;
using namespace nibble::reference;

// Logits of one step, in double, take at most this much memory; longer runs are cut into more steps.
static constexpr int64_t kMostLogitsBytes = int64_t(1) << 29;

Result<void> nibble::reference::runLogits(const CommandOptions &options) {
  Progress progress("logits");
  InterpreterOptions interpreterOptions;
  interpreterOptions.progress = [&](double work) { return progress.add(work); };
  NIBBLE_TRY(Model model, Model::open(options.input, options.checkpoint, std::move(interpreterOptions)));
  Interpreter &interpreter = model.interpreter();
  ModelShape shape = interpreter.shape();
  NIBBLE_TRY(auto sequences, readTokenFile(options.tokens, static_cast<uint32_t>(shape.vocabulary)));

  KeyValueCache cache(shape.layers, shape.kvHeads, shape.headDim, options.cache);
  std::vector<uint64_t> firstRow; // [sequence] in the file
  uint64_t rows = 0;
  for (const auto &sequence : sequences) {
    cache.addSequence();
    firstRow.push_back(rows);
    rows += sequence.size();
  }
  int64_t mostRows = std::max<int64_t>(1, kMostLogitsBytes / (8 * shape.vocabulary));
  std::vector<Step> steps = planSteps(sequences, {options.chunk, options.decodeFrom, mostRows});
  double total = 0;
  for (const Step &step : steps)
    total += interpreter.multiplications(step.batch);
  progress.setTotal(total);

  NIBBLE_TRY(NpyWriter writer,
             NpyWriter::create(options.output, rows, static_cast<uint64_t>(shape.vocabulary)));
  for (const Step &step : steps) {
    NIBBLE_TRY(Matrix logits, interpreter.step(step.batch, cache));
    for (int64_t row = 0; row < logits.rows; ++row) {
      auto [sequence, position] = step.logits[row];
      std::vector<float> values(logits.row(row).begin(), logits.row(row).end());
      NIBBLE_CHECK(writer.write(firstRow[sequence] + static_cast<uint64_t>(position), values));
    }
  }
  return writer.finish();
}
