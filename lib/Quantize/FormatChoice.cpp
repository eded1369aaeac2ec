//===- FormatChoice.cpp - Which format each weight gets ---------------------------------------===//
#include "nibble/Quantize/FormatChoice.h"

#include <algorithm>
#include <optional>

using namespace nibble;

namespace {

/// A format, or the source's.
struct Wish {
  bool keep = false;
  Format format;

  Format of(const Format &source) const { return keep ? source : format; }
};

} // namespace

static constexpr Format kInt4{Element::Int4, 32, Zero::None};
static constexpr Format kInt8{Element::Int8, 32, Zero::None};

static Result<Wish> parseWish(const std::string &option, const std::string &spelling) {
  if (spelling == "keep")
    return Wish{true, {}};
  Result<Format> format = parseFormat(spelling);
  if (!format)
    return failure(option + ": " + format.error().message + ", or keep");
  return Wish{false, *format};
}

/// What `precision` asks for, or its default.
static Result<Wish> wishForLinears(std::span<const WeightUse> weights, const std::string &precision) {
  if (!precision.empty())
    return parseWish("--precision", precision);
  bool quantized = std::ranges::any_of(weights, [](const WeightUse &w) { return !w.source.isFloat(); });
  return Wish{quantized, kInt4};
}

/// The option of the head or of the embedding, or its default.
static Result<Wish> wishForTable(const std::string &option, const std::string &spelling,
                                 const Wish &linears) {
  if (!spelling.empty())
    return parseWish(option, spelling);
  return linears.keep || linears.format.isFloat() ? linears : Wish{false, kInt8};
}

/// The same wish in different words is one wish.
static Result<void> checkTied(const WeightUse &weight, const FormatOptions &options, const Wish &head,
                              const Wish &embedding) {
  if (options.head.empty() || options.embedding.empty() ||
      head.of(weight.source) == embedding.of(weight.source))
    return {};
  return failure("--head=" + options.head + " and --embedding=" + options.embedding + " differ, but " +
                 weight.name + " is one table for both; give one of the two");
}

Result<PrecisionPlan> nibble::chooseFormats(std::span<const WeightUse> weights,
                                            const FormatOptions &options) {
  NIBBLE_TRY(Wish linears, wishForLinears(weights, options.precision));
  NIBBLE_TRY(Wish head, wishForTable("--head", options.head, linears));
  NIBBLE_TRY(Wish embedding, wishForTable("--embedding", options.embedding, linears));
  std::optional<Activations> activations;
  if (!options.activations.empty()) {
    Result<Activations> parsed = parseActivations(options.activations);
    if (!parsed)
      return failure("--activations: " + parsed.error().message);
    activations = *parsed;
  }

  PrecisionPlan plan;
  bool isAsked = false; // a linear has the activations that the option asks for
  for (const WeightUse &weight : weights) {
    TensorPrecision chosen;
    if (auto planned = options.plan.tensors.find(weight.name); planned != options.plan.tensors.end()) {
      chosen = planned->second;
    } else {
      bool tied = weight.head && weight.embedding;
      if (tied)
        NIBBLE_CHECK(checkTied(weight, options, head, embedding));
      bool byEmbedding = weight.embedding && (!weight.head || options.head.empty());
      const Wish &wish = weight.linear ? linears : byEmbedding ? embedding : head;
      chosen.format = wish.of(weight.source);
      chosen.activations = activations.value_or(defaultActivations(chosen.format));
      // Codes concern the linears whose weights are codes.
      if (isInteger(chosen.activations) && chosen.format.isFloat())
        chosen.activations = Activations::F32;
    }
    if (!weight.linear && !weight.head)
      chosen.activations = Activations::F32; // its rows are only gathered
    isAsked |= chosen.activations == activations;
    plan.tensors.insert_or_assign(weight.name, chosen);
  }
  if (activations && isInteger(*activations) && !isAsked && !weights.empty())
    return failure(
        "--activations=" + options.activations +
        " needs linears with integer weights, and there is none; leave it out, use f32 or bf16, or "
        "choose a --precision of int4 or int8");
  return plan;
}
