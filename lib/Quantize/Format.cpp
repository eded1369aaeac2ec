//===- Format.cpp - Spellings of formats ------------------------------------------------------===//
//
// The grammar is that of the command line and of the plan file (DESIGN section 10); every wrong word is
// named.
//
//===------------------------------------------------------------------------------------------===//
#include "nibble/Quantize/Format.h"

#include <algorithm>
#include <iterator>

using namespace nibble;

static constexpr const char *kGrammar =
    "f32, f16, bf16, int8[-g32|-g64|-g128|-channel][-zero], int4[-g32|-g64|-g128][-zero|-min], or nf4, fp4, "
    "e2m1 or iq4[-g32|-g64|-g128]";

/// What stands first in the spelling of a format with codes, and its group where none is said.
static constexpr struct {
  Element element;
  std::string_view name;
  uint32_t group;
} kElements[] = {{Element::Int4, "int4", 32}, {Element::Int8, "int8", 32}, {Element::NF4, "nf4", 64},
                 {Element::FP4, "fp4", 64},   {Element::E2M1, "e2m1", 32}, {Element::IQ4, "iq4", 32}};

unsigned Format::bits() const {
  switch (element) {
  case Element::F32:
    return 32;
  case Element::F16:
  case Element::BF16:
    return 16;
  case Element::Int8:
    return 8;
  case Element::Int4:
  case Element::NF4:
  case Element::FP4:
  case Element::E2M1:
  case Element::IQ4:
    return 4;
  }
  return 0;
}

static tl::unexpected<Error> notAFormat(std::string_view spelling, const std::string &why) {
  return failure("\"" + std::string(spelling) + "\" is not a format" + why + "; expected " + kGrammar);
}

/// Takes the text before the next '-' off the front of `rest`.
static std::string_view nextWord(std::string_view &rest) {
  size_t dash = rest.find('-');
  std::string_view word = rest.substr(0, dash);
  rest = dash == std::string_view::npos ? std::string_view() : rest.substr(dash + 1);
  return word;
}

Result<Format> nibble::parseFormat(std::string_view spelling) {
  if (spelling == "f32")
    return Format{Element::F32, 0, Zero::None};
  if (spelling == "f16")
    return Format{Element::F16, 0, Zero::None};
  if (spelling == "bf16")
    return Format{Element::BF16, 0, Zero::None};
  if (spelling.empty() || spelling.back() == '-')
    return notAFormat(spelling, "");

  std::string_view rest = spelling;
  std::string_view name = nextWord(rest);
  const auto *element = std::ranges::find(kElements, name, [](const auto &e) { return e.name; });
  if (element == std::end(kElements))
    return notAFormat(spelling, "");
  Format format{element->element, element->group, Zero::None};

  bool isInt4 = format.element == Element::Int4, isInt8 = format.element == Element::Int8;
  bool sawGroup = false, sawZero = false;
  while (!rest.empty()) {
    std::string_view word = nextWord(rest);
    bool isGroup = word == "g32" || word == "g64" || word == "g128" || (word == "channel" && isInt8);
    bool isZero = (word == "zero" && (isInt4 || isInt8)) || (word == "min" && isInt4);
    if (isGroup && !sawGroup && !sawZero) {
      format.group = word == "g32" ? 32 : word == "g64" ? 64 : word == "g128" ? 128 : 0;
      sawGroup = true;
    } else if (isZero && !sawZero) {
      format.zero = word == "zero" ? Zero::Integer : Zero::Minimum;
      sawZero = true;
    } else {
      return notAFormat(spelling, ": \"" + std::string(word) + "\" cannot stand there");
    }
  }
  return format;
}

std::string nibble::formatSpelling(const Format &format) {
  if (format.isFloat())
    return format.element == Element::F32 ? "f32" : format.element == Element::F16 ? "f16" : "bf16";
  std::string text(
      std::ranges::find(kElements, format.element, [](const auto &e) { return e.element; })->name);
  text += format.group == 0 ? std::string("-channel") : "-g" + std::to_string(format.group);
  if (format.zero == Zero::Integer)
    text += "-zero";
  if (format.zero == Zero::Minimum)
    text += "-min";
  return text;
}
