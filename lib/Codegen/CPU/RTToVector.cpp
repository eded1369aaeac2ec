//===- RTToVector.cpp - Every rt.kernel as loops over vectors ---------------------------------===//
//
// The pass that wraps what the emitters of this folder say into the functions of the kernel ABI.
//
//===------------------------------------------------------------------------------------------===//
#include "KernelEmitter.h"

#include "dialects/LLM/LLM.h"
#include "nibble/Codegen/CPU/Passes.h"
#include "nibble/runtime/KernelABI.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/IRMapping.h"

namespace nibble {
#define GEN_PASS_DEF_RTTOVECTORPASS
#include "lib/Codegen/CPU/Passes.h.inc"
} // namespace nibble

using namespace mlir;
using namespace nibble;

//===----------------------------------------------------------------------------------------------===//
// The batch and the frame
//===----------------------------------------------------------------------------------------------===//

Value nibble::batchCount(KernelBuilder &b, Value batch, size_t offset) {
  return b.toI64(b.load(b.i32(), batch, offset, 4));
}

Value nibble::batchArray(KernelBuilder &b, Value batch, size_t offset) {
  return b.load(b.ptr(), batch, offset, 8);
}

Value nibble::arrayElement(KernelBuilder &b, Value array, Value i) {
  return b.toI64(b.load(b.i32(), b.at(array, b.mul(i, 4)), 4));
}

Value nibble::rowCount(KernelBuilder &b, Value batch, lowbit::RowCount count) {
  return batchCount(b, batch,
                    count == lowbit::RowCount::Tokens ? offsetof(NibbleBatch, tokens)
                                                      : offsetof(NibbleBatch, logitsRows));
}

/// A cache takes two operands.
static unsigned operandIndex(rt::KernelOp kernel, unsigned argument) {
  unsigned index = argument;
  for (Type type : kernel.getArgumentTypes().take_front(argument))
    index += isa<llm::CacheType>(type);
  return index;
}

Value nibble::operandOf(const KernelFrame &frame, rt::KernelOp kernel, Value value) {
  if (auto argument = dyn_cast<BlockArgument>(value))
    return frame.operands[operandIndex(kernel, argument.getArgNumber())];
  llvm_unreachable("only arguments of a kernel are operands");
}

std::pair<Value, Value> nibble::cacheOperandsOf(const KernelFrame &frame, rt::KernelOp kernel, Value cache) {
  unsigned index = operandIndex(kernel, cast<BlockArgument>(cache).getArgNumber());
  return {frame.operands[index], frame.operands[index + 1]};
}

Value nibble::pagesOf(KernelBuilder &b, Value batch, Value sequence) {
  Value stride = batchCount(b, batch, offsetof(NibbleBatch, pageStride));
  return b.at(batchArray(b, batch, offsetof(NibbleBatch, pageTable)), b.mul(b.mul(sequence, stride), 4));
}

Value nibble::resultPointer(const KernelFrame &frame, rt::KernelOp kernel, unsigned i) {
  return frame.operands[operandIndex(kernel, kernel.getArgumentTypes().size()) + i];
}

SmallVector<Value> nibble::cloneOnVectors(KernelBuilder &b, Block &block, ValueRange arguments,
                                          int64_t lanes) {
  IRMapping map;
  map.map(block.getArguments(), arguments);
  for (Operation &op : block.without_terminator()) {
    if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
      map.map(constant.getResult(),
              b.constant(b.vec(lanes, b.f32()), cast<FloatAttr>(constant.getValue()).getValueAsDouble()));
      continue;
    }
    SmallVector<Value> operands =
        llvm::map_to_vector(op.getOperands(), [&](Value v) { return map.lookup(v); });
    Operation *clone =
        b.create(op.getLoc(), op.getName().getIdentifier(), operands, b.vec(lanes, b.f32()), op.getAttrs());
    map.map(op.getResults(), clone->getResults());
  }
  return llvm::map_to_vector(block.getTerminator()->getOperands(), [&](Value v) { return map.lookup(v); });
}

//===----------------------------------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------------------------------===//

/// "f16", "int8": as --kv-cache names it.
static std::string cacheTypeSpelling(Type element) {
  if (element.isInteger(8))
    return "int8";
  std::string name;
  llvm::raw_string_ostream(name) << element;
  return name;
}

static std::unique_ptr<KernelEmitter> makeEmitter(rt::KernelOp kernel, const CPUTarget &target,
                                                  Type cacheElement) {
  switch (kernel.getFamily()) {
  case rt::Family::Embed:
    return makeEmbedEmitter(kernel, target);
  case rt::Family::Rows:
    return makeRowsEmitter(kernel, target);
  case rt::Family::Linear:
    return makeLinearEmitter(kernel, target);
  case rt::Family::Attention:
    return makeAttendEmitter(kernel, target, cacheElement);
  case rt::Family::Angles:
    return makeAnglesEmitter(kernel, target);
  case rt::Family::StoreKV:
    return makeStoreKVEmitter(kernel, target, cacheElement);
  case rt::Family::Merge:
    return makeMergeEmitter(kernel, target);
  }
  llvm_unreachable("all families have an emitter");
}

/// What decides how LLVM compiles a function (the module's target-cpu does not).
static ArrayAttr functionAttributes(Builder &b, const CPUTarget &target) {
  auto pair = [&](StringRef key, StringRef value) -> Attribute {
    return b.getArrayAttr({b.getStringAttr(key), b.getStringAttr(value)});
  };
  SmallVector<Attribute> attributes = {b.getStringAttr("nounwind"), b.getStringAttr("no-builtins"),
                                       pair("target-cpu", target.cpu), pair("tune-cpu", target.tune),
                                       pair("prefer-vector-width", std::to_string(target.vectorBits))};
  if (!target.features.empty())
    attributes.push_back(pair("target-features", target.features));
  return b.getArrayAttr(attributes);
}

func::FuncOp nibble::beginKernelFunction(OpBuilder &builder, Location loc, const Twine &name,
                                         TypeRange inputs, TypeRange results, const CPUTarget &target) {
  auto function = func::FuncOp::create(builder, loc, name.str(), builder.getFunctionType(inputs, results));
  function->setAttr("passthrough", functionAttributes(builder, target));
  builder.setInsertionPointToStart(function.addEntryBlock());
  return function;
}

/// NAME(batch, operands, begin, end, scratch) and NAME_items(batch).
static LogicalResult emitKernel(rt::KernelOp kernel, StringRef name, const CPUTarget &target,
                                Type cacheElement) {
  std::unique_ptr<KernelEmitter> emitter = makeEmitter(kernel, target, cacheElement);
  if (!emitter)
    return failure();
  OpBuilder builder(kernel);
  Type ptr = LLVM::LLVMPointerType::get(kernel.getContext()), i32 = builder.getI32Type();

  func::FuncOp function =
      beginKernelFunction(builder, kernel.getLoc(), name, {ptr, ptr, i32, i32, ptr}, {}, target);
  function->setAttr("nibble.scratch", builder.getI64IntegerAttr(emitter->scratchBytes()));
  function->setAttr("nibble.family", builder.getStringAttr(rt::stringifyFamily(kernel.getFamily())));
  if (cacheElement)
    function->setAttr("nibble.cache", builder.getStringAttr(cacheTypeSpelling(cacheElement)));
  for (unsigned pointer : {0, 1, 4})
    function.setArgAttr(pointer, LLVM::LLVMDialect::getNoAliasAttrName(), builder.getUnitAttr());
  {
    KernelBuilder b(builder, kernel.getLoc(), target);
    KernelFrame frame{function.getArgument(0), {}, function.getArgument(4)};
    unsigned operands =
        operandIndex(kernel, kernel.getArgumentTypes().size()) + kernel.getResultTypes().size();
    for (unsigned i = 0; i < operands; ++i)
      frame.operands.push_back(b.load(ptr, function.getArgument(1), 8 * i, 8));
    emitter->run(b, frame, b.toI64(function.getArgument(2)), b.toI64(function.getArgument(3)));
    func::ReturnOp::create(b);
  }

  builder.setInsertionPoint(kernel);
  func::FuncOp count = beginKernelFunction(builder, kernel.getLoc(), name + "_items", {ptr}, {i32}, target);
  KernelBuilder b(builder, kernel.getLoc(), target);
  Value items = emitter->items(b, count.getArgument(0));
  func::ReturnOp::create(b, arith::TruncIOp::create(b, i32, items).getResult());
  return success();
}

namespace {

struct RTToVectorPass : nibble::impl::RTToVectorPassBase<RTToVectorPass> {
  using RTToVectorPassBase::RTToVectorPassBase;

  void runOnOperation() override {
    Result<CPUTarget> found = findCPUTarget(target, tuneFor);
    if (!found) {
      getOperation().emitError() << found.error().message;
      return signalPassFailure();
    }
    Builder b(&getContext());
    for (auto kernel : llvm::make_early_inc_range(getOperation().getOps<rt::KernelOp>())) {
      SmallVector<std::pair<std::string, Type>> variants = {{kernel.getName().str(), Type()}};
      if (llvm::any_of(kernel.getArgumentTypes(), [](Type type) { return isa<llm::CacheType>(type); })) {
        variants.clear();
        for (Type element :
             {Type(b.getF32Type()), Type(b.getF16Type()), Type(b.getBF16Type()), Type(b.getI8Type())})
          variants.emplace_back(kernel.getName().str() + "." + cacheTypeSpelling(element), element);
      }
      for (auto &[name, element] : variants)
        if (failed(emitKernel(kernel, name, *found, element)))
          return signalPassFailure();
    }
    for (Operation &op : llvm::make_early_inc_range(*getOperation().getBody()))
      if (isa<rt::ProgramOp, rt::KernelOp>(op))
        op.erase();
  }
};

} // namespace
