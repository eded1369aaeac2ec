//===- Format.h - How numbers of a weight are stored --------------------------------*- C++ -*-===//
//
// The plain C++ twin of the attribute #lowbit.format, for code that handles bytes and not IR: the parameter
// store, the quantizer, the packer, the plan file. A value is scale * (code - zero point), scale * code +
// minimum, or scale * table[code].
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/Result.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace nibble {

/// NF4 to IQ4 are codebooks: codes of four bits that stand for the entries of a table (Codebook.h).
enum class Element : uint8_t { F32, F16, BF16, Int4, Int8, NF4, FP4, E2M1, IQ4 };

/// What is subtracted from or added to a scaled code.
enum class Zero : uint8_t {
  None,    // symmetric: value = scale * code, code in -2^(b-1) .. 2^(b-1) - 1
  Integer, // value = scale * (code - zero), code and zero in 0 .. 2^b - 1
  Minimum, // value = scale * code + minimum, code in 0 .. 2^b - 1; the minimum is f16 like the scale
};

/// `int4-g32` is {Int4, 32, None}. Scales are f16, signed.
struct Format {
  Element element = Element::F32;
  uint32_t group = 0; // elements along K that share a scale; 0: the whole row (and for float elements)
  Zero zero = Zero::None;

  bool isFloat() const {
    return element == Element::F32 || element == Element::F16 || element == Element::BF16;
  }
  /// Codes of four bits that index a table; its codes are 0 .. 15 and it has no zero points.
  bool isCodebook() const { return element >= Element::NF4; }
  /// Whether codes are negative as well: integers without zero point or minimum.
  bool hasSignedCodes() const { return !isFloat() && !isCodebook() && zero == Zero::None; }
  unsigned bits() const; // of one code: 4, 8, 16 or 32
  bool operator==(const Format &) const = default;
};

/// Reads the command line's spelling: f32, f16, bf16, int8[-g32|-g64|-g128|-channel][-zero],
/// int4[-g32|-g64|-g128][-zero|-min], nf4, fp4, e2m1 or iq4[-g32|-g64|-g128]. The group is 32 unless said,
/// and 64 for nf4 and fp4.
Result<Format> parseFormat(std::string_view spelling);

/// The canonical spelling: `int4-g32`, `int8-channel`, `nf4-g64`, `bf16`.
std::string formatSpelling(const Format &format);

} // namespace nibble
