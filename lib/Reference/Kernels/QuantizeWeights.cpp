//===- QuantizeWeights.cpp - lowbit.quantize --------------------------------------------------===//
//
// The search by its definition, one group at a time. Candidate codes are made in f32, as the definition's
// simulation does; everything that decides between candidates is in double.
//
//===------------------------------------------------------------------------------------------===//
#include "nibble/Reference/Kernels.h"
#include "nibble/Reference/Numbers.h"

#include <algorithm>
#include <cmath>
#include <limits>

using namespace nibble;
using namespace nibble::reference;

namespace {

/// Codes of one group, and value = scale * code + minimum.
struct GroupCodes {
  std::vector<float> codes;
  double scale = 0, minimum = 0; // f16 values
  double error = std::numeric_limits<double>::infinity();
};

} // namespace

static std::vector<float> roundCodes(std::span<const float> w, float origin, float step, float lo, float hi) {
  std::vector<float> codes;
  for (float value : w)
    codes.push_back(std::clamp(std::nearbyint((value - origin) / step), lo, hi));
  return codes;
}

/// sum((w - scale code - minimum)^2); infinite where scale or minimum are.
static double squaredError(std::span<const float> w, const GroupCodes &group) {
  if (!std::isfinite(group.scale) || !std::isfinite(group.minimum))
    return std::numeric_limits<double>::infinity();
  double error = 0;
  for (size_t k = 0; k < w.size(); ++k) {
    double difference = w[k] - (group.scale * group.codes[k] + group.minimum);
    error += difference * difference;
  }
  return error;
}

static GroupCodes quantizeSymmetric(std::span<const float> w, int bits) {
  float lo = -static_cast<float>(1 << (bits - 1)), hi = -lo - 1;
  float extreme =
      *std::max_element(w.begin(), w.end(), [](float a, float b) { return std::abs(a) < std::abs(b); });
  GroupCodes best;
  for (int hundredths = 70; hundredths <= 115; ++hundredths) {
    float step = static_cast<float>(hundredths) / 100.0f * extreme / lo;
    GroupCodes candidate;
    candidate.codes = roundCodes(w, 0, step == 0 ? 1 : step, lo, hi);
    double products = 0, squares = 0;
    for (size_t k = 0; k < w.size(); ++k) {
      products += static_cast<double>(w[k]) * candidate.codes[k];
      squares += static_cast<double>(candidate.codes[k]) * candidate.codes[k];
    }
    candidate.scale = squares == 0 ? 0 : roundToHalf(products / squares);
    candidate.error = squaredError(w, candidate);
    if (candidate.error < best.error)
      best = candidate;
  }
  return best;
}

static GroupCodes quantizeWithMinimum(std::span<const float> w, int bits) {
  float hi = static_cast<float>((1 << bits) - 1);
  auto [least, most] = std::minmax_element(w.begin(), w.end());
  float middle = 0.5f * *least + 0.5f * *most, half = 0.5f * *most - 0.5f * *least;
  double count = static_cast<double>(w.size());
  GroupCodes best;
  for (int hundredths = 70; hundredths <= 115; ++hundredths) {
    float reach = static_cast<float>(hundredths) / 100.0f * half, step = reach * (2 / hi);
    GroupCodes candidate;
    candidate.codes = roundCodes(w, middle - reach, step == 0 ? 1 : step, 0, hi);
    double sumW = 0, sumQ = 0, products = 0, squares = 0;
    for (size_t k = 0; k < w.size(); ++k) {
      double q = candidate.codes[k];
      sumW += w[k];
      sumQ += q;
      products += w[k] * q;
      squares += q * q;
    }
    double determinant = count * squares - sumQ * sumQ;
    candidate.scale = determinant == 0 ? 0 : roundToHalf((count * products - sumQ * sumW) / determinant);
    candidate.minimum = roundToHalf((sumW - candidate.scale * sumQ) / count);
    candidate.error = squaredError(w, candidate);
    if (candidate.error < best.error)
      best = candidate;
  }
  float step = best.scale == 0 ? std::numeric_limits<float>::infinity() : static_cast<float>(best.scale);
  best.codes = roundCodes(w, static_cast<float>(best.minimum), step, 0, hi);
  return best;
}

RowBlock nibble::reference::quantize(const Matrix &values, const Format &format) {
  RowBlock block;
  block.format = format;
  block.rows = values.rows;
  block.columns = values.columns;
  int bits = format.element == Element::Int4 ? 4 : 8;
  int64_t length = format.group == 0 ? values.columns : format.group;
  for (int64_t row = 0; row < values.rows; ++row) {
    std::vector<float> w(values.row(row).begin(), values.row(row).end());
    for (int64_t begin = 0; begin < values.columns; begin += length) {
      auto part = std::span<const float>(w).subspan(begin, std::min(length, values.columns - begin));
      bool hasMinimum = format.zero == Zero::Minimum;
      GroupCodes group = hasMinimum ? quantizeWithMinimum(part, bits) : quantizeSymmetric(part, bits);
      for (float code : group.codes)
        block.codes.push_back(static_cast<int8_t>(static_cast<int>(code)));
      block.scales.push_back(halfBits(group.scale));
      if (hasMinimum)
        block.zeros.push_back(halfBits(group.minimum));
    }
  }
  return block;
}
