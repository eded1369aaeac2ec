//===- Format.cpp - Spellings of formats ------------------------------------------------------===//
//
// The grammar is that of the command line and of the plan file (DESIGN section 10); every wrong word is
// named.
//
//===------------------------------------------------------------------------------------------===//
#include "nibble/Quantize/Format.h"

using namespace nibble;

static constexpr const char *kGrammar =
    "f32, f16, bf16, int8[-g32|-g64|-g128|-channel][-zero] or int4[-g32|-g64|-g128][-zero|-min]";

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
  std::string_view element = nextWord(rest);
  Format format;
  if (element == "int4")
    format.element = Element::Int4;
  else if (element == "int8")
    format.element = Element::Int8;
  else
    return notAFormat(spelling, "");

  format.group = 32;
  bool sawGroup = false, sawZero = false;
  while (!rest.empty()) {
    std::string_view word = nextWord(rest);
    bool isInt4 = format.element == Element::Int4;
    bool isGroup = word == "g32" || word == "g64" || word == "g128" || (word == "channel" && !isInt4);
    bool isZero = word == "zero" || (word == "min" && isInt4);
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
  std::string text;
  switch (format.element) {
  case Element::F32:
    return "f32";
  case Element::F16:
    return "f16";
  case Element::BF16:
    return "bf16";
  case Element::Int4:
    text = "int4";
    break;
  case Element::Int8:
    text = "int8";
    break;
  }
  text += format.group == 0 ? std::string("-channel") : "-g" + std::to_string(format.group);
  if (format.zero == Zero::Integer)
    text += "-zero";
  if (format.zero == Zero::Minimum)
    text += "-min";
  return text;
}
