//===- Interpreter.cpp - Steps of a module ----------------------------------------------------===//
#include "nibble/Reference/Interpreter.h"

#include "Evaluator.h"
#include "Work.h"

using namespace mlir;
using namespace nibble;
using namespace nibble::reference;

struct Interpreter::State {
  func::FuncOp function;
  ModelShape shape;
  ParameterCache parameters;
  InterpreterOptions options;
};

Interpreter::Interpreter(std::unique_ptr<State> state) : state(std::move(state)) {}
Interpreter::Interpreter(Interpreter &&) noexcept = default;
Interpreter &Interpreter::operator=(Interpreter &&) noexcept = default;
Interpreter::~Interpreter() = default;

const ModelShape &Interpreter::shape() const { return state->shape; }

/// The sizes of the model, from the signature.
static Result<ModelShape> shapeOf(func::FuncOp function) {
  FunctionType type = function.getFunctionType();
  auto isIndices = [](Type type) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    return tensor && tensor.getRank() == 1 && tensor.getElementType().isInteger(32);
  };
  auto cache = type.getNumInputs() == 4 ? dyn_cast<llm::CacheType>(type.getInput(3)) : llm::CacheType();
  auto logits =
      type.getNumResults() == 1 ? dyn_cast<RankedTensorType>(type.getResult(0)) : RankedTensorType();
  if (!cache || !llvm::all_of(type.getInputs().take_front(3), isIndices) || !logits ||
      logits.getRank() != 2 || !logits.getElementType().isF32() || logits.isDynamicDim(1))
    return nibble::failure(
        "the module's @step has an unexpected signature; expected (ids: tensor<?xi32>, positions: "
        "tensor<?xi32>, rows: tensor<?xi32>, !llm.cache<...>) -> tensor<?xVxf32>");
  return ModelShape{logits.getDimSize(1), cache.getLayers(), cache.getKvHeads(), cache.getHeadDim()};
}

Result<Interpreter> Interpreter::create(ModuleOp module, ParameterSource parameters,
                                        InterpreterOptions options) {
  auto function = module.lookupSymbol<func::FuncOp>("step");
  if (!function)
    return nibble::failure("the module has no function @step; the reference runs modules from import to fuse "
                           "(nibble-compile --compile-to=fuse)");
  NIBBLE_TRY(ModelShape shape, shapeOf(function));
  ParameterCache cache(std::move(parameters), options.weightCacheBytes);
  return Interpreter(
      std::unique_ptr<State>(new State{function, shape, std::move(cache), std::move(options)}));
}

static Result<void> checkBatch(const Batch &batch, const KeyValueCache &cache) {
  const SequenceRows &sequences = batch.sequences;
  auto tokens = static_cast<int64_t>(batch.tokenIds.size());
  if (sequences.start.size() != sequences.sequence.size() + 1 || sequences.start.front() != 0 ||
      sequences.start.back() != tokens || batch.positions.size() != batch.tokenIds.size())
    return nibble::failure(
        "the batch is inconsistent: token ids, positions and the rows of its sequences differ in number");
  for (size_t s = 0; s < sequences.sequence.size(); ++s) {
    if (sequences.start[s] > sequences.start[s + 1])
      return nibble::failure("the batch's sequences are not in the order of their rows");
    if (sequences.sequence[s] >= cache.sequences())
      return nibble::failure("the batch names sequence " + std::to_string(sequences.sequence[s]) +
                             " of a cache of " + std::to_string(cache.sequences()));
    int64_t expected = cache.length(sequences.sequence[s], 0);
    for (int64_t row = sequences.start[s]; row < sequences.start[s + 1]; ++row, ++expected)
      if (batch.positions[row] != expected)
        return nibble::failure("row " + std::to_string(row) + " of the batch is at position " +
                               std::to_string(batch.positions[row]) + "; its sequence goes on at " +
                               std::to_string(expected));
  }
  for (int32_t row : batch.logitsRows)
    if (row < 0 || row >= tokens)
      return nibble::failure("logits are asked for row " + std::to_string(row) + " of a batch of " +
                             std::to_string(tokens) + " tokens");
  return {};
}

Result<Matrix> Interpreter::step(const Batch &batch, KeyValueCache &cache) {
  const ModelShape &shape = state->shape;
  if (cache.layers() != shape.layers || cache.positionWidth() != shape.kvHeads * shape.headDim)
    return nibble::failure("the cache has " + std::to_string(cache.layers()) + " layers of " +
                           std::to_string(cache.positionWidth()) + " elements a position; the model has " +
                           std::to_string(shape.layers) + " of " +
                           std::to_string(shape.kvHeads * shape.headDim));
  NIBBLE_CHECK(checkBatch(batch, cache));
  std::function<bool(Operation *)> afterOp;
  if (state->options.progress)
    afterOp = [&](Operation *op) {
      double work = multiplicationsOf(op, batch);
      return work == 0 || state->options.progress(work);
    };
  Evaluator evaluator(state->parameters, afterOp);
  std::vector<RuntimeValue> arguments = {batch.tokenIds, batch.positions, batch.logitsRows,
                                         CacheReference{&cache, &batch.sequences, &batch.positions}};
  NIBBLE_TRY(std::vector<RuntimeValue> results, evaluator.call(state->function, std::move(arguments)));
  return std::get<Matrix>(std::move(results.front()));
}

double Interpreter::multiplications(const Batch &batch) const {
  double sum = 0;
  state->function->walk([&](Operation *op) { sum += multiplicationsOf(op, batch); });
  return sum;
}

Result<std::vector<RuntimeValue>> nibble::reference::call(func::FuncOp function,
                                                          std::vector<RuntimeValue> arguments,
                                                          const ParameterSource &parameters) {
  ParameterCache cache(parameters, 0);
  std::function<bool(Operation *)> afterOp;
  return Evaluator(cache, afterOp).call(function, std::move(arguments));
}
