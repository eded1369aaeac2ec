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
#include <numeric>
#include <utility>

using namespace nibble;
using namespace nibble::reference;

namespace {

/// Codes of one group, less their zero point, and value = scale * code + minimum. Those of a codebook are its
/// entries here.
struct GroupCodes {
  std::vector<float> codes;
  float zero = 0;
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

/// The element of largest magnitude, with sign.
static float extremeOf(std::span<const float> w) {
  return *std::max_element(w.begin(), w.end(), [](float a, float b) { return std::abs(a) < std::abs(b); });
}

/// Scale and error of a candidate without minimum, by least squares.
static void fitScale(std::span<const float> w, GroupCodes &candidate) {
  double products = 0, squares = 0;
  for (size_t k = 0; k < w.size(); ++k) {
    products += static_cast<double>(w[k]) * candidate.codes[k];
    squares += static_cast<double>(candidate.codes[k]) * candidate.codes[k];
  }
  candidate.scale = squares == 0 ? 0 : roundToHalf(products / squares);
  candidate.error = squaredError(w, candidate);
}

/// The step whose multiples codes of the winner are rounded to: none where all values are the same.
static float finalStep(const GroupCodes &best) {
  return best.scale == 0 ? std::numeric_limits<float>::infinity() : static_cast<float>(best.scale);
}

static GroupCodes quantizeSymmetric(std::span<const float> w, int bits) {
  float lo = -static_cast<float>(1 << (bits - 1)), hi = -lo - 1;
  float extreme = extremeOf(w);
  GroupCodes best;
  for (int hundredths = 70; hundredths <= 115; ++hundredths) {
    float step = static_cast<float>(hundredths) / 100.0f * extreme / lo;
    GroupCodes candidate;
    candidate.codes = roundCodes(w, 0, step == 0 ? 1 : step, lo, hi);
    fitScale(w, candidate);
    if (candidate.error < best.error)
      best = candidate;
  }
  return best;
}

static GroupCodes quantizeWithZeroPoint(std::span<const float> w, int bits) {
  float top = static_cast<float>((1 << bits) - 1);
  auto [least, most] = std::minmax_element(w.begin(), w.end());
  float lo = std::min(*least, 0.0f), hi = std::max(*most, 0.0f);
  float middle = 0.5f * lo + 0.5f * hi, half = 0.5f * hi - 0.5f * lo;
  GroupCodes best;
  for (int hundredths = 70; hundredths <= 115; ++hundredths) {
    float reach = static_cast<float>(hundredths) / 100.0f * half, step = reach * (2 / top);
    step = step == 0 ? 1 : step;
    GroupCodes candidate;
    candidate.zero = std::clamp(std::nearbyint((reach - middle) / step), 0.0f, top);
    candidate.codes = roundCodes(w, 0, step, -candidate.zero, top - candidate.zero);
    fitScale(w, candidate);
    if (candidate.error < best.error)
      best = candidate;
  }
  best.codes = roundCodes(w, 0, finalStep(best), -best.zero, top - best.zero);
  return best;
}

/// The codes 0 .. 15, those of lower entries first, then lower codes.
static std::vector<int> codesByEntry(Element element) {
  std::vector<int> codes(16);
  std::iota(codes.begin(), codes.end(), 0);
  std::ranges::sort(codes, {}, [&](int code) { return std::pair(codebookEntry(element, code), code); });
  return codes;
}

/// The code whose entry is nearest to x; of equally near ones the first in `codes`.
static int nearestCode(Element element, std::span<const int> codes, float x) {
  return *std::ranges::min_element(codes, {},
                                   [&](int code) { return std::abs(x - codebookEntry(element, code)); });
}

static GroupCodes quantizeToCodebook(std::span<const float> w, Element element) {
  std::vector<int> codes = codesByEntry(element);
  float lowest = static_cast<float>(codebookEntry(element, codes.front())), extreme = extremeOf(w);
  GroupCodes best;
  for (int hundredths = 70; hundredths < 115; hundredths += 2)
    for (float sign : {1.0f, -1.0f}) {
      float step = sign * (static_cast<float>(hundredths) / 100.0f) * extreme / lowest;
      GroupCodes candidate;
      for (float value : w)
        candidate.codes.push_back(static_cast<float>(
            codebookEntry(element, nearestCode(element, codes, value / (step == 0 ? 1 : step)))));
      fitScale(w, candidate);
      if (candidate.error < best.error)
        best = candidate;
    }
  for (size_t k = 0; k < w.size(); ++k)
    best.codes[k] = static_cast<float>(nearestCode(element, codes, w[k] / finalStep(best)));
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
  best.codes = roundCodes(w, static_cast<float>(best.minimum), finalStep(best), 0, hi);
  return best;
}

static GroupCodes quantizeGroup(std::span<const float> w, const Format &format) {
  int bits = format.element == Element::Int8 ? 8 : 4;
  if (format.isCodebook())
    return quantizeToCodebook(w, format.element);
  switch (format.zero) {
  case Zero::None:
    return quantizeSymmetric(w, bits);
  case Zero::Integer:
    return quantizeWithZeroPoint(w, bits);
  case Zero::Minimum:
    return quantizeWithMinimum(w, bits);
  }
  return {};
}

RowBlock nibble::reference::quantize(const Matrix &values, const Format &format) {
  RowBlock block;
  block.format = format;
  block.rows = values.rows;
  block.columns = values.columns;
  int64_t length = format.group == 0 ? values.columns : format.group;
  for (int64_t row = 0; row < values.rows; ++row) {
    std::vector<float> w(values.row(row).begin(), values.row(row).end());
    for (int64_t begin = 0; begin < values.columns; begin += length) {
      auto part = std::span<const float>(w).subspan(begin, std::min(length, values.columns - begin));
      GroupCodes group = quantizeGroup(part, format);
      for (float code : group.codes)
        block.codes.push_back(static_cast<int8_t>(static_cast<int>(code + group.zero)));
      block.scales.push_back(halfBits(group.scale));
      if (format.zero == Zero::Minimum)
        block.zeros.push_back(halfBits(group.minimum));
      else if (format.zero == Zero::Integer)
        block.zeros.push_back(static_cast<uint16_t>(group.zero));
    }
  }
  return block;
}
