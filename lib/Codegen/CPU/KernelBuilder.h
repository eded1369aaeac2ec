//===- KernelBuilder.h - Shorthand for the IR of kernels ----------------------------*- C++ -*-===//
//
// Kernels are written in scf, vector and arith on llvm pointers. This is the vocabulary in which the
// conversions of lib/Codegen/CPU spell them, so that a conversion reads like the loop nest that it emits.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/Codegen/CPU/Target.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

#include <bit>

namespace nibble {

using mlir::SmallVector;
using mlir::Type;
using mlir::Value;
using mlir::ValueRange;

/// 1.5 2^23: floats about it are one apart, so that their bits count as integers do.
inline constexpr float kCountingOrigin = 0x1.8p23f;
inline constexpr int32_t kCountingBits = std::bit_cast<int32_t>(kCountingOrigin);

/// Where a prefetched line goes.
enum class CacheLevel { First, Second };

/// Elements begin .. begin + lanes - 1 of a row.
struct Piece {
  int64_t begin, lanes;
};

class KernelBuilder : public mlir::ImplicitLocOpBuilder {
public:
  KernelBuilder(mlir::OpBuilder &builder, mlir::Location loc, const CPUTarget &target)
      : ImplicitLocOpBuilder(loc, builder), target(target) {}

  const CPUTarget &target;

  // Types.
  Type ptr() { return mlir::LLVM::LLVMPointerType::get(getContext()); }
  mlir::VectorType vec(int64_t lanes, Type element) { return mlir::VectorType::get({lanes}, element); }
  Type i8() { return getI8Type(); }
  Type i16() { return getIntegerType(16); }
  Type i32() { return getI32Type(); }
  Type i64() { return getI64Type(); }
  Type f32() { return getF32Type(); }

  // Constants; a vector type makes a splat.
  Value constant(Type type, int64_t value);
  Value constant(Type type, double value);
  Value index(int64_t value) { return constant(i64(), value); }

  // Scalar and vector arithmetic. Addresses do not wrap.
  Value add(Value a, Value b);
  Value add(Value a, int64_t b) { return b == 0 ? a : add(a, index(b)); }
  Value sub(Value a, Value b);
  Value mul(Value a, Value b);
  Value mul(Value a, int64_t b) { return b == 1 ? a : mul(a, index(b)); }
  Value div(Value a, int64_t b); // unsigned
  Value mod(Value a, int64_t b); // unsigned
  Value min(Value a, Value b);   // unsigned
  Value max(Value a, Value b);   // signed
  Value ceilDiv(Value a, int64_t b) { return div(add(a, b - 1), b); }
  Value fma(Value a, Value b, Value c); // a * b + c, vectors or scalars
  Value toI64(Value unsigned32);
  Value less(Value a, Value b); // unsigned
  Value select(Value condition, Value yes, Value no);
  /// f32 to the nearest i32, ties to even, for magnitudes below 2^22: two additions on every target.
  Value roundToInt(Value value);
  /// The greater of two floats by compare and select: no rules for NaN, one instruction.
  Value greater(Value a, Value b);

  // Memory. Offsets are bytes.
  Value at(Value pointer, int64_t offset);
  Value at(Value pointer, Value offset);
  Value load(Type type, Value pointer, unsigned align);
  Value load(Type type, Value pointer, int64_t offset, unsigned align) {
    return load(type, at(pointer, offset), align);
  }
  void store(Value value, Value pointer, unsigned align);
  void store(Value value, Value pointer, int64_t offset, unsigned align) {
    store(value, at(pointer, offset), align);
  }
  /// Loads a scalar and broadcasts it; where the target can, it folds into the instruction that uses it.
  Value loadSplat(Type element, Value pointer, int64_t offset, int64_t lanes);
  Value splat(Value scalar, int64_t lanes);
  void prefetch(Value pointer, int64_t offset, CacheLevel level);

  // f32 lanes from memory in f32, f16 or bf16, and back (nearest even).
  Value loadFloats(Type stored, Value pointer, int64_t lanes, unsigned align);
  void storeFloats(Type stored, Value value, Value pointer, unsigned align);
  /// What storeFloats stores, as integers.
  Value floatBits(Type stored, Value value);
  static int64_t byteWidth(Type stored) { return stored.getIntOrFloatBitWidth() / 8; }

  /// Sum or maximum of all lanes as a tree, in an order that only the number of lanes decides.
  Value reduceAdd(Value vector);
  Value reduceMax(Value vector);
  /// The same of each of some vectors (a power of two), as one vector of as many lanes.
  Value reduceEach(SmallVector<Value> vectors, llvm::function_ref<Value(Value, Value)> combine);

  /// As many vectors as each has lanes: rows become columns.
  SmallVector<Value> transpose(SmallVector<Value> rows);
  /// 0, 1, 2, ... as i32.
  Value laneNumbers(int64_t lanes);

  /// `count` elements as vectors of all lanes, then of ever smaller powers of two.
  SmallVector<Piece> pieces(int64_t count) const;

  // Control. Bounds are i64.
  void loop(Value begin, Value end, int64_t step, llvm::function_ref<void(Value)> body);
  SmallVector<Value> loop(Value begin, Value end, int64_t step, ValueRange init,
                          llvm::function_ref<SmallVector<Value>(Value, ValueRange)> body);
  void ifThen(Value condition, llvm::function_ref<void()> body);
  void ifElse(Value condition, llvm::function_ref<void()> yes, llvm::function_ref<void()> no);
  /// The values, of `types`, that one of them gives.
  SmallVector<Value> ifElse(Value condition, mlir::TypeRange types,
                            llvm::function_ref<SmallVector<Value>()> yes,
                            llvm::function_ref<SmallVector<Value>()> no);
  /// Repeats carried = body(carried) as long as condition(carried) holds.
  SmallVector<Value> repeat(ValueRange init, llvm::function_ref<Value(ValueRange)> condition,
                            llvm::function_ref<SmallVector<Value>(ValueRange)> body);

private:
  Value reduce(Value vector, llvm::function_ref<Value(Value, Value)> combine);
};

} // namespace nibble
