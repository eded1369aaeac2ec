//===- OneLinear.cpp - A model of one linear, compiled ----------------------------------------===//
#include "lib/Bench/OneLinear.h"

#include "nibble/Pipelines/PrecisionOfModule.h"
#include "nibble/Quantize/FormatChoice.h"

using namespace mlir;
using namespace nibble;

static constexpr const char *kTable = "table", *kWeight = "weight";
static constexpr int64_t kTableRows = 64;

static std::string moduleText(const LinearOptions &options) {
  std::string n = std::to_string(options.rows), k = std::to_string(options.columns),
              rows = std::to_string(kTableRows);
  return R"(
func.func @step(%ids: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>,
                %cache: !llm.cache<layers = 1, kv_heads = 1, head_dim = 64>) -> tensor<?x)" +
         n + R"(xf32> {
  %t = llm.param @table source(<f32>) : tensor<)" +
         rows + "x" + k + R"(xf32>
  %x = llm.embed %ids, %t : tensor<?xi32>, tensor<)" +
         rows + "x" + k + "xf32> -> tensor<?x" + k + R"(xf32>
  %w = llm.param @weight source(<f32>) : tensor<)" +
         n + "x" + k + R"(xf32>
  %y = llm.linear %x, %w : tensor<?x)" +
         k + "xf32>, tensor<" + n + "x" + k + "xf32> -> tensor<?x" + n + R"(xf32>
  return %y : tensor<?x)" +
         n + "xf32>\n}\n";
}

static Result<void> checkFormats(const LinearOptions &options) {
  WeightUse weight;
  weight.name = kWeight;
  weight.source = {Element::F32, 0, Zero::None};
  weight.linear = true;
  FormatOptions formats;
  formats.precision = options.format;
  formats.activations = options.activations;
  auto chosen = chooseFormats(std::span(&weight, 1), formats);
  if (!chosen)
    return nibble::failure(chosen.error().message);
  return {};
}

Result<OneLinear> nibble::compileOneLinear(const LinearOptions &options, unsigned threads, bool &wrongUsage) {
  wrongUsage = true;
  NIBBLE_CHECK(checkFormats(options));
  BenchModule source;
  NIBBLE_TRY(source.target, findCPUTarget(options.target, options.tuneFor));
  wrongUsage = false;
  if (!runsHere(source.target))
    return nibble::failure("this machine does not run code for " + source.target.name);
  source.text = moduleText(options);
  source.formats.precision = options.format;
  source.formats.embedding = std::string("f32"); // only gathered: activations come as they are
  source.formats.activations = options.activations;
  RandomWeights weights;
  NIBBLE_CHECK(weights.add(kTable, kTableRows, options.columns, 1));
  NIBBLE_CHECK(weights.add(kWeight, options.rows, options.columns, 0.02f)); // a checkpoint's spread
  OneLinear result;
  auto readPrecision = [&](ModuleOp module) {
    PrecisionPlan plan = precisionOfModule(module);
    const auto &planned = plan.tensors.find(kWeight)->second;
    result.format = formatSpelling(planned.format);
    result.activations = activationsSpelling(planned.activations);
  };
  NIBBLE_TRY(static_cast<BenchProgram &>(result),
             compileBenchProgram(source, weights, threads, readPrecision));
  for (const PlacedWeight &weight : result.placed)
    if (weight.name == kWeight)
      result.weightBytes = weight.size;
  result.vocabulary = kTableRows;
  return result;
}
