//===- ReplaceInstructions.cpp - Kernels for a CPU that this machine is not -------------------===//
#include "ReplaceInstructions.h"

#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/IntrinsicInst.h"

#include <gtest/gtest.h>

using namespace llvm;

namespace {

constexpr unsigned kTileRows = 16, kTileLanes = 16; // i32 lanes of a row

/// The type of tiles is known to their instructions alone; here a tile is a vector of all its lanes.
Type *plainType(Type *type) {
  return type->isX86_AMXTy()
             ? FixedVectorType::get(Type::getInt32Ty(type->getContext()), kTileRows * kTileLanes)
             : type;
}

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

  /// Subnormal numbers become zeros.
  Value *flush(Value *v) {
    Constant *zero = ConstantFP::get(v->getType(), 0.0), *least = ConstantFP::get(v->getType(), 0x1p-126);
    Value *isSmall = b.CreateFCmpOLT(b.CreateUnaryIntrinsic(Intrinsic::fabs, v), least);
    return b.CreateSelect(isSmall, b.CreateBinaryIntrinsic(Intrinsic::copysign, zero, v), v);
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

  /// body(i) for i = 0 .. count - 1.
  void repeat(Value *count, function_ref<void(Value *)> body) {
    BasicBlock *before = b.GetInsertBlock(), *loop = BasicBlock::Create(b.getContext(), "", &function),
               *after = BasicBlock::Create(b.getContext(), "", &function);
    b.CreateCondBr(b.CreateIsNull(count), after, loop);
    b.SetInsertPoint(loop);
    PHINode *i = b.CreatePHI(count->getType(), 2);
    i->addIncoming(ConstantInt::get(count->getType(), 0), before);
    body(i);
    Value *next = b.CreateAdd(i, ConstantInt::get(count->getType(), 1));
    i->addIncoming(next, b.GetInsertBlock());
    b.CreateCondBr(b.CreateICmpEQ(next, count), after, loop);
    b.SetInsertPoint(after);
  }

  /// A tile in memory, 64 bytes a row; zeros where `tile` is null.
  Value *tileInMemory(Value *tile) {
    Type *type = FixedVectorType::get(b.getInt32Ty(), kTileRows * kTileLanes);
    AllocaInst *memory = b.CreateAlloca(type);
    b.CreateStore(tile ? tile : Constant::getNullValue(type), memory);
    return memory;
  }
  Value *tileOf(Value *memory) {
    return b.CreateLoad(FixedVectorType::get(b.getInt32Ty(), kTileRows * kTileLanes), memory);
  }
  Value *at(Value *pointer, Value *index, Value *stride) {
    Value *offset = b.CreateMul(b.CreateZExt(index, b.getInt64Ty()), b.CreateZExt(stride, b.getInt64Ty()));
    return b.CreatePtrAdd(pointer, offset);
  }

  /// `rows` rows of `bytes` bytes, which are a multiple of 4.
  void copyRows(Value *rows, Value *bytes, Value *to, Value *toStride, Value *from, Value *fromStride) {
    repeat(rows, [&](Value *row) {
      repeat(b.CreateLShr(bytes, 2), [&](Value *lane) {
        Value *value =
            b.CreateAlignedLoad(b.getInt32Ty(), at(at(from, row, fromStride), lane, b.getInt64(4)), Align(1));
        b.CreateAlignedStore(value, at(at(to, row, toStride), lane, b.getInt64(4)), Align(1));
      });
    });
  }

  /// c[m][n] += sum over i < 4 of a[m][4k+i] b[k][4n+i], for every k in turn.
  Value *tileProduct(bool isASigned, bool isBSigned) {
    Value *line = b.getInt64(4 * kTileLanes), *c = tileInMemory(argument(3)), *x = tileInMemory(argument(4)),
          *codes = tileInMemory(argument(5));
    Type *ints = FixedVectorType::get(b.getInt32Ty(), kTileLanes),
         *bytes = FixedVectorType::get(b.getInt8Ty(), 4 * kTileLanes);
    repeat(argument(0), [&](Value *m) {
      repeat(b.CreateLShr(argument(2), 2), [&](Value *k) {
        Value *dword = b.CreateLoad(b.getInt32Ty(), at(at(x, m, line), k, b.getInt64(4)));
        Value *p = b.CreateBitCast(b.CreateVectorSplat(kTileLanes, dword), bytes);
        Value *q = b.CreateLoad(bytes, at(codes, k, line)), *row = at(c, m, line);
        p = isASigned ? asSigned(p) : asUnsigned(p);
        q = isBSigned ? asSigned(q) : asUnsigned(q);
        b.CreateStore(b.CreateAdd(b.CreateLoad(ints, row), sums(b.CreateMul(p, q), 4)), row);
      });
    });
    return tileOf(c);
  }

  /// c[m][n] += (sum over k of a[m][2k] b[k][2n]) + (sum over k of a[m][2k+1] b[k][2n+1]) in the order of the
  /// manufacturer's manual (Intel's, TDPBF16PS): both by multiply-adds from zero.
  Value *tileProductBF16() {
    Value *line = b.getInt64(4 * kTileLanes), *c = tileInMemory(argument(3)), *x = tileInMemory(argument(4)),
          *weights = tileInMemory(argument(5));
    Type *floats = FixedVectorType::get(b.getFloatTy(), kTileLanes),
         *halves = FixedVectorType::get(b.getInt16Ty(), 2 * kTileLanes);
    Value *partial[] = {b.CreateAlloca(floats), b.CreateAlloca(floats)};
    repeat(argument(0), [&](Value *m) {
      for (Value *sum : partial)
        b.CreateStore(Constant::getNullValue(floats), sum);
      repeat(b.CreateLShr(argument(2), 2), [&](Value *k) {
        Value *pair = b.CreateLoad(b.getInt32Ty(), at(at(x, m, line), k, b.getInt64(4)));
        Value *p = b.CreateBitCast(b.CreateVectorSplat(kTileLanes, pair), halves);
        Value *q = b.CreateLoad(halves, at(weights, k, line));
        for (unsigned i : {0, 1}) {
          Value *u = flush(bf16(every(p, 2, i))), *v = flush(bf16(every(q, 2, i)));
          Value *sum = b.CreateLoad(floats, partial[i]);
          b.CreateStore(flush(b.CreateIntrinsic(Intrinsic::fma, {floats}, {u, v, sum})), partial[i]);
        }
      });
      Value *row = at(c, m, line), *before = flush(b.CreateLoad(floats, row));
      Value *sum = b.CreateFAdd(b.CreateLoad(floats, partial[0]), b.CreateLoad(floats, partial[1]));
      b.CreateStore(flush(b.CreateFAdd(before, flush(sum))), row);
    });
    return tileOf(c);
  }

  /// The result of an instruction of AMX, or null.
  Value *tileResult(StringRef name) {
    Value *line = b.getInt64(4 * kTileLanes);
    if (name == "llvm.x86.tilezero.internal")
      return Constant::getNullValue(function.getReturnType());
    if (name == "llvm.x86.tileloadd64.internal") {
      Value *memory = tileInMemory(nullptr);
      copyRows(argument(0), argument(1), memory, line, argument(2), argument(3));
      return tileOf(memory);
    }
    if (name == "llvm.x86.tdpbssd.internal")
      return tileProduct(true, true);
    if (name == "llvm.x86.tdpbsud.internal")
      return tileProduct(true, false);
    if (name == "llvm.x86.tdpbf16ps.internal")
      return tileProductBF16();
    return nullptr;
  }

  /// The result, or null for a name that is not known.
  Value *result(StringRef name) {
    if (name == "llvm.x86.tilestored64.internal") {
      copyRows(argument(0), argument(1), argument(2), argument(3), tileInMemory(argument(4)),
               b.getInt64(4 * kTileLanes));
      return argument(4); // of no use: nothing is returned
    }
    if (Value *tile = tileResult(name))
      return tile;
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

/// Calls of intrinsics that take or give tiles become calls of their replacements, whose tiles are vectors;
/// loops carry vectors from one to the next.
static void replaceTileCalls(Function &function, const DenseMap<Function *, Function *> &replacements) {
  DenseMap<Value *, Value *> tiles;
  SmallVector<Instruction *> replaced;
  SmallVector<PHINode *> carried;
  for (Instruction &instruction : instructions(function)) {
    if (auto *phi = dyn_cast<PHINode>(&instruction); phi && phi->getType()->isX86_AMXTy()) {
      tiles[phi] = IRBuilder<>(phi).CreatePHI(plainType(phi->getType()), phi->getNumIncomingValues());
      replaced.push_back(phi);
      carried.push_back(phi);
      continue;
    }
    auto *call = dyn_cast<CallInst>(&instruction);
    Function *replacement = call ? replacements.lookup(call->getCalledFunction()) : nullptr;
    if (!replacement)
      continue;
    SmallVector<Value *> arguments;
    for (Value *argument : call->args())
      arguments.push_back(argument->getType()->isX86_AMXTy() ? tiles.at(argument) : argument);
    tiles[call] = IRBuilder<>(call).CreateCall(replacement, arguments);
    replaced.push_back(call);
  }
  for (PHINode *phi : carried)
    for (auto [value, block] : zip_equal(phi->incoming_values(), phi->blocks()))
      cast<PHINode>(tiles.at(phi))->addIncoming(tiles.at(value), block);
  for (Instruction *instruction : replaced)
    instruction->dropAllReferences();
  for (Instruction *instruction : replaced)
    instruction->eraseFromParent();
}

void nibble::test::replaceInstructions(Module &module, StringRef cpu) {
  DenseMap<Function *, Function *> ofTiles;
  SmallVector<Function *> intrinsics, kernels;
  for (Function &function : module)
    if (function.isIntrinsic() && function.getName().starts_with("llvm.x86."))
      intrinsics.push_back(&function);
    else if (!function.isDeclaration())
      kernels.push_back(&function);
  for (Function *intrinsic : intrinsics) {
    FunctionType *type = intrinsic->getFunctionType();
    SmallVector<Type *> parameters(map_range(type->params(), plainType));
    auto *plain = FunctionType::get(plainType(type->getReturnType()), parameters, false);
    Function *function =
        Function::Create(plain, GlobalValue::InternalLinkage, "replaced." + intrinsic->getName(), module);
    function->addFnAttr("no-builtins");
    function->addFnAttr(Attribute::NoUnwind);
    Replacement replacement(*function);
    Value *result = replacement.result(intrinsic->getName());
    if (!result) {
      ADD_FAILURE() << "nothing stands for " << intrinsic->getName().str();
      result = PoisonValue::get(plain->getReturnType());
    }
    if (plain->getReturnType()->isVoidTy())
      replacement.b.CreateRetVoid();
    else
      replacement.b.CreateRet(result);
    if (plain == type)
      intrinsic->replaceAllUsesWith(function);
    else
      ofTiles[intrinsic] = function;
  }
  for (Function *kernel : kernels)
    replaceTileCalls(*kernel, ofTiles);
  for (Function *intrinsic : intrinsics)
    intrinsic->eraseFromParent();
  for (Function &function : module) {
    if (function.isIntrinsic())
      continue;
    function.addFnAttr("target-cpu", cpu);
    for (const char *attribute : {"tune-cpu", "target-features", "prefer-vector-width"})
      function.removeFnAttr(attribute);
  }
}
