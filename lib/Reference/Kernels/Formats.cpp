//===- Formats.cpp - lowbit.dequantize --------------------------------------------------------===//
#include "nibble/Reference/Kernels.h"
#include "nibble/Reference/Numbers.h"

using namespace nibble;
using namespace nibble::reference;

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
