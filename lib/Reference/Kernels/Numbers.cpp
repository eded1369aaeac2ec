//===- Numbers.cpp - Short floats, by arithmetic ----------------------------------------------===//
#include "nibble/Reference/Numbers.h"

#include <algorithm>
#include <cmath>
#include <limits>

/// The nearest number with `fraction` bits after the leading one and an exponent of at least `least`;
/// infinity where the exponent would be past `most`.
static double roundTo(double value, int fraction, int least, int most) {
  if (value == 0 || !std::isfinite(value))
    return value;
  int exponent = std::max(std::ilogb(value), least);
  double rounded = std::scalbn(std::nearbyint(std::scalbn(value, fraction - exponent)), exponent - fraction);
  if (std::abs(rounded) >= std::scalbn(1.0, most + 1))
    return std::copysign(std::numeric_limits<double>::infinity(), value);
  return rounded;
}

double nibble::reference::roundToHalf(double value) { return roundTo(value, 10, -14, 15); }

double nibble::reference::roundToBFloat16(double value) { return roundTo(value, 7, -126, 127); }

double nibble::reference::halfValue(uint16_t bits) {
  int exponent = bits >> 10 & 31, fraction = bits & 1023;
  double magnitude;
  if (exponent == 31)
    magnitude = fraction ? std::numeric_limits<double>::quiet_NaN() : std::numeric_limits<double>::infinity();
  else if (exponent == 0)
    magnitude = std::scalbn(fraction, -24);
  else
    magnitude = std::scalbn(1024 + fraction, exponent - 25);
  return bits & 0x8000 ? -magnitude : magnitude;
}

uint16_t nibble::reference::halfBits(double value) {
  double magnitude = std::abs(roundToHalf(value));
  uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  if (std::isnan(magnitude))
    return sign | 0x7e00;
  if (std::isinf(magnitude))
    return sign | 0x7c00;
  if (magnitude < 0x1p-14)
    return sign | static_cast<uint16_t>(std::scalbn(magnitude, 24));
  int exponent = std::ilogb(magnitude);
  return sign | static_cast<uint16_t>((exponent + 14) * 1024 + std::scalbn(magnitude, 10 - exponent));
}
