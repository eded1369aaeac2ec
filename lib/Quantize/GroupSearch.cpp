//===- GroupSearch.cpp - The search for scales over 16 groups at once -------------------------===//
//
// One body in vector extensions, compiled for three instruction sets. Compiled with -ffp-contract=off: a
// fused multiply and add would round unlike the baseline.
//
//===------------------------------------------------------------------------------------------===//
#include "GroupSearch.h"

#include "nibble/Quantize/Codebook.h"

#include <cstring>
#include <limits>

using namespace nibble;

namespace {

using F32 = float __attribute__((ext_vector_type(kSearchLanes)));
using F64 = double __attribute__((ext_vector_type(kSearchLanes)));
using I32 = int32_t __attribute__((ext_vector_type(kSearchLanes)));
using I64 = int64_t __attribute__((ext_vector_type(kSearchLanes)));
using I8 = int8_t __attribute__((ext_vector_type(kSearchLanes)));

constexpr int kFirstFactor = 70, kLastFactor = 115; // hundredths
/// Squares of int8 codes, summed over so many elements, are exact in f32.
constexpr int64_t kExactSquares = 512;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

#define NIBBLE_INLINE [[gnu::always_inline]] inline

// Vectors go in and out by reference: by value their ABI would differ between the instruction sets.

NIBBLE_INLINE void load(F32 &out, const float *from) { std::memcpy(&out, from, sizeof(F32)); }

/// Clamps to whole numbers lo..hi, then rounds half to even: below 2^22 adding 1.5 * 2^23 leaves no fraction.
NIBBLE_INLINE void roundToCode(F32 &x, const F32 &lo, const F32 &hi) {
  x = x < lo ? lo : x;
  x = x > hi ? hi : x;
  x = (x + 0x1.8p23f) - 0x1.8p23f;
}
NIBBLE_INLINE void roundToCode(F32 &x, float lo, float hi) { roundToCode(x, F32(lo), F32(hi)); }

/// Rounds to the nearest f16 value, ties to even; infinite past f16.
NIBBLE_INLINE void roundToHalf(F32 &x) {
  I32 bits, magnitude, small, large;
  std::memcpy(&bits, &x, sizeof bits);
  magnitude = bits & 0x7fffffff;
  large = (magnitude + 0xfff + ((magnitude >> 13) & 1)) & ~0x1fff;
  large = large >= 0x47800000 ? I32(0x7f800000) : large;
  F32 tiny;
  std::memcpy(&tiny, &magnitude, sizeof tiny);
  tiny = (tiny + 0.5f) - 0.5f; // steps of 2^-24, as f16 subnormals have
  std::memcpy(&small, &tiny, sizeof small);
  magnitude = magnitude < 0x38800000 ? small : large;
  bits = magnitude | (bits & int32_t(0x80000000));
  std::memcpy(&x, &bits, sizeof x);
}

/// f16(ratio), rounded once: on the way through f32 the last bit that is kept says whether others were lost.
NIBBLE_INLINE void toHalfScale(F32 &out, const F64 &ratio) {
  constexpr int64_t lowest = int64_t(1) << 29; // the last of f32's bits in an f64
  I64 bits;
  std::memcpy(&bits, &ratio, sizeof bits);
  I64 lost = bits & (lowest - 1);
  bits = bits - lost;
  bits = lost != 0 ? bits | lowest : bits;
  F64 odd;
  std::memcpy(&odd, &bits, sizeof odd);
  out = __builtin_convertvector(odd, F32);
  roundToHalf(out);
}

/// Makes the error of candidates whose scale is past f16 infinite, so that they never win.
NIBBLE_INLINE void rejectInfinite(F64 &error, const F64 &scale) {
  F64 magnitude = scale < 0.0 ? -scale : scale;
  error = magnitude <= 65504.0 ? error : F64(kInfinity);
}

NIBBLE_INLINE void storeCodes(int8_t *to, const F32 &q) {
  I8 codes = __builtin_convertvector(__builtin_convertvector(q, I32), I8);
  std::memcpy(to, &codes, sizeof codes);
}

/// The element of largest magnitude of each lane's group, with sign.
NIBBLE_INLINE void findExtreme(const GroupSearch &g, F32 &extreme) {
  F32 largest = 0.0f;
  extreme = 0.0f;
  for (int64_t k = 0; k < g.length; ++k) {
    F32 w;
    load(w, g.values + k * kSearchLanes);
    F32 magnitude = w < 0.0f ? -w : w;
    extreme = magnitude > largest ? w : extreme;
    largest = magnitude > largest ? magnitude : largest;
  }
}

/// The least-squares scale of codes (or table entries) q, as f16, and what is left of the error.
struct Candidate {
  F32 scale;
  F64 error; // sum((w - s q)^2) less sum(w^2)

  NIBBLE_INLINE Candidate(const F64 &wq, const F64 &qq) {
    toHalfScale(scale, wq / (qq == 0.0 ? F64(1.0) : qq));
    F64 s = __builtin_convertvector(scale, F64);
    error = s * s * qq - 2.0 * s * wq;
    rejectInfinite(error, s);
  }

  /// Where the step is past f32 codes would all be 0.
  NIBBLE_INLINE void rejectWide(const F32 &step) {
    F64 wide = __builtin_convertvector(step, F64);
    error = wide * wide < 1e77 ? error : F64(kInfinity);
  }

  /// Where it beats the best so far, which it then becomes.
  NIBBLE_INLINE void improve(F64 &best, I32 &better) const {
    I64 lower = error < best;
    best = lower ? error : best;
    better = __builtin_convertvector(lower, I32);
  }
};

template <unsigned bits> NIBBLE_INLINE void searchSymmetric(GroupSearch &g) {
  constexpr float lo = -static_cast<float>(1 << (bits - 1)), hi = -lo - 1;
  F32 extreme;
  findExtreme(g, extreme);

  F64 bestError = kInfinity;
  F32 bestScale = std::numeric_limits<float>::infinity(), bestStep = 1.0f;
  for (int factor = kFirstFactor; factor <= kLastFactor; ++factor) {
    F32 step = static_cast<float>(factor) / 100.0f * extreme / lo;
    step = step == 0.0f ? F32(1.0f) : step; // a group of zeros, or of values far below f16: codes 0
    F64 wq = 0.0, qq = 0.0;
    for (int64_t begin = 0; begin < g.length; begin += kExactSquares) {
      int64_t end = begin + kExactSquares < g.length ? begin + kExactSquares : g.length;
      F32 squares = 0.0f;
      for (int64_t k = begin; k < end; ++k) {
        F32 w;
        load(w, g.values + k * kSearchLanes);
        F32 q = w / step;
        roundToCode(q, lo, hi);
        wq += __builtin_convertvector(w, F64) * __builtin_convertvector(q, F64);
        squares += q * q;
      }
      qq += __builtin_convertvector(squares, F64);
    }
    Candidate candidate(wq, qq);
    candidate.rejectWide(step);
    I32 better;
    candidate.improve(bestError, better);
    bestScale = better ? candidate.scale : bestScale;
    bestStep = better ? step : bestStep;
  }

  for (int64_t k = 0; k < g.length; ++k) {
    F32 q;
    load(q, g.values + k * kSearchLanes);
    q = q / bestStep;
    roundToCode(q, lo, hi);
    storeCodes(g.codes + k * kSearchLanes, q);
  }
  std::memcpy(g.scales, &bestScale, sizeof g.scales);
}

/// The least and the largest element of each lane's group.
NIBBLE_INLINE void findRange(const GroupSearch &g, F32 &least, F32 &most) {
  I32 lengths;
  std::memcpy(&lengths, g.lengths, sizeof lengths);
  least = std::numeric_limits<float>::infinity(), most = -least;
  for (int64_t k = 0; k < g.length; ++k) {
    F32 w;
    load(w, g.values + k * kSearchLanes);
    I32 inside = I32(static_cast<int32_t>(k)) < lengths;
    F32 low = inside ? w : F32(std::numeric_limits<float>::infinity());
    F32 high = inside ? w : F32(-std::numeric_limits<float>::infinity());
    least = low < least ? low : least;
    most = high > most ? high : most;
  }
  I32 empty = lengths == 0;
  least = empty ? F32(0.0f) : least;
  most = empty ? F32(0.0f) : most;
}

template <unsigned bits> NIBBLE_INLINE void searchZeroPoint(GroupSearch &g) {
  constexpr float top = static_cast<float>((1 << bits) - 1);
  F32 least, most;
  findRange(g, least, most);
  least = least > 0.0f ? F32(0.0f) : least;
  most = most < 0.0f ? F32(0.0f) : most;
  F32 middle = 0.5f * least + 0.5f * most, half = 0.5f * most - 0.5f * least;

  F64 bestError = kInfinity;
  F32 bestScale = std::numeric_limits<float>::infinity(), bestZero = 0.0f;
  for (int factor = kFirstFactor; factor <= kLastFactor; ++factor) {
    F32 reach = static_cast<float>(factor) / 100.0f * half;
    F32 step = reach * (2.0f / top);
    step = step == 0.0f ? F32(1.0f) : step; // a group of zeros, or of values far below f16
    F32 zero = (reach - middle) / step;
    roundToCode(zero, 0.0f, top);
    F64 wq = 0.0, qq = 0.0;
    for (int64_t begin = 0; begin < g.length; begin += kExactSquares / 4) {
      int64_t end = begin + kExactSquares / 4 < g.length ? begin + kExactSquares / 4 : g.length;
      F32 squares = 0.0f;
      for (int64_t k = begin; k < end; ++k) {
        F32 w;
        load(w, g.values + k * kSearchLanes);
        F32 q = w / step;
        roundToCode(q, -zero, top - zero);
        wq += __builtin_convertvector(w, F64) * __builtin_convertvector(q, F64);
        squares += q * q;
      }
      qq += __builtin_convertvector(squares, F64);
    }
    Candidate candidate(wq, qq);
    candidate.rejectWide(step);
    I32 better;
    candidate.improve(bestError, better);
    bestScale = better ? candidate.scale : bestScale;
    bestZero = better ? zero : bestZero;
  }

  F32 step = bestScale == 0.0f ? F32(std::numeric_limits<float>::infinity()) : bestScale; // scale 0: codes z
  for (int64_t k = 0; k < g.length; ++k) {
    F32 q;
    load(q, g.values + k * kSearchLanes);
    q = q / step;
    roundToCode(q, -bestZero, top - bestZero);
    q += bestZero;
    storeCodes(g.codes + k * kSearchLanes, q);
  }
  std::memcpy(g.scales, &bestScale, sizeof g.scales);
  std::memcpy(g.zeros, &bestZero, sizeof g.zeros);
}

/// A codebook in ascending order, each value once, with its lowest code.
struct AscendingEntries {
  int count = 0;
  float values[16] = {};
  float codes[16] = {};
  /// Halfway between entry i and the next, exact.
  constexpr float middle(int i) const { return 0.5f * (values[i] + values[i + 1]); }
};

constexpr AscendingEntries ascendingEntries(Element element) {
  AscendingEntries entries;
  const Codebook &table = codebook(element);
  for (int value = -128; value < 128; ++value)
    for (int code = 0; code < 16; ++code)
      if (table[code] == value) {
        entries.values[entries.count] = static_cast<float>(value);
        entries.codes[entries.count++] = static_cast<float>(code);
        break;
      }
  return entries;
}

/// The value, or the code, of the entry nearest to x; of two equally near the lower.
template <Element element, bool wantCode> NIBBLE_INLINE void toNearestEntry(F32 &x) {
  static constexpr AscendingEntries entries = ascendingEntries(element);
  constexpr const float *results = wantCode ? entries.codes : entries.values;
  F32 result = results[0];
#pragma clang loop unroll(full)
  for (int i = 1; i < entries.count; ++i)
    result = x > F32(entries.middle(i - 1)) ? F32(results[i]) : result;
  x = result;
}

template <Element element> NIBBLE_INLINE void searchCodebook(GroupSearch &g) {
  constexpr float lowest = ascendingEntries(element).values[0];
  I32 lengths;
  std::memcpy(&lengths, g.lengths, sizeof lengths);
  F32 extreme;
  findExtreme(g, extreme);

  F64 bestError = kInfinity;
  F32 bestScale = std::numeric_limits<float>::infinity();
  for (int factor = kFirstFactor; factor < kLastFactor; factor += 2)
    for (float sign : {1.0f, -1.0f}) {
      F32 step = sign * (static_cast<float>(factor) / 100.0f) * extreme / lowest;
      step = step == 0.0f ? F32(1.0f) : step;
      F64 wt = 0.0, tt = 0.0;
      for (int64_t begin = 0; begin < g.length; begin += kExactSquares) {
        int64_t end = begin + kExactSquares < g.length ? begin + kExactSquares : g.length;
        F32 squares = 0.0f;
        for (int64_t k = begin; k < end; ++k) {
          F32 w;
          load(w, g.values + k * kSearchLanes);
          F32 t = w / step;
          toNearestEntry<element, false>(t);
          t = I32(static_cast<int32_t>(k)) < lengths ? t : F32(0.0f); // iq4 has no zero
          wt += __builtin_convertvector(w, F64) * __builtin_convertvector(t, F64);
          squares += t * t;
        }
        tt += __builtin_convertvector(squares, F64);
      }
      Candidate candidate(wt, tt);
      candidate.rejectWide(step);
      I32 better;
      candidate.improve(bestError, better);
      bestScale = better ? candidate.scale : bestScale;
    }

  F32 step = bestScale == 0.0f ? F32(std::numeric_limits<float>::infinity()) : bestScale;
  for (int64_t k = 0; k < g.length; ++k) {
    F32 t;
    load(t, g.values + k * kSearchLanes);
    t = t / step;
    toNearestEntry<element, true>(t);
    storeCodes(g.codes + k * kSearchLanes, t);
  }
  std::memcpy(g.scales, &bestScale, sizeof g.scales);
}

template <unsigned bits> NIBBLE_INLINE void searchMinimum(GroupSearch &g) {
  constexpr float hi = static_cast<float>((1 << bits) - 1);
  I32 lengths;
  std::memcpy(&lengths, g.lengths, sizeof lengths);
  F32 least, most;
  findRange(g, least, most);
  F64 sumW = 0.0;
  for (int64_t k = 0; k < g.length; ++k) {
    F32 w;
    load(w, g.values + k * kSearchLanes);
    sumW += __builtin_convertvector(w, F64);
  }
  F64 count = __builtin_convertvector(lengths == 0 ? I32(1) : lengths, F64);
  F32 middle = 0.5f * least + 0.5f * most, half = 0.5f * most - 0.5f * least;

  F64 bestError = kInfinity;
  F32 bestScale = std::numeric_limits<float>::infinity(), bestMinimum = 0.0f;
  for (int factor = kFirstFactor; factor <= kLastFactor; ++factor) {
    F32 reach = static_cast<float>(factor) / 100.0f * half;
    F32 low = middle - reach, step = reach * (2.0f / hi);
    step = step == 0.0f ? F32(1.0f) : step; // all elements equal
    F64 wq = 0.0, sumQ = 0.0, qq = 0.0;
    for (int64_t begin = 0; begin < g.length;
         begin += kExactSquares / 4) { // codes reach 255: squares are larger
      int64_t end = begin + kExactSquares / 4 < g.length ? begin + kExactSquares / 4 : g.length;
      F32 codes = 0.0f, squares = 0.0f;
      for (int64_t k = begin; k < end; ++k) {
        F32 w;
        load(w, g.values + k * kSearchLanes);
        F32 q = (w - low) / step;
        roundToCode(q, 0.0f, hi);
        q = I32(static_cast<int32_t>(k)) < lengths ? q : F32(0.0f);
        wq += __builtin_convertvector(w, F64) * __builtin_convertvector(q, F64);
        codes += q;
        squares += q * q;
      }
      sumQ += __builtin_convertvector(codes, F64);
      qq += __builtin_convertvector(squares, F64);
    }
    F64 determinant = count * qq - sumQ * sumQ;
    F64 slope = (count * wq - sumQ * sumW) / (determinant == 0.0 ? F64(1.0) : determinant);
    slope = determinant == 0.0 ? F64(0.0) : slope;
    F32 scale, minimum;
    toHalfScale(scale, slope);
    F64 s = __builtin_convertvector(scale, F64);
    toHalfScale(minimum, (sumW - s * sumQ) / count);
    F64 m = __builtin_convertvector(minimum, F64);
    // sum((w - s q - m)^2) less sum(w^2)
    F64 error = s * s * qq + count * m * m + 2.0 * s * m * sumQ - 2.0 * s * wq - 2.0 * m * sumW;
    rejectInfinite(error, s);
    rejectInfinite(error, m);
    I64 better = error < bestError;
    I32 better32 = __builtin_convertvector(better, I32);
    bestError = better ? error : bestError;
    bestScale = better32 ? scale : bestScale;
    bestMinimum = better32 ? minimum : bestMinimum;
  }

  F32 step = bestScale == 0.0f ? F32(std::numeric_limits<float>::infinity()) : bestScale; // scale 0: codes 0
  for (int64_t k = 0; k < g.length; ++k) {
    F32 q;
    load(q, g.values + k * kSearchLanes);
    q = (q - bestMinimum) / step;
    roundToCode(q, 0.0f, hi);
    storeCodes(g.codes + k * kSearchLanes, q);
  }
  std::memcpy(g.scales, &bestScale, sizeof g.scales);
  std::memcpy(g.zeros, &bestMinimum, sizeof g.zeros);
}

/// int4, int8 with any zero point, or a codebook.
template <Element element, Zero zero> NIBBLE_INLINE void search(GroupSearch &g) {
  constexpr unsigned bits = element == Element::Int8 ? 8 : 4;
  if constexpr (element != Element::Int4 && element != Element::Int8)
    searchCodebook<element>(g);
  else if constexpr (zero == Zero::Minimum)
    searchMinimum<bits>(g);
  else if constexpr (zero == Zero::Integer)
    searchZeroPoint<bits>(g);
  else
    searchSymmetric<bits>(g);
}

template <Element element, Zero zero> void searchBaseline(GroupSearch &g) { search<element, zero>(g); }

#if defined(__x86_64__)
template <Element element, Zero zero> [[gnu::target("avx2")]] void searchAVX2(GroupSearch &g) {
  search<element, zero>(g);
}
template <Element element, Zero zero>
[[gnu::target("avx512f,avx512bw,avx512dq,avx512vl"), clang::min_vector_width(512)]] void
searchAVX512(GroupSearch &g) {
  search<element, zero>(g);
}
#endif

template <Element element, Zero zero> GroupSearchFunction choose(QuantizerPath path) {
#if defined(__x86_64__)
  if (path == QuantizerPath::AVX512)
    return searchAVX512<element, zero>;
  if (path == QuantizerPath::AVX2)
    return searchAVX2<element, zero>;
#endif
  (void)path;
  return searchBaseline<element, zero>;
}

template <Element element> GroupSearchFunction chooseByZero(Zero zero, QuantizerPath path) {
  switch (zero) {
  case Zero::None:
    return choose<element, Zero::None>(path);
  case Zero::Integer:
    return choose<element, Zero::Integer>(path);
  case Zero::Minimum:
    return choose<element, Zero::Minimum>(path);
  }
  return nullptr;
}

} // namespace

bool nibble::isPathSupported(QuantizerPath path) {
  switch (path) {
  case QuantizerPath::Fastest:
  case QuantizerPath::Baseline:
    return true;
#if defined(__x86_64__)
  case QuantizerPath::AVX2:
    return __builtin_cpu_supports("avx2");
  case QuantizerPath::AVX512:
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#endif
  default:
    return false;
  }
}

GroupSearchFunction nibble::groupSearchFunction(const Format &format, QuantizerPath path) {
  if (path == QuantizerPath::Fastest)
    path = isPathSupported(QuantizerPath::AVX512) ? QuantizerPath::AVX512
           : isPathSupported(QuantizerPath::AVX2) ? QuantizerPath::AVX2
                                                  : QuantizerPath::Baseline;
  switch (format.element) {
  case Element::NF4:
    return choose<Element::NF4, Zero::None>(path);
  case Element::FP4:
    return choose<Element::FP4, Zero::None>(path);
  case Element::E2M1:
    return choose<Element::E2M1, Zero::None>(path);
  case Element::IQ4:
    return choose<Element::IQ4, Zero::None>(path);
  case Element::Int4:
    return chooseByZero<Element::Int4>(format.zero, path);
  default:
    return chooseByZero<Element::Int8>(format.zero, path);
  }
}
