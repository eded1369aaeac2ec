//===- ReplaceInstructions.cpp - Kernels for a CPU that this machine is not -------------------===//
#include "ReplaceInstructions.h"

#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/IntrinsicInst.h"

#include <gtest/gtest.h>

using namespace llvm;

namespace {

/// Writes the body of one replacement.
struct Replacement {
  IRBuilder<> b;
  Function &function;

  explicit Replacement(Function &function)
      : b(BasicBlock::Create(function.getContext(), "", &function)), function(function) {}

  Value *argument(unsigned i) { return function.getArg(i); }
  static unsigned lanesOf(Value *v) { return cast<FixedVectorType>(v->getType())->getNumElements(); }
  Type *with(Value *like, Type *element) { return FixedVectorType::get(element, lanesOf(like)); }
  Value *asSigned(Value *v) { return b.CreateSExt(v, with(v, b.getInt32Ty())); }
  Value *asUnsigned(Value *v) { return b.CreateZExt(v, with(v, b.getInt32Ty())); }

  /// Elements first, first + step, ... of a vector.
  Value *every(Value *v, unsigned step, unsigned first) {
    SmallVector<int> indices;
    for (unsigned i = first; i < lanesOf(v); i += step)
      indices.push_back(i);
    return b.CreateShuffleVector(v, indices);
  }
  /// Sums of `step` neighbours.
  Value *sums(Value *v, unsigned step) {
    Value *sum = every(v, step, 0);
    for (unsigned i = 1; i < step; ++i)
      sum = b.CreateAdd(sum, every(v, step, i));
    return sum;
  }
  Value *clamp(Value *v, int64_t least, int64_t most) {
    v = b.CreateBinaryIntrinsic(Intrinsic::smax, v, ConstantInt::getSigned(v->getType(), least));
    return b.CreateBinaryIntrinsic(Intrinsic::smin, v, ConstantInt::getSigned(v->getType(), most));
  }
  Value *bf16(Value *v) {
    Value *bits = b.CreateZExt(b.CreateBitCast(v, with(v, b.getInt16Ty())), with(v, b.getInt32Ty()));
    return b.CreateBitCast(b.CreateShl(bits, 16), with(v, b.getFloatTy()));
  }

  /// Byte i of the result is byte indices[i] % 16 of the table's 16 bytes that i is among, 0 for a negative
  /// index.
  Value *shuffleBytes(Value *table, Value *indices) {
    Value *result = Constant::getNullValue(table->getType());
    for (unsigned i = 0; i < lanesOf(table); ++i) {
      Value *index = b.CreateExtractElement(indices, i);
      Value *place = b.CreateOr(b.CreateAnd(index, 15), i / 16 * 16);
      Value *byte = b.CreateExtractElement(table, place);
      byte = b.CreateSelect(b.CreateICmpSLT(index, b.getInt8(0)), b.getInt8(0), byte);
      result = b.CreateInsertElement(result, byte, i);
    }
    return result;
  }

  /// The result, or null for a name that is not known.
  Value *result(StringRef name) {
    Value *x = argument(0), *y = argument(1);
    if (name.starts_with("llvm.x86.avx512.vpdpbusd."))
      return b.CreateAdd(x, sums(b.CreateMul(asUnsigned(y), asSigned(argument(2))), 4));
    if (name.contains(".pmadd.ub.sw") || name.contains(".pmaddubs.w")) {
      Value *pairs = sums(b.CreateMul(asUnsigned(x), asSigned(y)), 2);
      return b.CreateTrunc(clamp(pairs, -32768, 32767), with(pairs, b.getInt16Ty()));
    }
    if (name.contains(".pmadd.wd") || name.contains(".pmaddw.d"))
      return sums(b.CreateMul(asSigned(x), asSigned(y)), 2);
    if (name.contains(".pshuf.b.") || name.ends_with(".pshuf.b"))
      return shuffleBytes(x, y);
    if (name.starts_with("llvm.x86.avx512bf16.dpbf16ps.")) {
      Value *p = bf16(y), *q = bf16(argument(2));
      for (unsigned i : {1, 0})
        x = b.CreateIntrinsic(Intrinsic::fma, {x->getType()}, {every(p, 2, i), every(q, 2, i), x});
      return x;
    }
    return nullptr;
  }
};

} // namespace

void nibble::test::replaceInstructions(Module &module, StringRef cpu) {
  for (Function &intrinsic : make_early_inc_range(module)) {
    if (!intrinsic.isIntrinsic() || !intrinsic.getName().starts_with("llvm.x86."))
      continue;
    Function *function = Function::Create(intrinsic.getFunctionType(), GlobalValue::InternalLinkage,
                                          "replaced." + intrinsic.getName(), module);
    function->addFnAttr("no-builtins");
    function->addFnAttr(Attribute::NoUnwind);
    Replacement replacement(*function);
    Value *result = replacement.result(intrinsic.getName());
    if (!result) {
      ADD_FAILURE() << "nothing stands for " << intrinsic.getName().str();
      result = PoisonValue::get(intrinsic.getReturnType());
    }
    replacement.b.CreateRet(result);
    intrinsic.replaceAllUsesWith(function);
    intrinsic.eraseFromParent();
  }
  for (Function &function : module) {
    if (function.isIntrinsic())
      continue;
    function.addFnAttr("target-cpu", cpu);
    for (const char *attribute : {"tune-cpu", "target-features", "prefer-vector-width"})
      function.removeFnAttr(attribute);
  }
}
