//===- Numbers.h - Short floats, by arithmetic --------------------------------------*- C++ -*-===//
//
// The definitions of f16 and bf16 in double arithmetic, apart from the bit manipulation of compiler and
// runtime, which they check.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include <cstdint>

namespace nibble::reference {

/// The value of an f16 bit pattern, exact.
double halfValue(uint16_t bits);
/// The nearest f16's bit pattern, ties to even; infinity from 65520 on.
uint16_t halfBits(double value);

/// The nearest value of f16 or bf16, ties to even.
double roundToHalf(double value);
double roundToBFloat16(double value);

} // namespace nibble::reference
