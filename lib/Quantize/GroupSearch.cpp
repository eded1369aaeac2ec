//===- GroupSearch.cpp - The search for scales over 16 groups at once -------------------------===//
//
// One body in vector extensions, compiled for three instruction sets. Compiled with -ffp-contract=off: a
// fused multiply and add would round unlike the baseline.
//
//===------------------------------------------------------------------------------------------===//
#include "GroupSearch.h"

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
NIBBLE_INLINE void roundToCode(F32 &x, float lo, float hi) {
  x = x < F32(lo) ? F32(lo) : x;
  x = x > F32(hi) ? F32(hi) : x;
  x = (x + 0x1.8p23f) - 0x1.8p23f;
}

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

template <unsigned bits> NIBBLE_INLINE void searchSymmetric(GroupSearch &g) {
  constexpr float lo = -static_cast<float>(1 << (bits - 1)), hi = -lo - 1;
  F32 extreme = 0.0f, largest = 0.0f;
  for (int64_t k = 0; k < g.length; ++k) {
    F32 w;
    load(w, g.values + k * kSearchLanes);
    F32 magnitude = w < 0.0f ? -w : w;
    extreme = magnitude > largest ? w : extreme;
    largest = magnitude > largest ? magnitude : largest;
  }

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
    F32 scale;
    toHalfScale(scale, wq / (qq == 0.0 ? F64(1.0) : qq));
    F64 s = __builtin_convertvector(scale, F64);
    F64 error = s * s * qq - 2.0 * s * wq; // sum((w - s q)^2) less sum(w^2)
    rejectInfinite(error, s);
    F64 wide = __builtin_convertvector(step, F64);
    error = wide * wide < 1e77 ? error : F64(kInfinity); // f e past f32: codes would all be 0
    I64 better = error < bestError;
    I32 better32 = __builtin_convertvector(better, I32);
    bestError = better ? error : bestError;
    bestScale = better32 ? scale : bestScale;
    bestStep = better32 ? step : bestStep;
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

template <unsigned bits> NIBBLE_INLINE void searchMinimum(GroupSearch &g) {
  constexpr float hi = static_cast<float>((1 << bits) - 1);
  I32 lengths;
  std::memcpy(&lengths, g.lengths, sizeof lengths);
  F32 least = std::numeric_limits<float>::infinity(), most = -least;
  F64 sumW = 0.0;
  for (int64_t k = 0; k < g.length; ++k) {
    F32 w;
    load(w, g.values + k * kSearchLanes);
    I32 inside = I32(static_cast<int32_t>(k)) < lengths;
    F32 low = inside ? w : F32(std::numeric_limits<float>::infinity());
    F32 high = inside ? w : F32(-std::numeric_limits<float>::infinity());
    least = low < least ? low : least;
    most = high > most ? high : most;
    sumW += __builtin_convertvector(w, F64);
  }
  I32 empty = lengths == 0;
  least = empty ? F32(0.0f) : least;
  most = empty ? F32(0.0f) : most;
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
  std::memcpy(g.minima, &bestMinimum, sizeof g.minima);
}

template <unsigned bits, Zero zero> NIBBLE_INLINE void search(GroupSearch &g) {
  if constexpr (zero == Zero::Minimum)
    searchMinimum<bits>(g);
  else
    searchSymmetric<bits>(g);
}

template <unsigned bits, Zero zero> void searchBaseline(GroupSearch &g) { search<bits, zero>(g); }

#if defined(__x86_64__)
template <unsigned bits, Zero zero> [[gnu::target("avx2")]] void searchAVX2(GroupSearch &g) {
  search<bits, zero>(g);
}
template <unsigned bits, Zero zero>
[[gnu::target("avx512f,avx512bw,avx512dq,avx512vl"), clang::min_vector_width(512)]] void
searchAVX512(GroupSearch &g) {
  search<bits, zero>(g);
}
#endif

template <unsigned bits, Zero zero> GroupSearchFunction choose(QuantizerPath path) {
#if defined(__x86_64__)
  if (path == QuantizerPath::AVX512)
    return searchAVX512<bits, zero>;
  if (path == QuantizerPath::AVX2)
    return searchAVX2<bits, zero>;
#endif
  (void)path;
  return searchBaseline<bits, zero>;
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

GroupSearchFunction nibble::groupSearchFunction(unsigned bits, Zero zero, QuantizerPath path) {
  if (path == QuantizerPath::Fastest)
    path = isPathSupported(QuantizerPath::AVX512) ? QuantizerPath::AVX512
           : isPathSupported(QuantizerPath::AVX2) ? QuantizerPath::AVX2
                                                  : QuantizerPath::Baseline;
  if (bits == 4)
    return zero == Zero::Minimum ? choose<4, Zero::Minimum>(path) : choose<4, Zero::None>(path);
  return zero == Zero::Minimum ? choose<8, Zero::Minimum>(path) : choose<8, Zero::None>(path);
}
