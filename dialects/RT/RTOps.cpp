//===- RTOps.cpp - Assembly and verifiers of the dialect of what runs -------------------------===//
#include "dialects/RT/RT.h"

#include "mlir/Interfaces/FunctionImplementation.h"

using namespace mlir;
using namespace nibble::rt;

#define GET_OP_CLASSES
#include "dialects/RT/RTOps.cpp.inc"

int64_t nibble::rt::rowBytes(Type type) {
  if (auto rows = dyn_cast<lowbit::RowsType>(type))
    return rows.getRowBytes();
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor || tensor.getRank() != 2 || !tensor.getElementType().isF32() || tensor.isDynamicDim(1))
    return 0;
  return llvm::alignTo(tensor.getDimSize(1) * 4, kBufferAlignment);
}

//===------------------------------------------------------------------------------------------------------===//
// KernelOp
//===------------------------------------------------------------------------------------------------------===//

ParseResult KernelOp::parse(OpAsmParser &parser, OperationState &result) {
  auto functionType = [](Builder &builder, ArrayRef<Type> inputs, ArrayRef<Type> results,
                         function_interface_impl::VariadicFlag,
                         std::string &) { return builder.getFunctionType(inputs, results); };
  return function_interface_impl::parseFunctionOp(
      parser, result, /*allowVariadic=*/false, getFunctionTypeAttrName(result.name), functionType,
      getArgAttrsAttrName(result.name), getResAttrsAttrName(result.name));
}

void KernelOp::print(OpAsmPrinter &printer) {
  function_interface_impl::printFunctionOp(printer, *this, /*isVariadic=*/false, getFunctionTypeAttrName(),
                                           getArgAttrsAttrName(), getResAttrsAttrName());
}

LogicalResult KernelOp::verify() {
  Block &block = getBody().front();
  if (block.empty() || !isa<YieldOp>(block.back()))
    return emitOpError() << "the body does not end in rt.yield";
  return success();
}

LogicalResult YieldOp::verify() {
  if (llvm::equal(getOperandTypes(), cast<KernelOp>((*this)->getParentOp()).getResultTypes()))
    return success();
  return emitOpError() << "yields other types than the kernel's results";
}

//===------------------------------------------------------------------------------------------------------===//
// Attention
//===------------------------------------------------------------------------------------------------------===//

static int64_t width(Value rows) { return cast<ShapedType>(rows.getType()).getShape().back(); }

static LogicalResult verifyKeys(Operation *op, Value key, Value value, int64_t kvHeads, int64_t headDim) {
  if (kvHeads <= 0 || headDim <= 0 || width(key) != kvHeads * headDim || width(value) != kvHeads * headDim)
    return op->emitOpError() << "key and value need " << kvHeads << " heads of " << headDim
                             << " columns, found " << width(key) << " and " << width(value);
  return success();
}

static LogicalResult verifyHeads(Operation *op, Value result, Value partials, Value sinks, int64_t heads,
                                 int64_t kvHeads, int64_t headDim) {
  if (kvHeads <= 0 || heads <= 0 || heads % kvHeads != 0)
    return op->emitOpError() << heads << " heads are no multiple of " << kvHeads << " kv_heads";
  if (width(result) != heads * headDim)
    return op->emitOpError() << "yields rows of " << width(result) << " columns for " << heads << " heads of "
                             << headDim;
  auto shape = cast<ShapedType>(partials.getType()).getShape();
  if (ShapedType::isDynamic(shape[0]) || shape[1] != heads * (headDim + 2))
    return op->emitOpError() << "partials need a fixed number of rows of " << heads * (headDim + 2)
                             << " columns, found " << partials.getType();
  if (sinks && width(sinks) != heads)
    return op->emitOpError() << "has " << width(sinks) << " sinks for " << heads << " heads";
  return success();
}

LogicalResult StoreKVOp::verify() {
  return verifyKeys(*this, getKey(), getValue(), getKvHeads(), getHeadDim());
}

LogicalResult AttendOp::verify() {
  if (failed(verifyKeys(*this, getKey(), getValue(), getKvHeads(), getHeadDim())))
    return failure();
  if (getQuery().getType() != getResult().getType())
    return emitOpError() << "yields rows of another type than its query";
  return verifyHeads(*this, getResult(), getPartials(), getSinks(), getHeads(), getKvHeads(), getHeadDim());
}

LogicalResult MergeOp::verify() {
  if (getAttended().getType() != getResult().getType())
    return emitOpError() << "yields rows of another type than those it merges into";
  return verifyHeads(*this, getResult(), getPartials(), getSinks(), getHeads(), getKvHeads(), getHeadDim());
}

//===------------------------------------------------------------------------------------------------------===//
// ProgramOp, BufferOp
//===------------------------------------------------------------------------------------------------------===//

/// Sizes and offsets are three non-negative numbers.
static LogicalResult verifyLinear(Operation *op, StringRef what, std::optional<ArrayRef<int64_t>> value) {
  if (value && (value->size() != 3 || llvm::any_of(*value, [](int64_t x) { return x < 0; })))
    return op->emitOpError() << what << " is [bytes a token, bytes a row of logits, bytes], none negative";
  return success();
}

LogicalResult ProgramOp::verify() { return verifyLinear(*this, "arena", getArena()); }

LogicalResult BufferOp::verify() {
  if (failed(verifyLinear(*this, "size", getSize())) || failed(verifyLinear(*this, "offset", getOffset())))
    return failure();
  if (getPrivateOffset() && getSpace() != Space::Private)
    return emitOpError() << "only a private buffer has a private offset";
  return success();
}

LogicalResult WeightOp::verify() {
  return lowbit::verifyRecipe(*this, getSource(), getRecipe(), getResult().getType());
}

//===------------------------------------------------------------------------------------------------------===//
// DispatchOp
//===------------------------------------------------------------------------------------------------------===//

LogicalResult DispatchOp::verifySymbolUses(SymbolTableCollection &symbols) {
  // Kernels lie beside the program, which lies in nothing where it is the top of the module itself.
  Operation *module = (*this)->getParentOp()->getParentOp();
  auto kernel = module ? symbols.lookupNearestSymbolFrom<KernelOp>(module, getKernelAttr()) : nullptr;
  if (!kernel)
    return emitOpError() << "no kernel " << getKernelAttr();
  if (!llvm::equal(getInputs().getTypes(), kernel.getArgumentTypes()) ||
      !llvm::equal(getOutputs().getTypes(), kernel.getResultTypes()))
    return emitOpError() << "passes other types than " << getKernelAttr() << " takes";
  return success();
}
