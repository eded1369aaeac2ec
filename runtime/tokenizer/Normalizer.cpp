//===- Normalizer.cpp - Checks of steps, and the steps that change whole texts ----------------===//

#include "Steps.h"
#include "UTF8.h"
#include <algorithm>
#include <cstdlib>
#include <utf8proc.h>

using namespace nibble;
using namespace nibble::tokenizer;

// No normalizer of the field lengthens a text by more: U+FDFA has 18 characters, of 33 bytes, in NFKD.
static constexpr size_t longestGrowth = 32;
static constexpr size_t alwaysAllowed = 1 << 16; // bytes

bool nibble::tokenizer::isNormalizer(StepKind kind) {
  return kind >= StepKind::Prepend && kind <= StepKind::StripRight;
}

static bool isSplit(StepKind kind) { return kind == StepKind::SplitRegex || kind == StepKind::SplitString; }

Result<PreparedStep> nibble::tokenizer::prepareStep(StepKind kind, uint32_t argument, std::string_view first,
                                                    std::string_view second) {
  if (!isNormalizer(kind) && (kind < StepKind::SplitRegex || kind > StepKind::Metaspace))
    return failure("unknown step " + std::to_string(static_cast<uint32_t>(kind)));
  if (first.size() > longestPattern || second.size() > longestPattern)
    return failure("a step's text has more than " + std::to_string(longestPattern) + " bytes");
  if (!isValidUTF8(first) || !isValidUTF8(second))
    return failure("a step's text is not UTF-8");
  bool needsText = isSplit(kind) || kind == StepKind::Metaspace || kind == StepKind::Prepend ||
                   kind == StepKind::ReplaceString || kind == StepKind::ReplaceRegex;
  if (needsText && first.empty())
    return failure("a step that needs a pattern or a text has none");
  if (kind == StepKind::Metaspace && first.size() > characterLength(first[0]))
    return failure("Metaspace replaces spaces by \"" + std::string(first) + "\"; expected one character");
  if (isSplit(kind) && (argument & ~invertSplit) > static_cast<uint32_t>(SplitBehaviour::Contiguous))
    return failure("unknown split behaviour " + std::to_string(argument));
  if (kind == StepKind::Metaspace &&
      (argument & ~metaspaceSplits) > static_cast<uint32_t>(MetaspaceScheme::Always))
    return failure("unknown prepend scheme " + std::to_string(argument));

  PreparedStep step{kind, argument, first, second, {}};
  if (kind == StepKind::ReplaceRegex || kind == StepKind::SplitRegex) {
    NIBBLE_TRY(step.regex, Regex::compile(first));
  }
  return step;
}

static std::string replaceString(std::string_view text, std::string_view from, std::string_view to,
                                 size_t limit) {
  std::string result;
  size_t done = 0;
  for (size_t at; result.size() <= limit && (at = text.find(from, done)) != text.npos;
       done = at + from.size()) {
    result += text.substr(done, at - done);
    result += to;
  }
  return result += text.substr(done);
}

static Result<std::string> replaceMatches(std::string_view text, const PreparedStep &step, size_t limit,
                                          RegexScratch &scratch) {
  NIBBLE_TRY(auto matches, step.regex.findAll(text, scratch));
  std::string result;
  size_t done = 0;
  for (Range match : matches) {
    if (result.size() > limit)
      break;
    result += text.substr(done, match.begin - done);
    result += step.second;
    done = match.end;
  }
  return result += text.substr(done);
}

static Result<std::string> unicodeForm(std::string_view text, unsigned options) {
  if (std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; }))
    return std::string(text); // ASCII is in every form already
  utf8proc_uint8_t *mapped = nullptr;
  utf8proc_ssize_t size = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t *>(text.data()),
                                       static_cast<utf8proc_ssize_t>(text.size()), &mapped,
                                       static_cast<utf8proc_option_t>(options));
  std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(mapped, &std::free);
  if (size < 0)
    return failure(std::string("cannot normalize the text: ") + utf8proc_errmsg(size));
  return std::string(reinterpret_cast<const char *>(mapped), static_cast<size_t>(size));
}

static Result<std::string> apply(const PreparedStep &step, std::string text, size_t limit,
                                 RegexScratch &scratch) {
  switch (step.kind) {
  case StepKind::Prepend:
    return std::string(step.first) + text;
  case StepKind::ReplaceString:
    return replaceString(text, step.first, step.second, limit);
  case StepKind::ReplaceRegex:
    return replaceMatches(text, step, limit, scratch);
  case StepKind::NFC:
    return unicodeForm(text, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
  case StepKind::NFD:
    return unicodeForm(text, UTF8PROC_STABLE | UTF8PROC_DECOMPOSE);
  case StepKind::NFKC:
    return unicodeForm(text, UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT);
  case StepKind::NFKD:
    return unicodeForm(text, UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT);
  case StepKind::StripLeft:
    return text.substr(leadingSpace(text));
  case StepKind::StripRight:
    return text.substr(0, text.size() - trailingSpace(text));
  default:
    return text; // prepareStep and the segment's checks let nothing else into a list of normalizers
  }
}

Result<std::string> nibble::tokenizer::normalize(std::span<const PreparedStep> steps, std::string_view text,
                                                 RegexScratch &scratch) {
  std::string result(text);
  size_t limit = text.size() * longestGrowth + alwaysAllowed;
  for (const PreparedStep &step : steps) {
    if (result.empty())
      break;
    NIBBLE_TRY(result, apply(step, std::move(result), limit, scratch));
    if (result.size() > limit)
      return failure("the tokenizer's normalizer makes the text more than " + std::to_string(longestGrowth) +
                     " times as long");
  }
  return result;
}
