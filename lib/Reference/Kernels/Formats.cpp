//===- Formats.cpp - lowbit.dequantize --------------------------------------------------------===//
#include "nibble/Reference/Kernels.h"
#include "nibble/Reference/Numbers.h"

#include <cmath>

using namespace nibble;
using namespace nibble::reference;

/// The tables as they were published, and the factor that makes them int8. Negative entries of fp4 and e2m1
/// follow from the first eight.
static constexpr double kNF4[16] = {-1,
                                    -0.6961928009986877,
                                    -0.5250730514526367,
                                    -0.39491748809814453,
                                    -0.28444138169288635,
                                    -0.18477343022823334,
                                    -0.09105003625154495,
                                    0,
                                    0.07958029955625534,
                                    0.16093020141124725,
                                    0.24611230194568634,
                                    0.33791524171829224,
                                    0.44070982933044434,
                                    0.5626170039176941,
                                    0.7229568362236023,
                                    1};
static constexpr double kFP4[8] = {0, 1.0 / 192, 2.0 / 3, 1, 1.0 / 3, 0.5, 1.0 / 6, 0.25};
static constexpr double kE2M1[8] = {0, 0.5, 1, 1.5, 2, 3, 4, 6};
static constexpr double kIQ4[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

double nibble::reference::codebookEntry(Element element, int code) {
  int sign = code < 8 ? 1 : -1;
  switch (element) {
  case Element::NF4:
    return std::nearbyint(127 * kNF4[code]);
  case Element::FP4:
    return sign * std::nearbyint(120 * kFP4[code % 8]);
  case Element::E2M1:
    return sign * 2 * kE2M1[code % 8];
  default:
    return kIQ4[code];
  }
}

void nibble::reference::decodeRow(const RowBlock &weight, int64_t row, std::span<double> values) {
  int64_t columns = weight.columns, groups = weight.groups();
  int64_t length = weight.format.group == 0 ? columns : weight.format.group;
  for (int64_t k = 0; k < columns; ++k) {
    int64_t at = row * columns + k, group = row * groups + k / length;
    if (weight.format.isFloat()) {
      values[k] = weight.values[at];
      continue;
    }
    double scale = halfValue(weight.scales[group]);
    if (weight.format.isCodebook()) {
      values[k] = scale * codebookEntry(weight.format.element, weight.codes[at] & 15);
      continue;
    }
    switch (weight.format.zero) {
    case Zero::None:
      values[k] = scale * weight.codes[at];
      break;
    case Zero::Integer:
      values[k] = scale * (static_cast<uint8_t>(weight.codes[at]) - static_cast<int>(weight.zeros[group]));
      break;
    case Zero::Minimum:
      values[k] = scale * static_cast<uint8_t>(weight.codes[at]) + halfValue(weight.zeros[group]);
      break;
    }
  }
}

Matrix nibble::reference::dequantize(const RowBlock &weight) {
  Matrix values(weight.rows, weight.columns);
  for (int64_t row = 0; row < weight.rows; ++row)
    decodeRow(weight, row, values.row(row));
  return values;
}
