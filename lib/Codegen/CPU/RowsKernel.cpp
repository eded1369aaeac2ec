//===- RowsKernel.cpp - Kernels of lowbit.quantize_rows ---------------------------------------===//
//
// An item is one tile of 8 rows, whose records interleave. A first pass, where there is a norm or a sum to
// keep, leaves each row's factor in scratch; the second reads the rows again and writes what linears read,
// for integers the tile's rows side by side: eight largest magnitudes make one vector of divisions.
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
        padded(rows.getPaddedColumns()), stride(rt::rowBytes(op.getInput().getType())),
        lanes(target.lanes()) {}

  Value items(KernelBuilder &b, Value batch) override {
    return b.ceilDiv(rowCount(b, batch, rows.getCount()), kTile);
  }

  int64_t scratchBytes() const override { return kTile * 4; } // factors of norms

  void item(KernelBuilder &b, const KernelFrame &frame, Value item) override {
    Value begin = b.mul(item, kTile);
    Value total = rowCount(b, frame.batch, rows.getCount());
    Value record = b.min(b.sub(total, begin), b.index(kTile)); // tokens in this tile
    Value tile = b.at(resultPointer(frame, kernel, 0), b.mul(begin, rows.getRowBytes()));
    if (op.getNorm() || op.getSum())
      b.loop(b.index(0), record, 1, [&](Value token) { firstPass(b, frame, begin, token); });
    auto eachRow = [&](llvm::function_ref<void(Value, const Row &)> body) {
      b.loop(b.index(0), record, 1, [&](Value token) { body(token, rowAt(b, frame, begin, token)); });
    };
    if (!rows.isInteger())
      return eachRow([&](Value token, const Row &row) {
        writeFloats(b, frame, row, b.at(tile, b.mul(token, rows.getRowBytes())));
      });
    b.ifElse(
        arith::CmpIOp::create(b, arith::CmpIPredicate::eq, record, b.index(kTile)),
        [&] {
          SmallVector<Row> all;
          for (int64_t token = 0; token < kTile; ++token)
            all.push_back(rowAt(b, frame, begin, b.index(token)));
          quantize(b, frame, all, tile, b.index(0), b.index(kTile));
        },
        [&] { eachRow([&](Value token, const Row &row) { quantize(b, frame, row, tile, token, record); }); });
  }

private:
  /// Where a row's h = input + residual is read, in a pass.
  struct Row {
    Value input, residual; // pointers; null: none
    Value factor;          // of the norm, f32; null: none
  };
  /// Columns that a vector holds: from `first` on (i64), so many of them the row's own.
  struct Columns {
    Value first;
    int64_t own;
  };

  VectorType floats(KernelBuilder &b) const { return b.vec(lanes, b.f32()); }

  /// Row `token` of the tile at row `begin` of the result.
  Row given(KernelBuilder &b, const KernelFrame &frame, Value begin, Value token) {
    Value source = b.add(begin, token);
    if (op.getSelected())
      source = arrayElement(b, batchArray(b, frame.batch, offsetof(NibbleBatch, logitsRow)), source);
    Row row{b.at(operandOf(frame, kernel, op.getInput()), b.mul(source, stride)), {}, {}};
    if (op.getResidual())
      row.residual = b.at(operandOf(frame, kernel, op.getResidual()), b.mul(source, stride));
    return row;
  }
  Value sumOf(KernelBuilder &b, const KernelFrame &frame, Value begin, Value token) {
    return b.at(resultPointer(frame, kernel, 1), b.mul(b.add(begin, token), stride));
  }
  /// The same behind the first pass.
  Row rowAt(KernelBuilder &b, const KernelFrame &frame, Value begin, Value token) {
    Row row = op.getSum() ? Row{sumOf(b, frame, begin, token), {}, {}} : given(b, frame, begin, token);
    if (op.getNorm())
      row.factor = b.load(b.f32(), b.at(frame.scratch, b.mul(token, 4)), 4);
    return row;
  }

  /// Zero in the lanes that are not the row's own.
  Value masked(KernelBuilder &b, Value value, const Columns &at) {
    if (at.own >= lanes)
      return value;
    SmallVector<bool> keep(lanes);
    for (int64_t i = 0; i < lanes; ++i)
      keep[i] = i < at.own;
    VectorType type = b.vec(lanes, b.getI1Type());
    Value mask = arith::ConstantOp::create(b, type, DenseElementsAttr::get(type, ArrayRef<bool>(keep)));
    return b.select(mask, value, b.constant(floats(b), 0.0));
  }

  /// h. A row is stored in whole vectors of 64 bytes, so what lies behind its end may be read.
  Value sumAt(KernelBuilder &b, const Row &row, const Columns &at) {
    Value offset = b.mul(at.first, 4);
    Value h = b.load(floats(b), b.at(row.input, offset), 4);
    if (row.residual)
      h = b.add(h, b.load(floats(b), b.at(row.residual, offset), 4));
    return h;
  }

  /// y, zero behind the row's end.
  Value valueAt(KernelBuilder &b, const KernelFrame &frame, const Row &row, const Columns &at) {
    if (at.own <= 0)
      return b.constant(floats(b), 0.0);
    Value y = sumAt(b, row, at);
    if (op.getNorm()) {
      Value gain = b.load(floats(b), b.at(operandOf(frame, kernel, op.getNorm()), b.mul(at.first, 4)), 4);
      y = b.mul(b.mul(y, b.splat(row.factor, lanes)), gain);
    }
    return masked(b, y, at);
  }

  /// Calls body for every vector that holds columns of the row, the last one masked.
  SmallVector<Value> forEachVector(KernelBuilder &b, ValueRange init,
                                   llvm::function_ref<SmallVector<Value>(const Columns &, ValueRange)> body) {
    int64_t whole = columns / lanes * lanes;
    SmallVector<Value> carried(init);
    if (whole)
      carried = b.loop(b.index(0), b.index(whole), lanes, init,
                       [&](Value column, ValueRange values) { return body({column, lanes}, values); });
    if (whole < columns)
      carried = body({b.index(whole), columns - whole}, carried);
    return carried;
  }

  /// Keeps h, where it is a result, and the factor of the norm.
  void firstPass(KernelBuilder &b, const KernelFrame &frame, Value begin, Value token) {
    Row row = given(b, frame, begin, token);
    Value squares = forEachVector(b, b.constant(floats(b), 0.0), [&](const Columns &at, ValueRange carried) {
                      Value h = masked(b, sumAt(b, row, at), at);
                      if (op.getSum())
                        b.store(h, b.at(sumOf(b, frame, begin, token), b.mul(at.first, 4)), 4);
                      return SmallVector<Value>{b.fma(h, h, carried[0])};
                    }).front();
    if (!op.getNorm())
      return;
    Value mean =
        arith::DivFOp::create(b, b.reduceAdd(squares), b.constant(b.f32(), static_cast<double>(columns)));
    mean = b.add(mean, b.constant(b.f32(), op.getEps()->convertToDouble()));
    Value factor = arith::DivFOp::create(b, b.constant(b.f32(), 1.0), math::SqrtOp::create(b, mean));
    b.store(factor, b.at(frame.scratch, b.mul(token, 4)), 4);
  }

  /// y as f32 or bf16.
  void writeFloats(KernelBuilder &b, const KernelFrame &frame, const Row &row, Value out) {
    Type element = rows.getActivations() == lowbit::ActivationKind::BF16 ? b.getBF16Type() : b.f32();
    const int64_t bytes = KernelBuilder::byteWidth(element);
    auto write = [&](Value y, Value column) {
      b.storeFloats(element, y, b.at(out, b.mul(column, bytes)), bytes);
    };
    forEachVector(b, {}, [&](const Columns &at, ValueRange) {
      write(valueAt(b, frame, row, at), at.first);
      return SmallVector<Value>();
    });
    int64_t end = (columns + lanes - 1) / lanes * lanes;
    b.loop(b.index(end), b.index(padded), lanes,
           [&](Value column) { write(b.constant(floats(b), 0.0), column); });
  }

  /// Integers: groups of 32 columns of some rows into the records of `tile`, which hold `record` tokens
  /// (i64), from token `first` on.
  void quantize(KernelBuilder &b, const KernelFrame &frame, ArrayRef<Row> some, Value tile, Value first,
                Value record) {
    Value groupBytes = b.mul(record, rows.getRecordBytes());
    auto group = [&](Value number, int64_t own) {
      quantizeGroup(b, frame, some, {b.mul(number, kGroup), own}, b.at(tile, b.mul(number, groupBytes)),
                    first, record);
    };
    int64_t whole = columns / kGroup;
    b.loop(b.index(0), b.index(whole), 1, [&](Value number) { group(number, kGroup); });
    for (int64_t number = whole; number < padded / kGroup; ++number)
      group(b.index(number), columns - number * kGroup);
  }

  void quantizeGroup(KernelBuilder &b, const KernelFrame &frame, ArrayRef<Row> some, const Columns &at,
                     Value target, Value first, Value record) {
    const auto count = static_cast<int64_t>(some.size());
    const double limit = rows.getPlanes() == 2 ? 32639.0 : 127.0; // the largest code
    const VectorType each = b.vec(count, b.f32());                // of some rows
    // Read for the magnitudes and again for the codes: together they are more than registers hold.
    auto valuesOf = [&](const Row &row) {
      SmallVector<Value> values;
      for (int64_t i = 0; i < kGroup; i += lanes)
        values.push_back(valueAt(b, frame, row, {b.add(at.first, i), at.own - i}));
      return values;
    };
    SmallVector<Value> magnitudes;
    for (const Row &row : some) {
      Value largest;
      for (Value value : valuesOf(row)) {
        Value magnitude = math::AbsFOp::create(b, value);
        largest = largest ? b.greater(largest, magnitude) : magnitude;
      }
      magnitudes.push_back(largest);
    }
    Value largest = b.reduceEach(magnitudes, [&](Value x, Value y) { return b.greater(x, y); });
    Value d = arith::DivFOp::create(b, largest, b.constant(each, limit));
    Value isZero = arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, largest, b.constant(each, 0.0));
    Value factors =
        b.select(isZero, b.constant(each, 0.0), arith::DivFOp::create(b, b.constant(each, limit), largest));
    // c of each bias, d and s stand behind the codes.
    Value constants = b.at(b.at(target, b.mul(record, rows.getPlanes() * kGroup)), b.mul(first, 4));
    const auto biases = static_cast<int64_t>(rows.getBiases().size());
    auto store = [&](Value vector, int64_t place) {
      b.store(vector, b.at(constants, b.mul(record, 4 * place)), 4);
    };
    store(d, biases);

    SmallVector<Value> totals;
    for (auto [token, row] : llvm::enumerate(some)) {
      Value factor = b.splat(vector::ExtractOp::create(b, factors, static_cast<int64_t>(token)), lanes);
      Value plane = b.at(target, b.mul(b.add(first, static_cast<int64_t>(token)), kGroup)), total;
      for (auto [i, value] : llvm::enumerate(valuesOf(row))) {
        Value q = b.roundToInt(b.mul(value, factor));
        total = total ? b.add(total, q) : q;
        Value to = b.at(plane, static_cast<int64_t>(i) * lanes);
        for (Value codes : planesOf(b, q)) {
          b.store(codes, to, 1);
          to = b.at(to, b.mul(record, kGroup));
        }
      }
      totals.push_back(total);
    }
    Value total = b.reduceEach(totals, [&](Value x, Value y) { return b.add(x, y); });
    for (int64_t i = 0; i < biases; ++i) {
      Value c = b.mul(total, b.constant(total.getType(), static_cast<int64_t>(-rows.getBiases()[i])));
      store(rows.getPlanes() == 1 ? b.add(c, b.constant(total.getType(), int64_t(kCountingBits))) : c, i);
    }
    if (rows.getSums())
      store(b.mul(d, arith::SIToFPOp::create(b, each, total)), biases + 1);
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

  rt::KernelOp kernel;
  lowbit::QuantizeRowsOp op;
  lowbit::RowsType rows;
  int64_t columns, padded, stride, lanes;
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
