//===- HuggingFaceSteps.cpp - Normalizers and pre-tokenizers of tokenizer.json ----------------===//

#include "HuggingFaceComponents.h"
#include "RegexTranslation.h"
#include <map>

using namespace nibble;
using namespace nibble::tokenizer;

const char *const tokenizer::gpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

// Sequences hold sequences; files of the field have one level.
static constexpr int deepest = 8;

/// What counts as punctuation in `tokenizers`: ASCII's punctuation and symbols, and Unicode's punctuation.
static constexpr const char *punctuation = R"([!-/:-@\[-`{-~\p{P}])";

namespace {

struct Builder {
  TokenizerSpec &spec;
  std::string where; // begins messages: the file and the part of it

  tl::unexpected<Error> unknown(const std::string &what) const {
    return failure(where + ": " + what +
                   " is not supported; nibble knows byte-level BPE and SentencePiece-style "
                   "BPE as `tokenizers` writes them");
  }

  Result<void> normalizer(const JSON &json, int depth);
  Result<void> replace(const JSON &json);
  Result<void> preTokenizer(const JSON &json, int depth);
  Result<void> byteLevel(const JSON &json);
  Result<void> split(const JSON &json);
  Result<void> metaspace(const JSON &json);
  Result<uint32_t> behaviour(const JSON &json);
  Result<void> splitAt(const std::string &oniguruma, uint32_t argument);

  /// Calls `each` for the members of a Sequence.
  Result<void> sequence(const JSON &json, const char *key, int depth,
                        Result<void> (Builder::*each)(const JSON &, int)) {
    const JSON *members = arrayMember(json, key);
    if (!members)
      return failure(where + ": a Sequence has no array \"" + key + "\"");
    if (depth >= deepest)
      return failure(where + ": Sequences are nested more than " + std::to_string(deepest) + " deep");
    for (const JSON &member : *members)
      NIBBLE_CHECK((this->*each)(member, depth + 1));
    return {};
  }

  void add(StepKind kind, uint32_t argument = 0, std::string first = {}, std::string second = {}) {
    auto &steps = kind < StepKind::SplitRegex ? spec.normalizers : spec.preTokenizers;
    steps.push_back({kind, argument, std::move(first), std::move(second)});
  }
};

} // namespace

Result<void> Builder::replace(const JSON &json) {
  const JSON *pattern = objectMember(json, "pattern");
  NIBBLE_TRY(auto content, stringMember(json, "content", where + ": Replace"));
  if (pattern && pattern->contains("String")) {
    NIBBLE_TRY(auto text, stringMember(*pattern, "String", where + ": Replace"));
    if (!text.empty())
      add(StepKind::ReplaceString, 0, text, content);
    return {};
  }
  if (pattern && pattern->contains("Regex")) {
    NIBBLE_TRY(auto text, stringMember(*pattern, "Regex", where + ": Replace"));
    NIBBLE_TRY(auto regex, translateRegex(text));
    add(StepKind::ReplaceRegex, 0, regex, content);
    return {};
  }
  return failure(where + ": Replace needs a \"pattern\" with \"String\" or \"Regex\"");
}

Result<void> Builder::normalizer(const JSON &json, int depth) {
  static const std::map<std::string, StepKind> forms = {
      {"NFC", StepKind::NFC}, {"NFD", StepKind::NFD}, {"NFKC", StepKind::NFKC}, {"NFKD", StepKind::NFKD}};
  NIBBLE_TRY(auto type, stringMember(json, "type", where));
  if (type == "Sequence")
    return sequence(json, "normalizers", depth, &Builder::normalizer);
  if (type == "Replace")
    return replace(json);
  if (type == "Prepend") {
    NIBBLE_TRY(auto text, stringMember(json, "prepend", where + ": Prepend"));
    if (!text.empty())
      add(StepKind::Prepend, 0, text);
    return {};
  }
  if (type == "Strip") {
    NIBBLE_TRY(bool left, boolMember(json, "strip_left", where + ": Strip"));
    NIBBLE_TRY(bool right, boolMember(json, "strip_right", where + ": Strip"));
    if (left)
      add(StepKind::StripLeft);
    if (right)
      add(StepKind::StripRight);
    return {};
  }
  if (auto form = forms.find(type); form != forms.end()) {
    add(form->second);
    return {};
  }
  return unknown("the normalizer " + type);
}

Result<void> Builder::splitAt(const std::string &oniguruma, uint32_t argument) {
  auto regex = translateRegex(oniguruma);
  if (!regex)
    return failure(where + ": " + regex.error().message);
  add(StepKind::SplitRegex, argument, *std::move(regex));
  return {};
}

static uint32_t argumentOf(SplitBehaviour behaviour) { return static_cast<uint32_t>(behaviour); }

Result<uint32_t> Builder::behaviour(const JSON &json) {
  static const std::map<std::string, SplitBehaviour> names = {
      {"Removed", SplitBehaviour::Removed},
      {"Isolated", SplitBehaviour::Isolated},
      {"MergedWithPrevious", SplitBehaviour::MergedWithPrevious},
      {"MergedWithNext", SplitBehaviour::MergedWithNext},
      {"Contiguous", SplitBehaviour::Contiguous}};
  NIBBLE_TRY(auto name, stringMember(json, "behavior", where, "Isolated"));
  auto found = names.find(name);
  if (found == names.end())
    return unknown("the split behavior " + name);
  return argumentOf(found->second);
}

Result<void> Builder::split(const JSON &json) {
  const JSON *pattern = objectMember(json, "pattern");
  NIBBLE_TRY(uint32_t argument, behaviour(json));
  NIBBLE_TRY(bool invert, boolMember(json, "invert", where + ": Split", false));
  argument |= invert ? invertSplit : 0;
  if (pattern && pattern->contains("Regex")) {
    NIBBLE_TRY(auto text, stringMember(*pattern, "Regex", where + ": Split"));
    return splitAt(text, argument);
  }
  if (pattern && pattern->contains("String")) {
    NIBBLE_TRY(auto text, stringMember(*pattern, "String", where + ": Split"));
    if (!text.empty())
      add(StepKind::SplitString, argument, text);
    return {};
  }
  return failure(where + ": Split needs a \"pattern\" with \"String\" or \"Regex\"");
}

Result<void> Builder::byteLevel(const JSON &json) {
  NIBBLE_TRY(bool prefixSpace, boolMember(json, "add_prefix_space", where + ": ByteLevel", true));
  NIBBLE_TRY(bool useRegex, boolMember(json, "use_regex", where + ": ByteLevel", true));
  if (prefixSpace)
    add(StepKind::PrefixSpace);
  spec.flags |= ByteLevel;
  return useRegex ? splitAt(gpt2Pattern, argumentOf(SplitBehaviour::Isolated)) : Result<void>{};
}

Result<void> Builder::metaspace(const JSON &json) {
  static const std::map<std::string, MetaspaceScheme> schemes = {{"never", MetaspaceScheme::Never},
                                                                 {"first", MetaspaceScheme::First},
                                                                 {"always", MetaspaceScheme::Always}};
  NIBBLE_TRY(auto replacement, stringMember(json, "replacement", where + ": Metaspace"));
  NIBBLE_TRY(auto name, stringMember(json, "prepend_scheme", where + ": Metaspace", "always"));
  NIBBLE_TRY(bool prefixSpace, boolMember(json, "add_prefix_space", where + ": Metaspace", true));
  NIBBLE_TRY(bool splits, boolMember(json, "split", where + ": Metaspace", true));
  auto scheme = schemes.find(name);
  if (scheme == schemes.end())
    return unknown("Metaspace's prepend_scheme " + name);
  uint32_t argument = static_cast<uint32_t>(prefixSpace ? scheme->second : MetaspaceScheme::Never);
  add(StepKind::Metaspace, argument | (splits ? metaspaceSplits : 0), replacement);
  return {};
}

Result<void> Builder::preTokenizer(const JSON &json, int depth) {
  NIBBLE_TRY(auto type, stringMember(json, "type", where));
  if (type == "Sequence")
    return sequence(json, "pretokenizers", depth, &Builder::preTokenizer);
  if (spec.flags & ByteLevel) // what comes now would see the byte-level alphabet instead of the text
    return unknown("the pre-tokenizer " + type + " behind ByteLevel");
  if (type == "ByteLevel")
    return byteLevel(json);
  if (type == "Split")
    return split(json);
  if (type == "Metaspace")
    return metaspace(json);
  if (type == "Digits") {
    NIBBLE_TRY(bool individual, boolMember(json, "individual_digits", where + ": Digits", false));
    return splitAt("\\p{N}", argumentOf(individual ? SplitBehaviour::Isolated : SplitBehaviour::Contiguous));
  }
  if (type == "Punctuation") {
    NIBBLE_TRY(uint32_t argument, behaviour(json));
    return splitAt(punctuation, argument);
  }
  if (type == "Whitespace")
    // Its own expression is of a dialect in which joiners belong to words.
    return splitAt("[\\w\\x{200C}\\x{200D}]+|[^\\w\\x{200C}\\x{200D}\\s]+",
                   argumentOf(SplitBehaviour::Removed) | invertSplit);
  if (type == "WhitespaceSplit")
    return splitAt("\\s", argumentOf(SplitBehaviour::Removed));
  if (type == "BertPreTokenizer") {
    NIBBLE_CHECK(splitAt("\\s", argumentOf(SplitBehaviour::Removed)));
    return splitAt(punctuation, argumentOf(SplitBehaviour::Isolated));
  }
  return unknown("the pre-tokenizer " + type);
}

Result<void> tokenizer::importNormalizer(const JSON &json, TokenizerSpec &spec) {
  if (json.is_null())
    return {};
  return Builder{spec, spec.source + ": normalizer"}.normalizer(json, 0);
}

Result<void> tokenizer::importPreTokenizer(const JSON &json, TokenizerSpec &spec) {
  if (json.is_null())
    return {};
  return Builder{spec, spec.source + ": pre_tokenizer"}.preTokenizer(json, 0);
}
