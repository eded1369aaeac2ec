//===- AttentionBlock.cpp - Rows of queries against one block of positions --------------------===//
#include "AttentionBlock.h"

#include "mlir/Dialect/Math/IR/Math.h"

#include <numeric>

using namespace mlir;
using namespace nibble;

static constexpr int64_t kBlock = kAttentionBlock;
static constexpr int64_t kPage = kPageSize;
static constexpr int64_t kLine = 64; // bytes of a cache line

AttentionScratch::AttentionScratch(int64_t rows, int64_t headDim) {
  auto place = [this](int64_t floats) {
    int64_t offset = bytes;
    bytes += (floats + 15) / 16 * 64;
    return offset;
  };
  // Tiles of 6 rows and vectors of rows may reach past the last row.
  int64_t padded = (rows + 5) / 6 * 6, columns = (headDim + 15) / 16 * 16;
  int64_t vectors = (rows + 15) / 16 * 16;
  rowStride = 4 * columns;
  queries = place(padded * columns);
  scores = place(padded * kBlock);
  for (AttentionTriples *triples : {&block, &span, &all}) {
    triples->output = place(padded * columns);
    triples->most = place(vectors);
    triples->sum = place(vectors);
  }
  keep = place(vectors);
  take = place(vectors);
  keys = place(headDim * kBlock);
  values = place(headDim * kBlock);
  keyScales = place(kBlock);
  valueScales = place(kBlock);
  row = place(headDim);
}

void AttentionBlock::reset(Value rows, const AttentionTriples &triples) {
  b.loop(b.index(0), rows, lanes, [&](Value row) {
    Value offset = b.mul(row, 4);
    b.store(b.constant(vec(lanes), kMaskedScore), b.at(at(triples.most), offset), 4);
    b.store(b.constant(vec(lanes), 0.0), b.at(at(triples.sum), offset), 4);
  });
  b.loop(b.index(0), rows, 1, [&](Value row) {
    for (const Piece &piece : b.pieces(cache.headDim))
      b.store(b.constant(vec(piece.lanes), 0.0), rowAt(triples.output, row), 4 * piece.begin, 4);
  });
}

void AttentionBlock::reduce(const AttentionBlockPlace &block, Value tokens, Value position) {
  Value rows = b.mul(tokens, formula.group);
  Value isToken = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, tokens, b.index(1));
  if (cache.hasScales())
    copyScales(block);
  b.ifElse(
      isToken, [&] { scoresOfToken(block); },
      [&] {
        convert(block);
        scoresOfTile(rows);
      });
  // Only the blocks at the ends hold positions that a row does not see.
  Value lastPosition = b.sub(b.add(position, tokens), b.index(1));
  Value isMasked = b.less(position, b.add(block.first, kBlock - 1));
  if (formula.window)
    isMasked =
        arith::OrIOp::create(b, isMasked, b.less(b.add(block.first, *formula.window - 1), lastPosition));
  b.ifElse(
      isMasked, [&] { softmax(block, rows, position, true); },
      [&] { softmax(block, rows, position, false); });
  b.ifElse(isToken, [&] { valuesOfToken(block); }, [&] { valuesOfTile(block, rows); });
}

/// Lines of a page that a token's loops will read: bytes begin .. end - 1 behind `offset`. `near` is what
/// they read next, for the first-level cache; `far` comes after it, for the second where the CPU wants to be
/// asked. In the order of reading a half block lies between: K while V is read, V while K is. So each cache
/// holds few of a block's pages at a time, and a page of many kilobytes is not evicted before it is read.
void AttentionBlock::prefetchLines(Value near, Value far, Value offset, int64_t begin, int64_t end) {
  for (int64_t line = begin / kLine * kLine; line < end; line += kLine) {
    b.prefetch(b.at(near, offset), line, CacheLevel::First);
    if (b.target.tuning.farPrefetch)
      b.prefetch(b.at(far, offset), line, CacheLevel::Second);
  }
}

//===------------------------------------------------------------------------------------------------------===//
// The block in scratch
//===------------------------------------------------------------------------------------------------------===//

void AttentionBlock::copyScales(const AttentionBlockPlace &block) {
  for (int64_t page = 0; page < 2; ++page)
    for (int64_t i = 0; i < kPage; i += lanes) {
      int64_t from = cache.scaleOffset() + 4 * i, to = 4 * (page * kPage + i);
      b.store(b.load(vec(lanes), block.pages[page].keys, from, 4), at(place.keyScales), to, 4);
      b.store(b.load(vec(lanes), block.pages[page].values, from, 4), at(place.valueScales), to, 4);
    }
}

/// K and V of the pages in use, in f32: [head_dim][64] and [64][head_dim].
void AttentionBlock::convert(const AttentionBlockPlace &block) {
  auto convertPage = [&](int64_t page) {
    Value keys = b.at(at(place.keys), 4 * page * kPage);
    b.loop(b.index(0), b.index(cache.headDim), 1, [&](Value d) {
      Value from = b.at(block.pages[page].keys, b.mul(d, kPage * cache.elementBytes)),
            to = b.at(keys, b.mul(d, 4 * kBlock));
      for (int64_t i = 0; i < kPage; i += lanes)
        b.store(cache.load(b, b.at(from, i * cache.elementBytes), lanes), to, 4 * i, 4);
    });
    Value values = b.at(at(place.values), 4 * page * kPage * cache.headDim);
    // A page of V is 32 times head_dim elements: a multiple of both of these vectors.
    b.loop(b.index(0), b.index(kPage * cache.headDim), 2 * lanes, [&](Value i) {
      Value from = b.at(block.pages[page].values, b.mul(i, cache.elementBytes)),
            to = b.at(values, b.mul(i, 4));
      for (int64_t vector : {int64_t(0), lanes})
        b.store(cache.load(b, b.at(from, vector * cache.elementBytes), lanes), to, 4 * vector, 4);
    });
  };
  convertPage(0);
  b.ifThen(b.less(b.index(kPage), block.limit), [&] { convertPage(1); });
}

//===------------------------------------------------------------------------------------------------------===//
// Scores: s[r][j] = sum over d, ascending, of q[r][d] K[d][j]
//===------------------------------------------------------------------------------------------------------===//

/// `rows` rows against `vectors` vectors of positions; keys(d, v) is element d of the v-th. `aside` is called
/// with (d, number of it in the unrolled body).
void AttentionBlock::scoreRows(int64_t rows, int64_t vectors, Value queries, Value scores, LoadVector keys,
                               llvm::function_ref<void(Value, int64_t)> aside) {
  int64_t unroll = std::gcd(cache.headDim, int64_t(4));
  SmallVector<Value> zeros(rows * vectors, b.constant(vec(lanes), 0.0));
  SmallVector<Value> sums =
      b.loop(b.index(0), b.index(cache.headDim), unroll, zeros, [&](Value d, ValueRange carried) {
        SmallVector<Value> acc(carried);
        Value columns = b.at(queries, b.mul(d, 4));
        for (int64_t i = 0; i < unroll; ++i) {
          SmallVector<Value> k;
          for (int64_t v = 0; v < vectors; ++v)
            k.push_back(keys(b.add(d, i), v));
          for (int64_t r = 0; r < rows; ++r) {
            Value q = b.loadSplat(b.f32(), columns, r * place.rowStride + 4 * i, lanes);
            for (int64_t v = 0; v < vectors; ++v)
              acc[r * vectors + v] = b.fma(q, k[v], acc[r * vectors + v]);
          }
          if (aside)
            aside(b.add(d, i), i);
        }
        return acc;
      });
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t v = 0; v < vectors; ++v)
      b.store(sums[r * vectors + v], scores, 4 * (r * kBlock + v * lanes), 4);
}

/// The heads of one token, straight from the cache.
void AttentionBlock::scoresOfToken(const AttentionBlockPlace &block) {
  bool isFirst = true;
  for (int64_t row = 0; row < formula.group;) {
    int64_t left = formula.group - row, parts = (left + kTileRows - 1) / kTileRows;
    int64_t rows = (left + parts - 1) / parts;
    int64_t vectors = kBlock / lanes;
    while (vectors > 1 && rows * vectors > accumulators())
      vectors /= 2;
    for (int64_t first = 0; first < kBlock; first += vectors * lanes) {
      auto keys = [&](Value d, int64_t v) {
        int64_t position = first + v * lanes;
        Value from = b.at(block.pages[position / kPage].keys, b.mul(d, kPage * cache.elementBytes));
        return cache.load(b, b.at(from, position % kPage * cache.elementBytes), lanes);
      };
      int64_t step = kPage * cache.elementBytes; // bytes of an element of all slots
      // Meanwhile the block's values come near, and the next block's keys nearer.
      auto prefetch = [&](Value d, int64_t number) {
        if (number * step % kLine == 0)
          for (int64_t page = 0; page < 2; ++page)
            prefetchLines(block.pages[page].values, block.next[page].keys, b.mul(d, step), 0, step);
      };
      Value queries = b.at(at(place.queries), row * place.rowStride);
      Value scores = b.at(at(place.scores), 4 * (row * kBlock + first));
      if (isFirst)
        scoreRows(rows, vectors, queries, scores, keys, prefetch);
      else
        scoreRows(rows, vectors, queries, scores, keys);
      isFirst = false;
    }
    row += rows;
  }
}

void AttentionBlock::scoresOfTile(Value rows) {
  int64_t vectors = std::min(kBlock / lanes, accumulators() / kTileRows);
  b.loop(b.index(0), rows, kTileRows, [&](Value row) {
    b.loop(b.index(0), b.index(kBlock), vectors * lanes, [&](Value first) {
      Value offset = b.mul(first, 4);
      Value block = b.at(at(place.keys), offset);
      auto keys = [&](Value d, int64_t v) {
        return b.load(vec(lanes), b.at(block, b.mul(d, 4 * kBlock)), 4 * v * lanes, 4);
      };
      scoreRows(kTileRows, vectors, rowAt(place.queries, row), b.at(scoresAt(row), offset), keys);
    });
  });
}

//===------------------------------------------------------------------------------------------------------===//
// Softmax: m = max s, p = exp(s - m), l = sum p
//===------------------------------------------------------------------------------------------------------===//

/// A row between the two passes over its scores.
struct AttentionBlock::SoftmaxRow {
  Value number, scores;            // i64; pointer
  SmallVector<Value> values, sees; // scores; whether the row sees them, where some are masked
  Value most;                      // m
};

AttentionBlock::SoftmaxRow AttentionBlock::largestScore(const AttentionBlockPlace &block, Value number,
                                                        Value position, bool isMasked) {
  VectorType ints = b.vec(lanes, b.i32());
  SoftmaxRow row{number, scoresAt(number), {}, {}, {}};
  // Of the block, relative to its first: the last position that the row sees, and the first.
  Value last, begin;
  if (isMasked) {
    Value own = b.sub(b.add(position, b.div(number, formula.group)), block.first);
    auto splat = [&](Value x) { return b.splat(arith::TruncIOp::create(b, b.i32(), x), lanes); };
    last = splat(own);
    if (formula.window)
      begin = splat(b.sub(own, b.index(*formula.window - 1)));
  }
  Value most;
  for (int64_t i = 0; i < kBlock; i += lanes) {
    Value x = b.load(vec(lanes), row.scores, 4 * i, 4);
    if (cache.hasScales())
      x = b.mul(x, b.load(vec(lanes), at(place.keyScales), 4 * i, 4));
    if (formula.softcap) {
      Value cap = b.constant(vec(lanes), *formula.softcap);
      x = b.mul(cap, math::TanhOp::create(b, arith::DivFOp::create(b, x, cap).getResult()));
    }
    if (isMasked) {
      Value lane = b.add(b.laneNumbers(lanes), b.constant(ints, i));
      Value sees = arith::CmpIOp::create(b, arith::CmpIPredicate::sle, lane, last);
      if (begin)
        sees =
            arith::AndIOp::create(b, sees, arith::CmpIOp::create(b, arith::CmpIPredicate::sge, lane, begin));
      x = b.select(sees, x, b.constant(vec(lanes), kMaskedScore));
      row.sees.push_back(sees);
    }
    most = most ? b.greater(most, x) : x;
    row.values.push_back(x);
  }
  row.most = b.reduceMax(most);
  return row;
}

void AttentionBlock::softmax(const AttentionBlockPlace &block, Value rows, Value position, bool isMasked) {
  // Each row is a chain of dependent steps: where registers allow, two hide each other's.
  int64_t together = 8 * kBlock / lanes <= b.target.vectorRegisters ? 2 : 1;
  Value whole = b.mul(b.div(rows, together), together);
  b.loop(b.index(0), whole, together,
         [&](Value first) { softmaxRows(block, first, together, position, isMasked); });
  if (together > 1 && formula.group % together)
    b.ifThen(b.less(whole, rows), [&] { softmaxRows(block, whole, 1, position, isMasked); });
}

void AttentionBlock::softmaxRows(const AttentionBlockPlace &block, Value first, int64_t count, Value position,
                                 bool isMasked) {
  SmallVector<SoftmaxRow> all;
  for (int64_t i = 0; i < count; ++i)
    all.push_back(largestScore(block, b.add(first, i), position, isMasked));
  SmallVector<Value> sums(count), subtrahends;
  for (const SoftmaxRow &row : all)
    subtrahends.push_back(b.splat(row.most, lanes));
  for (int64_t i = 0; i < kBlock; i += lanes)
    for (auto [row, sum, subtrahend] : llvm::zip(all, sums, subtrahends)) {
      // Nothing is above 0 here, and what is far below adds nothing.
      Value p = math::ExpOp::create(b, b.sub(row.values[i / lanes], subtrahend), arith::FastMathFlags::afn);
      if (isMasked)
        p = b.select(row.sees[i / lanes], p, b.constant(vec(lanes), 0.0));
      sum = sum ? b.add(sum, p) : p;
      if (cache.hasScales())
        p = b.mul(p, b.load(vec(lanes), at(place.valueScales), 4 * i, 4));
      b.store(p, row.scores, 4 * i, 4);
    }
  for (auto [row, sum] : llvm::zip(all, sums)) {
    Value offset = b.mul(row.number, 4);
    b.store(row.most, b.at(at(place.block.most), offset), 4);
    b.store(b.reduceAdd(sum), b.at(at(place.block.sum), offset), 4);
  }
}

//===------------------------------------------------------------------------------------------------------===//
// Values: o[r][d] = sum over j, ascending, of p[r][j] V[j][d]
//===------------------------------------------------------------------------------------------------------===//

/// Columns whose sums `rows` rows can keep in registers at a time.
SmallVector<SmallVector<Piece>> AttentionBlock::columnGroups(int64_t rows) {
  SmallVector<Piece> pieces = b.pieces(cache.headDim);
  auto count = static_cast<int64_t>(pieces.size());
  int64_t most = std::max<int64_t>(1, accumulators() / rows), parts = (count + most - 1) / most;
  SmallVector<SmallVector<Piece>> groups;
  for (int64_t part = 0; part < parts; ++part)
    groups.emplace_back(pieces.begin() + count * part / parts, pieces.begin() + count * (part + 1) / parts);
  return groups;
}

/// Adds positions begin .. end - 1 of rows of `valueBytes` bytes at `values`; `scores` is that of position 0.
SmallVector<Value> AttentionBlock::sumValues(int64_t rows, ArrayRef<Piece> columns, Value scores,
                                             Value values, int64_t valueBytes, Value begin, Value end,
                                             ValueRange init, bool converted, Aside aside) {
  int64_t elementBytes = converted ? 4 : cache.elementBytes;
  return b.loop(begin, end, 1, init, [&](Value j, ValueRange carried) {
    SmallVector<Value> acc(carried);
    Value row = b.at(values, b.mul(j, valueBytes)), p = b.at(scores, b.mul(j, 4));
    SmallVector<Value> v;
    for (const Piece &piece : columns) {
      Value from = b.at(row, piece.begin * elementBytes);
      v.push_back(converted ? b.load(vec(piece.lanes), from, 4) : cache.load(b, from, piece.lanes));
    }
    for (int64_t r = 0; r < rows; ++r) {
      Value factor = b.load(b.f32(), p, 4 * r * kBlock, 4);
      for (auto [i, piece] : llvm::enumerate(columns)) {
        Value &sum = acc[r * columns.size() + i];
        sum = b.fma(b.splat(factor, piece.lanes), v[i], sum);
      }
    }
    if (aside)
      aside(j);
    return acc;
  });
}

void AttentionBlock::storeSums(int64_t rows, ArrayRef<Piece> columns, Value output, ValueRange sums) {
  for (int64_t r = 0; r < rows; ++r)
    for (auto [i, piece] : llvm::enumerate(columns))
      b.store(sums[r * columns.size() + i], output, r * place.rowStride + 4 * piece.begin, 4);
}

static SmallVector<Value> zeroSums(KernelBuilder &b, int64_t rows, ArrayRef<Piece> columns) {
  SmallVector<Value> zeros;
  for (int64_t r = 0; r < rows; ++r)
    for (const Piece &piece : columns)
      zeros.push_back(b.constant(b.vec(piece.lanes, b.f32()), 0.0));
  return zeros;
}

void AttentionBlock::valuesOfToken(const AttentionBlockPlace &block) {
  int64_t valueBytes = cache.headDim * cache.elementBytes;
  Value inFirst = b.min(block.limit, b.index(kPage)), inSecond = b.sub(block.limit, inFirst);
  for (int64_t row = 0; row < formula.group;) {
    int64_t left = formula.group - row, parts = (left + kTileRows - 1) / kTileRows;
    int64_t rows = (left + parts - 1) / parts;
    for (const auto &columns : columnGroups(rows)) {
      Value scores = b.at(at(place.scores), 4 * row * kBlock);
      SmallVector<Value> sums = zeroSums(b, rows, columns);
      int64_t begin = columns.front().begin * cache.elementBytes,
              end = (columns.back().begin + columns.back().lanes) * cache.elementBytes;
      for (int64_t page = 0; page < 2; ++page) {
        // A page of K is as long as one of V.
        auto prefetch = [&](Value j) {
          prefetchLines(block.next[page].keys, block.next[page].values, b.mul(j, valueBytes), begin, end);
        };
        auto none = [](Value) {};
        sums = sumValues(rows, columns, b.at(scores, 4 * page * kPage), block.pages[page].values, valueBytes,
                         b.index(0), page ? inSecond : inFirst, sums, /*converted=*/false,
                         row == 0 ? Aside(prefetch) : Aside(none));
      }
      storeSums(rows, columns, b.at(at(place.block.output), row * place.rowStride), sums);
    }
    row += rows;
  }
}

void AttentionBlock::valuesOfTile(const AttentionBlockPlace &block, Value rows) {
  int64_t valueBytes = 4 * cache.headDim;
  b.loop(b.index(0), rows, kTileRows, [&](Value row) {
    for (const auto &columns : columnGroups(kTileRows)) {
      SmallVector<Value> sums =
          sumValues(kTileRows, columns, scoresAt(row), at(place.values), valueBytes, b.index(0), block.limit,
                    zeroSums(b, kTileRows, columns), /*converted=*/true);
      storeSums(kTileRows, columns, rowAt(place.block.output, row), sums);
    }
  });
}

//===------------------------------------------------------------------------------------------------------===//
// Merging
//===------------------------------------------------------------------------------------------------------===//

void AttentionBlock::merge(Value rows, const AttentionTriples &next, const AttentionTriples &before) {
  b.loop(b.index(0), rows, lanes, [&](Value row) {
    Value offset = b.mul(row, 4);
    auto load = [&](int64_t from) { return b.load(vec(lanes), b.at(at(from), offset), 4); };
    auto store = [&](Value value, int64_t to) { b.store(value, b.at(at(to), offset), 4); };
    Value m = load(before.most), added = load(next.most), most = b.greater(m, added);
    Value keep = math::ExpOp::create(b, b.sub(m, most)), take = math::ExpOp::create(b, b.sub(added, most));
    store(b.fma(load(next.sum), take, b.mul(load(before.sum), keep)), before.sum);
    store(most, before.most);
    store(keep, place.keep);
    store(take, place.take);
  });
  b.loop(b.index(0), rows, 1, [&](Value row) {
    Value offset = b.mul(row, 4), output = rowAt(before.output, row), added = rowAt(next.output, row);
    Value keep = b.load(b.f32(), b.at(at(place.keep), offset), 4),
          take = b.load(b.f32(), b.at(at(place.take), offset), 4);
    for (const Piece &piece : b.pieces(cache.headDim)) {
      Value kept = b.mul(b.load(vec(piece.lanes), output, 4 * piece.begin, 4), b.splat(keep, piece.lanes));
      Value o = b.load(vec(piece.lanes), added, 4 * piece.begin, 4);
      b.store(b.fma(o, b.splat(take, piece.lanes), kept), output, 4 * piece.begin, 4);
    }
  });
}

void nibble::finishHead(KernelBuilder &b, const AttentionTotals &totals, Value sink, int64_t headDim,
                        Value out) {
  Value l = b.load(b.f32(), totals.sum, 4);
  if (sink)
    l = b.add(l, math::ExpOp::create(b, b.sub(sink, b.load(b.f32(), totals.most, 4))));
  for (const Piece &piece : b.pieces(headDim)) {
    Value o = b.load(b.vec(piece.lanes, b.f32()), totals.output, 4 * piece.begin, 4);
    b.store(arith::DivFOp::create(b, o, b.splat(l, piece.lanes)), out, 4 * piece.begin, 4);
  }
}
