//===- RowsKernel.cpp - Kernels of lowbit.quantize_rows ---------------------------------------===//
//
// An item is one tile of 8 rows, whose records interleave. Row by row: residual add, norm into scratch, then
// groups of 32 columns are quantized and written to the record.
//
//===------------------------------------------------------------------------------------------===//
#include "KernelEmitter.h"

#include "nibble/runtime/KernelABI.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace nibble;

namespace {

constexpr int64_t kTile = 8;
constexpr int64_t kGroup = 32;

class RowsEmitter final : public KernelEmitter {
public:
  RowsEmitter(rt::KernelOp kernel, lowbit::QuantizeRowsOp op, const CPUTarget &target)
      : kernel(kernel), op(op), rows(op.getResult().getType()), columns(rows.getColumns()),
        padded(rows.getPaddedColumns()), stride(rt::rowBytes(op.getInput().getType())), lanes(target.lanes()),
        activations(rows.getActivations()) {}

  Value items(KernelBuilder &b, Value batch) override {
    return b.ceilDiv(rowCount(b, batch, rows.getCount()), kTile);
  }

  int64_t scratchBytes() const override { return padded * 4; }

  void item(KernelBuilder &b, const KernelFrame &frame, Value item) override {
    Value begin = b.mul(item, kTile);
    Value total = rowCount(b, frame.batch, rows.getCount());
    Value record = b.min(b.sub(total, begin), b.index(kTile)); // tokens in this tile
    Value tile = b.at(resultPointer(frame, kernel, 0), b.mul(begin, rows.getRowBytes()));
    b.loop(b.index(0), record, 1, [&](Value token) {
      Value row = b.add(begin, token);
      Value out = b.at(tile, b.mul(token, rows.getRowBytes()));
      Value normed = activations == lowbit::ActivationKind::F32 ? out : frame.scratch;
      prepare(b, frame, row, normed);
      if (rows.isInteger())
        quantize(b, normed, tile, token, record);
      else if (activations == lowbit::ActivationKind::BF16)
        narrow(b, normed, out);
    });
  }

private:
  /// Columns of one vector; those past the row's end read as zero.
  Value loadRow(KernelBuilder &b, Value pointer, int64_t firstColumn, Value dynamicColumn) {
    Value value =
        b.load(b.vec(lanes, b.f32()),
               b.at(pointer, dynamicColumn ? b.mul(dynamicColumn, 4) : b.index(4 * firstColumn)), 4);
    if (dynamicColumn || firstColumn + lanes <= columns)
      return value;
    VectorType type = b.vec(lanes, b.getI1Type());
    SmallVector<bool> keep(lanes);
    for (int64_t i = 0; i < lanes; ++i)
      keep[i] = firstColumn + i < columns;
    Value mask = arith::ConstantOp::create(b, type, DenseElementsAttr::get(type, ArrayRef<bool>(keep)));
    return arith::SelectOp::create(b, mask, value, b.constant(b.vec(lanes, b.f32()), 0.0));
  }

  /// Calls body(column as i64 value, load function) for every vector of the row, the last one masked.
  using Load = llvm::function_ref<Value(Value)>;
  SmallVector<Value> forEachVector(KernelBuilder &b, ValueRange init,
                                   llvm::function_ref<SmallVector<Value>(Value, Load, ValueRange)> body) {
    int64_t whole = columns / lanes * lanes;
    SmallVector<Value> carried(init);
    if (whole)
      carried = b.loop(b.index(0), b.index(whole), lanes, init, [&](Value column, ValueRange values) {
        return body(column, [&](Value pointer) { return loadRow(b, pointer, 0, column); }, values);
      });
    if (whole < columns)
      carried =
          body(b.index(whole), [&](Value pointer) { return loadRow(b, pointer, whole, Value()); }, carried);
    return carried;
  }

  /// Steps 1 and 2 of the op's description: the row's y into `normed`, zero beyond the row's columns.
  void prepare(KernelBuilder &b, const KernelFrame &frame, Value row, Value normed) {
    Value source = row;
    if (op.getSelected())
      source = arrayElement(b, batchArray(b, frame.batch, offsetof(NibbleBatch, logitsRow)), row);
    Value input = b.at(operandOf(frame, kernel, op.getInput()), b.mul(source, stride));
    Value residual, sum;
    if (op.getResidual())
      residual = b.at(operandOf(frame, kernel, op.getResidual()), b.mul(source, stride));
    if (op.getSum())
      sum = b.at(resultPointer(frame, kernel, 1), b.mul(row, stride));

    VectorType floats = b.vec(lanes, b.f32());
    Value zero = b.constant(floats, 0.0);
    Value squares =
        forEachVector(b, zero, [&](Value column, Load load, ValueRange carried) -> SmallVector<Value> {
          Value h = load(input);
          if (residual)
            h = b.add(h, load(residual));
          if (sum)
            b.store(h, b.at(sum, b.mul(column, 4)), 4);
          b.store(h, b.at(normed, b.mul(column, 4)), 4);
          return {b.fma(h, h, carried[0])};
        }).front();
    if (op.getNorm()) {
      Value mean =
          arith::DivFOp::create(b, b.reduceAdd(squares), b.constant(b.f32(), static_cast<double>(columns)));
      mean = b.add(mean, b.constant(b.f32(), op.getEps()->convertToDouble()));
      Value inverse = arith::DivFOp::create(b, b.constant(b.f32(), 1.0), math::SqrtOp::create(b, mean));
      Value scale = b.splat(inverse, lanes), gain = operandOf(frame, kernel, op.getNorm());
      forEachVector(b, ValueRange(), [&](Value column, Load load, ValueRange) -> SmallVector<Value> {
        Value address = b.at(normed, b.mul(column, 4));
        Value h = b.load(floats, address, 4);
        b.store(b.mul(b.mul(h, scale), load(gain)), address, 4);
        return {};
      });
    }
    // Padding: whole vectors behind the last one that holds columns.
    int64_t end = (columns + lanes - 1) / lanes * lanes;
    if (end < padded)
      b.loop(b.index(end), b.index(padded), lanes,
             [&](Value column) { b.store(zero, b.at(normed, b.mul(column, 4)), 4); });
  }

  /// Step 3 for bf16.
  void narrow(KernelBuilder &b, Value normed, Value out) {
    b.loop(b.index(0), b.index(padded), lanes, [&](Value column) {
      Value x = b.load(b.vec(lanes, b.f32()), b.at(normed, b.mul(column, 4)), 4);
      b.storeFloats(b.getBF16Type(), x, b.at(out, b.mul(column, 2)), 2);
    });
  }

  /// The int8 planes of codes, the high bytes first: q = 256 hi + lo.
  SmallVector<Value> planesOf(KernelBuilder &b, Value q) {
    VectorType ints = b.vec(lanes, b.i32()), bytes = b.vec(lanes, b.i8());
    SmallVector<Value> planes = {arith::TruncIOp::create(b, bytes, q)};
    if (rows.getPlanes() == 2) {
      Value high =
          arith::ShRSIOp::create(b, b.add(q, b.constant(ints, int64_t(128))), b.constant(ints, int64_t(8)));
      planes.insert(planes.begin(), arith::TruncIOp::create(b, bytes, high));
    }
    return planes;
  }

  /// Step 3 for integers: groups of 32 columns of `normed` into the records of `tile`.
  void quantize(KernelBuilder &b, Value normed, Value tile, Value token, Value record) {
    VectorType floats = b.vec(lanes, b.f32()), ints = b.vec(lanes, b.i32());
    int64_t vectors = kGroup / lanes, biases = rows.getBiases().size();
    double limit = rows.getPlanes() == 2 ? 32639.0 : 127.0; // the largest code
    Value groupBytes = b.mul(record, rows.getRecordBytes());
    Value offset = b.mul(token, 4);
    b.loop(b.index(0), b.index(padded / kGroup), 1, [&](Value group) {
      Value source = b.at(normed, b.mul(group, kGroup * 4)), target = b.at(tile, b.mul(group, groupBytes));
      SmallVector<Value> x;
      Value largest;
      for (int64_t i = 0; i < vectors; ++i) {
        x.push_back(b.load(floats, source, 4 * lanes * i, 4));
        Value magnitude = math::AbsFOp::create(b, x.back());
        if (!largest) {
          largest = magnitude;
          continue;
        }
        Value greater = arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, largest, magnitude);
        largest = arith::SelectOp::create(b, greater, largest, magnitude);
      }
      Value d = arith::DivFOp::create(b, b.reduceMax(largest), b.constant(b.f32(), limit));
      // A group of zeros divides by one: its codes are zero.
      Value isZero = arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, d, b.constant(b.f32(), 0.0));
      Value divisor = b.splat(arith::SelectOp::create(b, isZero, b.constant(b.f32(), 1.0), d), lanes);
      Value total;
      for (int64_t i = 0; i < vectors; ++i) {
        Value q = math::RoundEvenOp::create(b, arith::DivFOp::create(b, x[i], divisor));
        q = arith::FPToSIOp::create(b, ints, q);
        total = total ? b.add(total, q) : q;
        Value plane = b.at(target, b.add(b.mul(token, kGroup), lanes * i));
        for (Value codes : planesOf(b, q)) {
          b.store(codes, plane, 1);
          plane = b.at(plane, b.mul(record, kGroup));
        }
      }
      total = b.reduceAdd(total);
      // c of each bias, then d, then s.
      Value constants = b.at(target, b.mul(record, rows.getPlanes() * kGroup));
      Value step = b.mul(record, 4);
      for (int64_t i = 0; i < biases; ++i) {
        Value c = b.mul(total, b.constant(b.i32(), static_cast<int64_t>(-rows.getBiases()[i])));
        b.store(c, b.at(constants, offset), 4);
        constants = b.at(constants, step);
      }
      b.store(d, b.at(constants, offset), 4);
      if (rows.getSums())
        b.store(b.mul(d, arith::SIToFPOp::create(b, b.f32(), total)), b.at(b.at(constants, step), offset), 4);
    });
  }

  rt::KernelOp kernel;
  lowbit::QuantizeRowsOp op;
  lowbit::RowsType rows;
  int64_t columns, padded, stride, lanes;
  lowbit::ActivationKind activations;
};

} // namespace

std::unique_ptr<KernelEmitter> nibble::makeRowsEmitter(rt::KernelOp kernel, const CPUTarget &target) {
  auto ops = kernel.getBody().front().getOps<lowbit::QuantizeRowsOp>();
  if (!llvm::hasSingleElement(ops)) {
    kernel.emitError() << "a kernel of family rows holds one lowbit.quantize_rows";
    return nullptr;
  }
  return std::make_unique<RowsEmitter>(kernel, *ops.begin(), target);
}
