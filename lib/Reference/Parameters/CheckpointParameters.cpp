//===- CheckpointParameters.cpp - Weights of a checkpoint -------------------------------------===//
#include "nibble/Import/ParameterStore.h"
#include "nibble/Quantize/Dequantize.h"
#include "nibble/Reference/Parameters.h"

using namespace nibble;
using namespace nibble::reference;

static Result<RowBlock> read(const ParameterStore &store, const StoredTensor &tensor,
                             const ParameterRequest &request) {
  if (tensor.format() != request.source)
    return failure("the checkpoint has it in " + formatSpelling(tensor.format()) + ", the module expects " +
                   formatSpelling(request.source) + "; was the module imported from another checkpoint?");
  // The store hands out rows in order, whatever the file has.
  if (tensor.interleavedHeads != request.unpermutedHeads)
    return failure("the checkpoint has " + std::to_string(tensor.interleavedHeads) +
                   " heads of it in rotary pairs, the module expects " +
                   std::to_string(request.unpermutedHeads) +
                   "; was the module imported from another checkpoint?");
  NIBBLE_TRY(RowBlock block, store.readRows(tensor, 0, tensor.rows()));
  for (const Format &format : request.conversions) {
    NIBBLE_TRY(block, convertRows(std::move(block), format));
  }
  return block;
}

ParameterSource nibble::reference::checkpointParameters(const ParameterStore &store) {
  return [&store](const ParameterRequest &request) -> Result<RowBlock> {
    const StoredTensor *tensor = store.find(request.name);
    if (!tensor)
      return failure("the module has the weight '" + request.name + "', the checkpoint does not");
    Result<RowBlock> block = read(store, *tensor, request);
    if (!block)
      return failure("weight '" + request.name + "': " + block.error().message);
    return block;
  };
}
