//===- HalfFloat.h - float16 and bfloat16 to float and back -------------------------*- C++ -*-===//
//
// Integer code without branches, so that compilers vectorize loops over it and every CPU gives the same bits,
// with or without F16C. Narrowing rounds to nearest, ties to even; a NaN stays a NaN and keeps the top of its
// payload.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include <bit>
#include <cstdint>

namespace nibble {

/// Exact: every f16 value, subnormals and infinities included, is an f32 value.
inline float halfToFloat(uint16_t half) {
  uint32_t magnitude = static_cast<uint32_t>(half & 0x7fff) << 13;
  // As an f32 pattern the exponent is 112 too small; the product is exact and normalizes subnormals.
  uint32_t scaled = std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) * 0x1p112f);
  uint32_t special = magnitude | 0x7f800000; // the largest f16 exponent means infinity or NaN
  uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  return std::bit_cast<float>(sign | (magnitude >= 0x0f800000 ? special : scaled));
}

/// Nearest f16, ties to even; from 65520 on, infinity.
inline uint16_t floatToHalf(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  uint32_t sign = (bits >> 16) & 0x8000;
  uint32_t magnitude = bits & 0x7fffffff;
  // 2^-14 and above: re-bias the exponent and round 13 bits off; a carry may run into the exponent, as it
  // should.
  uint32_t normal = (magnitude - 0x38000000 + 0xfff + ((magnitude >> 13) & 1)) >> 13;
  // Below: in [0.5, 1) an f32 step is 2^-24, the step of f16 subnormals, so that the addition rounds.
  uint32_t subnormal = std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) - 0x3f000000;
  uint32_t nan = 0x7e00 | ((magnitude >> 13) & 0x3ff);
  uint32_t result = magnitude < 0x38800000 ? subnormal : normal;
  result = magnitude >= 0x477ff000 ? 0x7c00 : result;
  result = magnitude > 0x7f800000 ? nan : result;
  return static_cast<uint16_t>(sign | result);
}

/// Exact.
inline float bfloat16ToFloat(uint16_t value) {
  return std::bit_cast<float>(static_cast<uint32_t>(value) << 16);
}

/// Nearest bf16, ties to even; past its largest finite value, infinity.
inline uint16_t floatToBFloat16(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  uint32_t nan = (bits >> 16) | 0x40;
  return static_cast<uint16_t>((bits & 0x7fffffff) > 0x7f800000 ? nan : rounded);
}

} // namespace nibble
