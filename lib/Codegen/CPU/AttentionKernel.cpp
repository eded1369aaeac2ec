//===- AttentionKernel.cpp - Kernels of llm.attention -----------------------------------------===//
//
// An item is one sequence and one head of K and V, with all the query heads that share it:
//   1. for each of the sequence's rows: norm and rotate k, store k and v in the cache;
//   2. for each row: norm and rotate its query heads, then blocks of 64 positions counted from position 0. A
//   block
//      gives (m, l, o) = (max s, sum exp(s - m), sum exp(s - m) v), merged into the running triple in
//      ascending order (online softmax, Milakov and Gimelshein 2018). The order is the same whatever else is
//      in the batch.
//
//===------------------------------------------------------------------------------------------===//
#include "KernelEmitter.h"

#include "dialects/LLM/LLM.h"
#include "nibble/runtime/KernelABI.h"

#include "mlir/Dialect/Math/IR/Math.h"

#include <limits>
#include <numeric>

using namespace mlir;
using namespace nibble;

namespace {

/// What happens to a head of q or k before it is used.
struct HeadInput {
  Value source; // block argument: [T, heads * head_dim]
  llm::RMSNormOp norm;
  llm::RopeOp rope;

  /// rope(rms_norm(argument)), both optional.
  static HeadInput trace(Value value) {
    HeadInput input;
    if ((input.rope = value.getDefiningOp<llm::RopeOp>()))
      value = input.rope.getInput();
    if ((input.norm = value.getDefiningOp<llm::RMSNormOp>()))
      value = input.norm.getInput();
    input.source = value;
    return input;
  }
};

class AttentionEmitter final : public KernelEmitter {
public:
  AttentionEmitter(rt::KernelOp kernel, llm::AttentionOp op, const CPUTarget &target, Type cacheElement)
      : kernel(kernel), op(op), query(HeadInput::trace(op.getQuery())), key(HeadInput::trace(op.getKey())),
        element(cacheElement), kvHeads(op.getCache().getType().getKvHeads()),
        headDim(op.getCache().getType().getHeadDim()), group(op.getHeads() / kvHeads), lanes(target.lanes()),
        width(std::gcd(headDim, lanes)) {
    if (query.rope) {
      half = query.rope.getInverseFrequencies().size();
      ropeWidth = std::gcd(half, lanes);
    }
    // Scratch, in floats: everything starts at a multiple of 16.
    auto place = [this](int64_t floats) {
      int64_t offset = scratchFloats;
      scratchFloats += (floats + 15) / 16 * 16;
      return 4 * offset;
    };
    cosine = place(half);
    sine = place(half);
    heads = place(group * headDim);
    output = place(group * headDim);
    scores = place(group * kAttentionBlock);
    largest = place(group);
    total = place(group);
  }

  Value items(KernelBuilder &b, Value batch) override {
    return b.mul(batchCount(b, batch, offsetof(NibbleBatch, sequences)), kvHeads);
  }
  int64_t scratchBytes() const override { return 4 * scratchFloats; }

  void item(KernelBuilder &b, const KernelFrame &frame, Value item) override {
    Value sequence = b.div(item, kvHeads), kvHead = b.mod(item, kvHeads);
    Value starts = batchArray(b, frame.batch, offsetof(NibbleBatch, queryStart));
    Value begin = arrayElement(b, starts, sequence), end = arrayElement(b, starts, b.add(sequence, 1));
    Value positions = batchArray(b, frame.batch, offsetof(NibbleBatch, position));
    Value pages =
        b.at(batchArray(b, frame.batch, offsetof(NibbleBatch, pageTable)),
             b.mul(b.mul(sequence, batchCount(b, frame.batch, offsetof(NibbleBatch, pageStride))), 4));
    Item it{frame, kvHead, pages, {}, {}};
    // A cache operand is two pointers.
    unsigned cacheIndex = cast<BlockArgument>(op.getCache()).getArgNumber();
    it.keys = frame.operands[cacheIndex];
    it.values = frame.operands[cacheIndex + 1];
    b.loop(begin, end, 1, [&](Value row) { storeRow(b, it, row, arrayElement(b, positions, row)); });
    b.loop(begin, end, 1, [&](Value row) { attend(b, it, row, arrayElement(b, positions, row)); });
  }

private:
  struct Item {
    const KernelFrame &frame;
    Value kvHead, pages, keys, values;
  };

  Value scratch(KernelBuilder &b, const Item &it, int64_t offset) { return b.at(it.frame.scratch, offset); }
  Value number(KernelBuilder &b, double value) { return b.constant(b.f32(), value); }

  /// Bytes from the cache's base to the head's row of a position.
  Value cacheOffset(KernelBuilder &b, const Item &it, Value position) {
    Value page = arrayElement(b, it.pages, b.div(position, kPageSize));
    Value head = b.add(b.mul(page, kvHeads), it.kvHead);
    Value slot = b.add(b.mul(head, kPageSize), b.mod(position, kPageSize));
    return b.mul(slot, headDim * KernelBuilder::byteWidth(element));
  }

  /// cos and sin of f32(position * frequency), times the attention factor.
  void angles(KernelBuilder &b, const Item &it, Value position) {
    if (!query.rope)
      return;
    ArrayRef<float> frequencies = query.rope.getInverseFrequencies();
    Value p = arith::UIToFPOp::create(b, b.f32(), position);
    VectorType type = b.vec(ropeWidth, b.f32());
    double factor = query.rope.getAttentionFactor().convertToDouble();
    for (int64_t i = 0; i < half; i += ropeWidth) {
      Value f = arith::ConstantOp::create(
          b, type, cast<TypedAttr>(DenseElementsAttr::get(type, frequencies.slice(i, ropeWidth))));
      Value angle = b.mul(b.splat(p, ropeWidth), f);
      Value c = math::CosOp::create(b, angle), s = math::SinOp::create(b, angle);
      if (factor != 1.0) {
        Value a = b.constant(type, factor);
        c = b.mul(c, a);
        s = b.mul(s, a);
      }
      b.store(c, scratch(b, it, cosine + 4 * i), 4);
      b.store(s, scratch(b, it, sine + 4 * i), 4);
    }
  }

  /// One head of q or k, normed and rotated, into `out`.
  void prepareHead(KernelBuilder &b, const Item &it, HeadInput input, Value in, Value out) {
    VectorType type = b.vec(width, b.f32());
    Value squares = b.constant(type, 0.0);
    for (int64_t d = 0; d < headDim; d += width) {
      Value x = b.load(type, in, 4 * d, 4);
      squares = b.fma(x, x, squares);
      b.store(x, out, 4 * d, 4);
    }
    if (input.norm) {
      Value mean = arith::DivFOp::create(b, b.reduceAdd(squares), number(b, static_cast<double>(headDim)));
      mean = b.add(mean, number(b, input.norm.getEps().convertToDouble()));
      Value inverse = arith::DivFOp::create(b, number(b, 1.0), math::SqrtOp::create(b, mean));
      Value scale = b.splat(inverse, width), gain = operandOf(it.frame, kernel, input.norm.getGain());
      for (int64_t d = 0; d < headDim; d += width) {
        Value x = b.mul(b.load(type, out, 4 * d, 4), scale);
        b.store(b.mul(x, b.load(type, gain, 4 * d, 4)), out, 4 * d, 4);
      }
    }
    if (!input.rope)
      return;
    VectorType pair = b.vec(ropeWidth, b.f32());
    for (int64_t i = 0; i < half; i += ropeWidth) {
      Value c = b.load(pair, scratch(b, it, cosine + 4 * i), 4),
            s = b.load(pair, scratch(b, it, sine + 4 * i), 4);
      Value x = b.load(pair, out, 4 * i, 4), y = b.load(pair, out, 4 * (half + i), 4);
      b.store(b.sub(b.mul(x, c), b.mul(y, s)), out, 4 * i, 4);
      b.store(b.add(b.mul(y, c), b.mul(x, s)), out, 4 * (half + i), 4);
    }
  }

  /// Start of head `head` (i64) of row `row`.
  Value headOf(KernelBuilder &b, const Item &it, Value matrix, Value row, Value head) {
    Value start = b.at(operandOf(it.frame, kernel, matrix), b.mul(row, rt::rowBytes(matrix.getType())));
    return b.at(start, b.mul(head, headDim * 4));
  }

  void storeRow(KernelBuilder &b, const Item &it, Value row, Value position) {
    angles(b, it, position);
    Value rotated = scratch(b, it, heads);
    prepareHead(b, it, key, headOf(b, it, key.source, row, it.kvHead), rotated);
    Value value = headOf(b, it, op.getValue(), row, it.kvHead), offset = cacheOffset(b, it, position);
    Value k = b.at(it.keys, offset), v = b.at(it.values, offset);
    VectorType type = b.vec(width, b.f32());
    unsigned bytes = KernelBuilder::byteWidth(element);
    for (int64_t d = 0; d < headDim; d += width) {
      b.storeFloats(element, b.load(type, rotated, 4 * d, 4), b.at(k, d * bytes), bytes);
      b.storeFloats(element, b.load(type, value, 4 * d, 4), b.at(v, d * bytes), bytes);
    }
  }

  void attend(KernelBuilder &b, const Item &it, Value row, Value position) {
    angles(b, it, position);
    Value firstHead = b.mul(it.kvHead, group);
    VectorType type = b.vec(width, b.f32());
    for (int64_t r = 0; r < group; ++r) {
      Value head = scratch(b, it, heads + 4 * r * headDim);
      prepareHead(b, it, query, headOf(b, it, query.source, row, b.add(firstHead, r)), head);
      for (int64_t d = 0; d < headDim; d += width)
        b.store(b.constant(type, 0.0), scratch(b, it, output + 4 * (r * headDim + d)), 4);
      b.store(number(b, -std::numeric_limits<double>::infinity()), scratch(b, it, largest + 4 * r), 4);
      b.store(number(b, 0.0), scratch(b, it, total + 4 * r), 4);
    }
    Value end = b.add(position, 1), begin = b.index(0);
    if (op.getWindow()) {
      Value outside = b.max(b.sub(end, b.index(*op.getWindow())), b.index(0));
      begin = outside;
    }
    b.loop(b.div(begin, kAttentionBlock), b.ceilDiv(end, kAttentionBlock), 1, [&](Value number) {
      Value first = b.mul(number, kAttentionBlock);
      block(b, it, b.max(begin, first), b.min(end, b.add(first, kAttentionBlock)), first);
    });
    finish(b, it, row, firstHead);
  }

  /// Positions begin .. end - 1 of the block that starts at `first`.
  void block(KernelBuilder &b, const Item &it, Value begin, Value end, Value first) {
    VectorType type = b.vec(width, b.f32()), wide = b.vec(lanes, b.f32());
    unsigned bytes = KernelBuilder::byteWidth(element);
    Value masked = b.constant(wide, -std::numeric_limits<double>::infinity());
    for (int64_t i = 0; i < group * kAttentionBlock; i += lanes)
      b.store(masked, scratch(b, it, scores + 4 * i), 4);

    // s = scale q . k, every row of K read once for all heads of the group.
    b.loop(begin, end, 1, [&](Value position) {
      Value k = b.at(it.keys, cacheOffset(b, it, position));
      SmallVector<Value> sums(group, b.constant(type, 0.0));
      for (int64_t d = 0; d < headDim; d += width) {
        Value x = b.loadFloats(element, b.at(k, d * bytes), width, bytes);
        for (int64_t r = 0; r < group; ++r)
          sums[r] = b.fma(b.load(type, scratch(b, it, heads + 4 * (r * headDim + d)), 4), x, sums[r]);
      }
      Value column = b.mul(b.sub(position, first), 4);
      for (int64_t r = 0; r < group; ++r) {
        Value s = b.mul(b.reduceAdd(sums[r]), number(b, op.getScale().convertToDouble()));
        if (op.getSoftcap()) {
          Value cap = number(b, op.getSoftcap()->convertToDouble());
          s = b.mul(cap, math::TanhOp::create(b, arith::DivFOp::create(b, s, cap)));
        }
        b.store(s, b.at(scratch(b, it, scores + 4 * r * kAttentionBlock), column), 4);
      }
    });

    SmallVector<Value> keep, take; // factors of the running triple and of the block's
    for (int64_t r = 0; r < group; ++r) {
      Value row = scratch(b, it, scores + 4 * r * kAttentionBlock);
      SmallVector<Value> s;
      Value most;
      for (int64_t i = 0; i < kAttentionBlock; i += lanes) {
        s.push_back(b.load(wide, row, 4 * i, 4));
        most = most ? maximum(b, most, s.back()) : s.back();
      }
      Value m = b.reduceMax(most), sum;
      for (int64_t i = 0; i < kAttentionBlock; i += lanes) {
        Value p = math::ExpOp::create(b, b.sub(s[i / lanes], b.splat(m, lanes)));
        sum = sum ? b.add(sum, p) : p;
        b.store(p, row, 4 * i, 4);
      }
      Value largestAt = scratch(b, it, largest + 4 * r), totalAt = scratch(b, it, total + 4 * r);
      Value before = b.load(b.f32(), largestAt, 4), after = maximum(b, before, m);
      keep.push_back(math::ExpOp::create(b, b.sub(before, after)));
      take.push_back(math::ExpOp::create(b, b.sub(m, after)));
      Value l = b.mul(b.load(b.f32(), totalAt, 4), keep[r]);
      b.store(b.add(l, b.mul(b.reduceAdd(sum), take[r])), totalAt, 4);
      b.store(after, largestAt, 4);
    }

    for (int64_t d = 0; d < headDim; d += width) {
      SmallVector<Value> zero(group, b.constant(type, 0.0));
      SmallVector<Value> sums = b.loop(begin, end, 1, zero, [&](Value position, ValueRange carried) {
        Value v = b.at(it.values, b.add(cacheOffset(b, it, position), d * bytes));
        Value x = b.loadFloats(element, v, width, bytes), column = b.mul(b.sub(position, first), 4);
        SmallVector<Value> next;
        for (int64_t r = 0; r < group; ++r) {
          Value p = b.at(scratch(b, it, scores + 4 * r * kAttentionBlock), column);
          next.push_back(b.fma(b.loadSplat(b.f32(), p, 0, width), x, carried[r]));
        }
        return next;
      });
      for (int64_t r = 0; r < group; ++r) {
        Value at = scratch(b, it, output + 4 * (r * headDim + d));
        Value o = b.mul(b.load(type, at, 4), b.splat(keep[r], width));
        b.store(b.add(o, b.mul(sums[r], b.splat(take[r], width))), at, 4);
      }
    }
  }

  void finish(KernelBuilder &b, const Item &it, Value row, Value firstHead) {
    VectorType type = b.vec(width, b.f32());
    Value result = resultPointer(it.frame, kernel, 0);
    Value start = b.at(result, b.mul(row, rt::rowBytes(op.getType())));
    for (int64_t r = 0; r < group; ++r) {
      Value l = b.load(b.f32(), scratch(b, it, total + 4 * r), 4), head = b.add(firstHead, r);
      if (op.getSinks()) {
        Value sink = b.load(b.f32(), b.at(operandOf(it.frame, kernel, op.getSinks()), b.mul(head, 4)), 4);
        Value m = b.load(b.f32(), scratch(b, it, largest + 4 * r), 4);
        l = b.add(l, math::ExpOp::create(b, b.sub(sink, m)));
      }
      Value out = b.at(start, b.mul(head, headDim * 4)), divisor = b.splat(l, width);
      for (int64_t d = 0; d < headDim; d += width) {
        Value o = b.load(type, scratch(b, it, output + 4 * (r * headDim + d)), 4);
        b.store(arith::DivFOp::create(b, o, divisor), out, 4 * d, 4);
      }
    }
  }

  static Value maximum(KernelBuilder &b, Value x, Value y) {
    Value greater = arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, x, y);
    return arith::SelectOp::create(b, greater, x, y);
  }

  rt::KernelOp kernel;
  llm::AttentionOp op;
  HeadInput query, key;
  Type element;
  int64_t kvHeads, headDim;
  int64_t group; // query heads of one head of K and V
  int64_t lanes, width;
  int64_t half = 0, ropeWidth = 1; // rotated pairs of a head, and how many at a time
  int64_t cosine, sine, heads, output, scores, largest, total; // bytes into scratch
  int64_t scratchFloats = 0;
};

} // namespace

std::unique_ptr<KernelEmitter> nibble::makeAttentionEmitter(rt::KernelOp kernel, const CPUTarget &target,
                                                            Type cacheElement) {
  auto ops = kernel.getBody().front().getOps<llm::AttentionOp>();
  if (!llvm::hasSingleElement(ops)) {
    kernel.emitError() << "a kernel of family attention holds one llm.attention";
    return nullptr;
  }
  llm::AttentionOp op = *ops.begin();
  HeadInput query = HeadInput::trace(op.getQuery()), key = HeadInput::trace(op.getKey());
  for (Value source : {query.source, key.source, Value(op.getValue()), Value(op.getCache())})
    if (!isa<BlockArgument>(source)) {
      kernel.emitError() << "attention reads q and k through rms_norm and rope only, found "
                         << source.getDefiningOp()->getName();
      return nullptr;
    }
  bool same = static_cast<bool>(query.rope) == static_cast<bool>(key.rope) &&
              (!query.rope || (query.rope.getInverseFrequencies() == key.rope.getInverseFrequencies() &&
                               query.rope.getAttentionFactor() == key.rope.getAttentionFactor()));
  if (!same) {
    kernel.emitError() << "q and k must be rotated by the same angles";
    return nullptr;
  }
  return std::make_unique<AttentionEmitter>(kernel, op, target, cacheElement);
}
