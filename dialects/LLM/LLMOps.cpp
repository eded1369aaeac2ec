//===- LLMOps.cpp - Verifiers and effects of the language model dialect -----------------------===//
#include "dialects/LLM/LLM.h"

using namespace mlir;
using namespace nibble::llm;
namespace lowbit = nibble::lowbit;

#define GET_OP_CLASSES
#include "dialects/LLM/LLMOps.cpp.inc"

static int64_t width(Value rows) { return cast<ShapedType>(rows.getType()).getShape().back(); }

LogicalResult ParamOp::verify() {
  return lowbit::verifyRecipe(*this, getSource(), getRecipe(), getResult().getType());
}

LogicalResult EmbedOp::verify() {
  int64_t columns = isa<lowbit::PackedType>(getTable().getType())
                        ? cast<lowbit::PackedType>(getTable().getType()).getColumns()
                        : width(getTable());
  if (width(getResult()) != columns)
    return emitOpError() << "yields rows of " << width(getResult()) << " columns from a table of " << columns;
  return success();
}

LogicalResult RMSNormOp::verify() {
  if (width(getGain()) == 0 || width(getInput()) % width(getGain()) != 0)
    return emitOpError() << "the gain's " << width(getGain()) << " elements do not divide rows of "
                         << width(getInput());
  return success();
}

LogicalResult LayerNormOp::verify() {
  if (width(getInput()) != width(getGain()) || width(getInput()) != width(getBias()))
    return emitOpError() << "gain and bias need the row's " << width(getInput()) << " elements";
  return success();
}

/// x of K columns times w of N x K yields N columns.
static LogicalResult verifyProduct(Operation *op, Value input, Value weight, Value result) {
  auto shape = cast<ShapedType>(weight.getType()).getShape();
  if (width(input) == shape[1] && width(result) == shape[0])
    return success();
  return op->emitOpError() << "multiplies rows of " << width(input) << " columns by a weight of " << shape[0]
                           << "x" << shape[1] << " and yields " << width(result) << " columns";
}

LogicalResult LinearOp::verify() {
  if (getBias() && width(getBias()) != width(getResult()))
    return emitOpError() << "bias has " << width(getBias()) << " elements for " << width(getResult())
                         << " columns";
  return verifyProduct(*this, getInput(), getWeight(), getResult());
}

LogicalResult LogitsOp::verify() { return verifyProduct(*this, getInput(), getWeight(), getResult()); }

LogicalResult RopeOp::verify() {
  int64_t headDim = getHeadDim(), rotated = 2 * getInverseFrequencies().size();
  if (headDim <= 0 || width(getInput()) % headDim != 0)
    return emitOpError() << "head_dim " << headDim << " does not divide rows of " << width(getInput());
  if (rotated == 0 || rotated > headDim)
    return emitOpError() << getInverseFrequencies().size() << " frequencies rotate " << rotated
                         << " elements of a head of " << headDim;
  return success();
}

LogicalResult AnglesOp::verify() {
  auto pairs = static_cast<int64_t>(getInverseFrequencies().size());
  if (pairs == 0 || width(getResult()) != 2 * pairs)
    return emitOpError() << pairs << " frequencies make rows of " << 2 * pairs << " columns, found "
                         << width(getResult());
  return success();
}

LogicalResult RotateOp::verify() {
  int64_t headDim = getHeadDim(), rotated = width(getAngles());
  if (headDim <= 0 || width(getInput()) % headDim != 0)
    return emitOpError() << "head_dim " << headDim << " does not divide rows of " << width(getInput());
  if (rotated <= 0 || rotated % 2 != 0 || rotated > headDim)
    return emitOpError() << "angles of " << rotated << " columns do not turn pairs of a head of " << headDim;
  return success();
}

LogicalResult AttentionOp::verify() {
  CacheType cache = getCache().getType();
  int64_t heads = getHeads(), kvHeads = cache.getKvHeads(), headDim = cache.getHeadDim();
  if (static_cast<int64_t>(getLayer()) < 0 || static_cast<int64_t>(getLayer()) >= cache.getLayers())
    return emitOpError() << "layer " << static_cast<int64_t>(getLayer()) << " of a cache of "
                         << cache.getLayers();
  if (heads <= 0 || heads % kvHeads != 0)
    return emitOpError() << heads << " heads are no multiple of " << kvHeads << " kv_heads";
  if (width(getQuery()) != heads * headDim)
    return emitOpError() << "query has " << width(getQuery()) << " columns for " << heads << " heads of "
                         << headDim;
  if (width(getKey()) != kvHeads * headDim || width(getValue()) != kvHeads * headDim)
    return emitOpError() << "key and value need " << kvHeads << " heads of " << headDim << " columns, found "
                         << width(getKey()) << " and " << width(getValue());
  if (getSinks() && width(getSinks()) != heads)
    return emitOpError() << "has " << width(getSinks()) << " sinks for " << heads << " heads";
  if (getWindow() && static_cast<int64_t>(*getWindow()) <= 0)
    return emitOpError() << "the window is positive, found " << static_cast<int64_t>(*getWindow());
  return success();
}

/// The effects name the layer, so that attention of different layers may be told apart.
void AttentionOp::getEffects(SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>> &effects) {
  for (MemoryEffects::Effect *effect : {static_cast<MemoryEffects::Effect *>(MemoryEffects::Read::get()),
                                        static_cast<MemoryEffects::Effect *>(MemoryEffects::Write::get())})
    effects.emplace_back(effect, &getCacheMutable(), getLayerAttr());
}

LogicalResult MoEOp::verify() {
  auto router = getRouter().getType().getShape(), gate = getGate().getType().getShape(),
       up = getUp().getType().getShape(), down = getDown().getType().getShape();
  int64_t experts = router[0], hidden = width(getInput());
  if (router[1] != hidden || gate != up || gate[0] != experts || gate[2] != hidden ||
      down != ArrayRef({experts, hidden, gate[1]}))
    return emitOpError() << "the shapes of router " << getRouter().getType() << ", gate "
                         << getGate().getType() << ", up " << getUp().getType() << " and down "
                         << getDown().getType() << " do not fit";
  int64_t chosen = getExpertsPerToken();
  if (chosen <= 0 || chosen > experts)
    return emitOpError() << "chooses " << chosen << " of " << experts << " experts";
  return success();
}

LogicalResult LoRAOp::verify() {
  auto a = getA().getType().getShape(), b = getB().getType().getShape();
  if (a[1] != width(getInput()) || b[0] != width(getBase()) || a[0] != b[1])
    return emitOpError() << "A " << getA().getType() << " and B " << getB().getType()
                         << " do not fit rows of " << width(getInput()) << " and " << width(getBase())
                         << " columns";
  return success();
}

/// A scale of 0 switches the adapter off.
OpFoldResult LoRAOp::fold(FoldAdaptor) { return getScale().isZero() ? getBase() : OpFoldResult(); }
