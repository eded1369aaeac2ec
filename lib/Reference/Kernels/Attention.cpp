//===- Attention.cpp - llm.attention ----------------------------------------------------------===//
#include "nibble/Reference/Kernels.h"
#include "nibble/Reference/Numbers.h"

#include <algorithm>
#include <cmath>
#include <limits>

using namespace nibble::reference;

size_t KeyValueCache::addSequence() {
  stored.resize(stored.size() + layerCount);
  return sequences() - 1;
}

int64_t KeyValueCache::length(size_t sequence, int64_t layer) const {
  return static_cast<int64_t>(layerOf(sequence, layer).keys.size()) / width;
}

std::span<const double> KeyValueCache::keys(size_t sequence, int64_t layer) const {
  return layerOf(sequence, layer).keys;
}

std::span<const double> KeyValueCache::values(size_t sequence, int64_t layer) const {
  return layerOf(sequence, layer).values;
}

/// One head of a row, as the cache keeps it.
static void round(CacheRounding rounding, std::span<double> head) {
  switch (rounding) {
  case CacheRounding::None:
    return;
  case CacheRounding::F16:
    for (double &x : head)
      x = roundToHalf(x);
    return;
  case CacheRounding::BF16:
    for (double &x : head)
      x = roundToBFloat16(x);
    return;
  case CacheRounding::Int8: {
    float largest = 0;
    for (double x : head)
      largest = std::max(largest, static_cast<float>(std::abs(x)));
    float d = largest / 127.0f;
    for (double &x : head)
      x = d == 0 ? 0 : static_cast<double>(d) * std::nearbyint(static_cast<float>(x) / d);
    return;
  }
  }
}

void KeyValueCache::store(size_t sequence, int64_t layer, int64_t position, std::span<const double> key,
                          std::span<const double> value) {
  Layer &to = stored[sequence * layerCount + layer];
  if (position == length(sequence, layer)) {
    to.keys.resize(to.keys.size() + width);
    to.values.resize(to.values.size() + width);
  }
  for (auto [from, row] : {std::pair(key, to.keys.data()), std::pair(value, to.values.data())}) {
    double *stored = row + position * width;
    std::copy(from.begin(), from.end(), stored);
    for (int64_t head = 0; head < width; head += headDim)
      round(rounding, {stored + head, static_cast<size_t>(headDim)});
  }
}

void nibble::reference::attendRow(const AttentionShape &shape, int64_t position,
                                  std::span<const double> query, std::span<const double> keys,
                                  std::span<const double> values, std::span<double> result) {
  int64_t headDim = shape.headDim, perGroup = shape.heads / shape.kvHeads;
  int64_t first = shape.window ? std::max<int64_t>(0, position - *shape.window + 1) : 0;
  std::vector<double> scores(position + 1 - first);
  for (int64_t head = 0; head < shape.heads; ++head) {
    const double *q = query.data() + head * headDim;
    auto element = [&](std::span<const double> cache, int64_t j, int64_t i) {
      return cache[(j * shape.kvHeads + head / perGroup) * headDim + i];
    };
    double largest = shape.sinks.empty() ? -std::numeric_limits<double>::infinity() : shape.sinks[head];
    for (int64_t j = first; j <= position; ++j) {
      double score = 0;
      for (int64_t i = 0; i < headDim; ++i)
        score += q[i] * element(keys, j, i);
      score *= shape.scale;
      if (shape.softcap)
        score = *shape.softcap * std::tanh(score / *shape.softcap);
      scores[j - first] = score;
      largest = std::max(largest, score);
    }
    double sum = shape.sinks.empty() ? 0 : std::exp(shape.sinks[head] - largest);
    for (double &score : scores)
      sum += score = std::exp(score - largest);
    for (int64_t i = 0; i < headDim; ++i) {
      double value = 0;
      for (int64_t j = first; j <= position; ++j)
        value += scores[j - first] * element(values, j, i);
      result[head * headDim + i] = value / sum;
    }
  }
}

Matrix nibble::reference::attention(const AttentionShape &shape, const Matrix &q, const Matrix &k,
                                    const Matrix &v, std::span<const int32_t> positions,
                                    const SequenceRows &sequences, int64_t layer, KeyValueCache &cache) {
  Matrix result(q.rows, q.columns);
  for (size_t s = 0; s < sequences.sequence.size(); ++s) {
    size_t sequence = sequences.sequence[s];
    for (int64_t t = sequences.start[s]; t < sequences.start[s + 1]; ++t)
      cache.store(sequence, layer, positions[t], k.row(t), v.row(t));
    for (int64_t t = sequences.start[s]; t < sequences.start[s + 1]; ++t)
      attendRow(shape, positions[t], q.row(t), cache.keys(sequence, layer), cache.values(sequence, layer),
                result.row(t));
  }
  return result;
}
