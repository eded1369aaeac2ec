//===- LowbitOps.cpp - Verifiers and folders of the quantization dialect ----------------------===//
#include "dialects/Lowbit/Lowbit.h"

#include "mlir/IR/Matchers.h"
#include "mlir/IR/PatternMatch.h"

using namespace mlir;
using namespace nibble::lowbit;

#define GET_OP_CLASSES
#include "dialects/Lowbit/LowbitOps.cpp.inc"

/// The weight's shape must be the tensor's.
static LogicalResult verifySameShape(Operation *op, PackedType packed, ShapedType tensor) {
  if (tensor.getShape() == ArrayRef({packed.getRows(), packed.getColumns()}))
    return success();
  return op->emitOpError() << "the shapes of " << packed << " and " << tensor << " differ";
}

LogicalResult nibble::lowbit::verifyRecipe(Operation *op, FormatAttr format, ArrayAttr recipe, Type type) {
  LayoutKind layout = LayoutKind::Rows;
  for (auto [i, step] : llvm::enumerate(recipe)) {
    if (auto convert = dyn_cast<ConvertAttr>(step))
      format = convert.getFormat();
    else if (auto pack = dyn_cast<PackAttr>(step))
      layout = pack.getLayout();
    else if (!isa<UnpermuteRowsAttr>(step))
      return op->emitOpError() << "unknown recipe step " << step;
    if (isa<PackAttr>(step) && i + 1 != recipe.size())
      return op->emitOpError() << "packs rows before the recipe's last step";
  }
  if (auto packed = dyn_cast<PackedType>(type))
    if (packed.getFormat() != format || packed.getLayout() != layout)
      return op->emitOpError() << "the recipe ends in format " << format << " and layout "
                               << stringifyLayoutKind(layout) << ", the type is " << packed;
  return success();
}

LogicalResult QuantizeOp::verify() {
  FormatAttr format = getResult().getType().getFormat();
  if (format.isFloat())
    return emitOpError() << "finds codes, and " << format << " has none";
  return verifySameShape(*this, getResult().getType(), getInput().getType());
}

LogicalResult DequantizeOp::verify() {
  return verifySameShape(*this, getInput().getType(), getResult().getType());
}

/// dequantize(repack(w)) is dequantize(w): values do not depend on the layout.
OpFoldResult DequantizeOp::fold(FoldAdaptor) {
  if (auto repack = getInput().getDefiningOp<RepackOp>()) {
    getInputMutable().assign(repack.getInput());
    return getResult();
  }
  return {};
}

LogicalResult RepackOp::verify() {
  PackedType from = getInput().getType(), to = getResult().getType();
  if (from.getRows() != to.getRows() || from.getColumns() != to.getColumns())
    return emitOpError() << "changes the shape from " << from << " to " << to;
  if (from.getFormat() != to.getFormat())
    return emitOpError() << "changes the format from " << from << " to " << to
                         << "; lowbit.quantize does that";
  return success();
}

/// A repack to the same layout is nothing; one of a repack is one.
OpFoldResult RepackOp::fold(FoldAdaptor) {
  if (getInput().getType() == getResult().getType())
    return getInput();
  if (auto repack = getInput().getDefiningOp<RepackOp>()) {
    getInputMutable().assign(repack.getInput());
    return getResult();
  }
  return {};
}

LogicalResult QuantizeRowsOp::verify() {
  int64_t columns = getInput().getType().getDimSize(1);
  if (getResult().getType().getColumns() != columns)
    return emitOpError() << "reads rows of " << columns << " columns and yields " << getResult().getType();
  if (getResidual() && getResidual().getType() != getInput().getType())
    return emitOpError() << "residual is " << getResidual().getType() << ", the input "
                         << getInput().getType();
  if (getNorm() && getNorm().getType().getDimSize(0) != columns)
    return emitOpError() << "norm has " << getNorm().getType().getDimSize(0) << " gains for " << columns
                         << " columns";
  if (static_cast<bool>(getNorm()) != getEps().has_value())
    return emitOpError() << "has either both of norm and eps or neither";
  if (getSum() && !getResidual())
    return emitOpError() << "has a sum as second result but no residual to add";
  if (getSum() && getSum().getType() != getInput().getType())
    return emitOpError() << "sum is " << getSum().getType() << ", the input " << getInput().getType();
  if (static_cast<bool>(getSelected()) != (getResult().getType().getCount() == RowCount::Logits))
    return emitOpError() << "yields rows of logits exactly when it selects rows";
  return success();
}

LogicalResult LinearOp::verify() {
  if (getWeights().empty())
    return emitOpError() << "has no weight";
  auto first = cast<PackedType>(getWeights().front().getType());
  RowsType rows = getInput().getType();
  for (Value weight : getWeights()) {
    auto type = cast<PackedType>(weight.getType());
    if (type.getColumns() != rows.getColumns())
      return emitOpError() << "multiplies rows of " << rows.getColumns() << " columns by " << type;
    if (type.getRows() != first.getRows())
      return emitOpError() << "has weights of " << first.getRows() << " and " << type.getRows() << " rows";
    if (rows.isInteger()) {
      if (type.getFormat().isFloat())
        return emitOpError() << "multiplies " << stringifyActivationKind(rows.getActivations())
                             << " rows by float weights " << type;
      if (!llvm::is_contained(rows.getBiases(), type.getFormat().getBias()))
        return emitOpError() << "reads rows without the bias " << type.getFormat().getBias() << " of "
                             << type;
      if (type.getFormat().getZero() != ZeroKind::None && !rows.getSums())
        return emitOpError() << "reads rows without the sums that " << type << " needs";
    }
  }
  if (getResult().getType().getDimSize(1) != first.getRows())
    return emitOpError() << "yields " << getResult().getType() << " from " << first.getRows()
                         << " output channels";
  for (Value extra : getExtras()) {
    auto type = cast<ShapedType>(extra.getType());
    if (type.getShape().back() != first.getRows())
      return emitOpError() << "extra operand is " << type << ", the result " << getResult().getType();
  }
  Block &block = getEpilogue().front();
  if (block.getNumArguments() != getWeights().size() + getExtras().size())
    return emitOpError() << "the epilogue has " << block.getNumArguments() << " arguments for "
                         << getWeights().size() << " weights and " << getExtras().size() << " extra operands";
  for (Type type : block.getArgumentTypes())
    if (!type.isF32())
      return emitOpError() << "the epilogue works on f32, an argument is " << type;
  return success();
}

/// Products with zero add nothing.
OpFoldResult Dot4Op::fold(FoldAdaptor adaptor) {
  for (Attribute bytes : {adaptor.getA(), adaptor.getB()})
    if (bytes && matchPattern(bytes, m_Zero()))
      return getAcc();
  return {};
}

LogicalResult Dot4Op::verify() {
  if (getA().getType().getDimSize(0) != 4 * getAcc().getType().getDimSize(0))
    return emitOpError() << "needs four bytes for each of the accumulator's "
                         << getAcc().getType().getDimSize(0) << " lanes, found " << getA().getType();
  return success();
}

LogicalResult Dot2Op::verify() {
  if (getA().getType().getDimSize(0) != 2 * getAcc().getType().getDimSize(0))
    return emitOpError() << "needs two bf16 for each of the accumulator's "
                         << getAcc().getType().getDimSize(0) << " lanes, found " << getA().getType();
  return success();
}

LogicalResult DotTileOp::verify() {
  if (getSources().empty())
    return emitOpError() << "has no source";
  if (getRows() < 1 || getRows() > 16)
    return emitOpError() << "has " << getRows() << " rows; a tile has 1 to 16";
  if (getColumns() < 4 || getColumns() > 64 || getColumns() % 4)
    return emitOpError() << "has " << getColumns() << " columns; a tile has 4 to 64 of a byte each, in fours";
  return success();
}

LogicalResult DotTileBF16Op::verify() {
  if (getSources().empty() || getSources().size() > 6)
    return emitOpError() << "has " << getSources().size()
                         << " sources; the unit has tiles for the sums of 1 to 6";
  if (getColumns() < 32 || getColumns() % 32)
    return emitOpError() << "has " << getColumns() << " columns; a tile has 32 of bf16";
  return success();
}

LogicalResult LookupOp::verify() {
  if (getTable().size() != 16)
    return emitOpError() << "needs a table of 16 entries, found " << getTable().size();
  return success();
}
