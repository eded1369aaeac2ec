//===- Rotary.cpp - Inverse frequencies as transformers computes them -------------------------===//
//
// Angles are multiplied by positions up to 100,000 and more, so every rounding counts: each statement here is
// one f32 operation of PyTorch's, in its order, and none is contracted with another.
//
//===------------------------------------------------------------------------------------------===//

#include "nibble/Import/ModelConfig.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#if defined(__clang__)
#pragma clang fp contract(off)
#endif

using namespace nibble;

/// theta ^ (2 i / headDim), rounded to f32 once.
static float positionFrequency(double theta, int64_t i, int64_t headDim) {
  float exponent = float(2 * i) / float(headDim);
  return float(std::pow(double(float(theta)), double(exponent)));
}

/// Llama 3.1: long wavelengths are stretched by the factor, short ones kept, those between interpolated.
static float llama3Frequency(const RotaryConfig &rotary, float inverse) {
  const double pi = std::numbers::pi;
  auto factor = float(rotary.factor);
  auto original = double(rotary.originalContext);
  auto longest = float(original / rotary.lowFrequencyFactor);
  auto shortest = float(original / rotary.highFrequencyFactor);
  float reciprocal = 1.0f / inverse;
  float wavelength = reciprocal * float(2 * pi);
  if (wavelength < shortest)
    return inverse;
  if (wavelength > longest)
    return inverse / factor;
  float turns = (1.0f / wavelength) * float(original); // of this dimension in the original context
  float above = turns - float(rotary.lowFrequencyFactor);
  float smooth = above / float(rotary.highFrequencyFactor - rotary.lowFrequencyFactor);
  float stretched = (1.0f - smooth) * inverse;
  stretched = stretched / factor;
  float kept = smooth * inverse;
  return stretched + kept;
}

/// The bounds of YaRN's ramp: between them dimensions pass from kept to stretched.
static std::pair<double, double> yarnRamp(const RotaryConfig &rotary, int64_t headDim) {
  auto dimensionOf = [&](double rotations) {
    double turns = double(rotary.originalContext) / (rotations * 2 * std::numbers::pi);
    return double(headDim) * std::log(turns) / (2 * std::log(rotary.theta));
  };
  double low = dimensionOf(rotary.betaFast), high = dimensionOf(rotary.betaSlow);
  if (rotary.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, double(headDim - 1));
  return {low, low == high ? high + 0.001 : high};
}

static float yarnFrequency(const RotaryConfig &rotary, float position, int64_t i,
                           std::pair<double, double> ramp) {
  float kept = 1.0f / position;
  float scaled = float(rotary.factor) * position;
  float stretched = 1.0f / scaled;
  float along = float(i) - float(ramp.first);
  float share = std::clamp(along / float(ramp.second - ramp.first), 0.0f, 1.0f);
  float keep = 1.0f - share;
  float first = stretched * (1.0f - keep);
  float second = kept * keep;
  return first + second;
}

static double yarnAttentionFactor(const RotaryConfig &rotary) {
  auto magnitude = [&](double scale) {
    return rotary.factor <= 1 ? 1.0 : 0.1 * scale * std::log(rotary.factor) + 1.0;
  };
  if (rotary.attentionFactor)
    return *rotary.attentionFactor;
  if (rotary.mscale != 0 && rotary.mscaleAllDim != 0)
    return magnitude(rotary.mscale) / magnitude(rotary.mscaleAllDim);
  return magnitude(1);
}

RotaryTable nibble::rotaryTable(const RotaryConfig &rotary, int64_t headDim) {
  using Scaling = RotaryConfig::Scaling;
  RotaryTable table;
  std::pair<double, double> ramp;
  if (rotary.scaling == Scaling::Yarn) {
    table.attentionFactor = yarnAttentionFactor(rotary);
    ramp = yarnRamp(rotary, headDim);
  }
  for (int64_t i = 0; i < headDim / 2; ++i) {
    float position = positionFrequency(rotary.theta, i, headDim);
    float inverse = 1.0f / position;
    switch (rotary.scaling) {
    case Scaling::None:
      break;
    case Scaling::Linear:
      inverse = inverse / float(rotary.factor);
      break;
    case Scaling::Llama3:
      inverse = llama3Frequency(rotary, inverse);
      break;
    case Scaling::Yarn:
      inverse = yarnFrequency(rotary, position, i, ramp);
      break;
    }
    if (!rotary.divisors.empty())
      inverse = inverse / rotary.divisors[i];
    table.inverseFrequencies.push_back(inverse);
  }
  return table;
}
