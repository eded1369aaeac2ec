//===- Tokenizer.cpp - Text to token ids and back ---------------------------------------------===//

#include "nibble/runtime/Tokenizer.h"
#include "AddedTokens.h"
#include "BytePairs.h"
#include "Decoder.h"
#include "UTF8.h"
#include <algorithm>

using namespace nibble;
using namespace nibble::tokenizer;

static constexpr size_t longestText = size_t(1) << 30; // bytes

namespace {

/// One call of encode(): the working memory of its stages.
struct Encoding {
  const State &state;
  EncodeOptions options;
  std::vector<int32_t> &ids;
  RegexScratch scratch{};
  BytePairEncoder pairs{state};
  AddedTokenFinder added{state, state.addedTokens};
  AddedTokenFinder addedNormalized{state, state.addedNormalized};

  /// Added tokens are looked for in the text as it is, then in what lies between them once that is
  /// normalized.
  Result<void> text(std::string_view text) {
    for (const Fragment &fragment : added.cut(text, options.parseSpecial)) {
      if (fragment.id != noToken) {
        ids.push_back(fragment.id);
        continue;
      }
      auto between = text.substr(fragment.range.begin, fragment.range.end - fragment.range.begin);
      NIBBLE_TRY(std::string normalized, normalize(state.normalizers, between, scratch));
      NIBBLE_CHECK(normalizedText(normalized, fragment.range.begin == 0));
    }
    return {};
  }

  Result<void> normalizedText(std::string_view text, bool atStart) {
    for (const Fragment &fragment : addedNormalized.cut(text, options.parseSpecial)) {
      if (fragment.id != noToken) {
        ids.push_back(fragment.id);
        continue;
      }
      Range range = fragment.range;
      Piece piece{text.substr(range.begin, range.end - range.begin), atStart && range.begin == 0};
      std::deque<std::string> texts;
      NIBBLE_TRY(auto words, preTokenize(state.preTokenizers, piece, texts, scratch));
      for (const Piece &word : words)
        pairs.encode(word.text, ids);
    }
    return {};
  }
};

} // namespace

Tokenizer::Tokenizer(std::unique_ptr<const State> state) : state(std::move(state)) {}
Tokenizer::Tokenizer(Tokenizer &&) noexcept = default;
Tokenizer &Tokenizer::operator=(Tokenizer &&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Result<Tokenizer> Tokenizer::open(std::span<const std::byte> segment) {
  NIBBLE_TRY(State state, openSegment(segment));
  return Tokenizer(std::make_unique<const State>(std::move(state)));
}

Result<std::vector<int32_t>> Tokenizer::encode(std::string_view text, EncodeOptions options) const {
  if (text.size() >= longestText)
    return failure("the text has " + std::to_string(text.size()) + " bytes; the tokenizer takes fewer than " +
                   std::to_string(longestText) + ": encode it in parts");
  std::string mended;
  if (!isValidUTF8(text)) {
    appendValid(mended, text);
    text = mended;
  }
  std::vector<int32_t> ids;
  if (options.addSpecial)
    ids.assign(state->prefix.begin(), state->prefix.end());
  Encoding encoding{*state, options, ids};
  NIBBLE_CHECK(encoding.text(text));
  if (options.addSpecial)
    ids.insert(ids.end(), state->suffix.begin(), state->suffix.end());
  return ids;
}

std::string Tokenizer::decode(std::span<const int32_t> ids, bool skipSpecial) const {
  Decoder decoder(*state, skipSpecial, /*wholeRuns=*/true);
  std::string text;
  for (int32_t id : ids)
    decoder.push(id, text);
  decoder.finish(text);
  return text;
}

std::string_view Tokenizer::piece(int32_t id) const {
  return state->isToken(id) ? state->text(state->outputs[size_t(id)]) : std::string_view();
}

std::optional<int32_t> Tokenizer::find(std::string_view spelling) const {
  for (std::span<const AddedToken> tokens : {state->addedTokens, state->addedNormalized})
    for (const AddedToken &token : tokens)
      if (state->text(state->keys[size_t(token.id)]) == spelling)
        return token.id;
  int32_t id = state->findKey(spelling);
  return id == noToken ? std::nullopt : std::optional(id);
}

static std::optional<int32_t> known(int32_t id) { return id == noToken ? std::nullopt : std::optional(id); }

int32_t Tokenizer::vocabularySize() const { return static_cast<int32_t>(state->header.vocabularySize); }
bool Tokenizer::isSpecial(int32_t id) const { return state->isSpecial(id); }
std::optional<int32_t> Tokenizer::bos() const { return known(state->header.bos); }
std::optional<int32_t> Tokenizer::eos() const { return known(state->header.eos); }
std::optional<int32_t> Tokenizer::unk() const { return known(state->header.unk); }
std::optional<int32_t> Tokenizer::pad() const { return known(state->header.pad); }
std::span<const int32_t> Tokenizer::prefix() const { return state->prefix; }
std::span<const int32_t> Tokenizer::suffix() const { return state->suffix; }

bool Tokenizer::addsBos() const {
  return bos() && std::ranges::find(state->prefix, *bos()) != state->prefix.end();
}
bool Tokenizer::addsEos() const {
  return eos() && std::ranges::find(state->suffix, *eos()) != state->suffix.end();
}

DetokenizeStream::DetokenizeStream(const Tokenizer &tokenizer, bool skipSpecial)
    : decoder(std::make_unique<Decoder>(*tokenizer.state, skipSpecial, /*wholeRuns=*/false)) {}
DetokenizeStream::DetokenizeStream(DetokenizeStream &&) noexcept = default;
DetokenizeStream &DetokenizeStream::operator=(DetokenizeStream &&) noexcept = default;
DetokenizeStream::~DetokenizeStream() = default;

std::string DetokenizeStream::push(int32_t id) {
  std::string text;
  decoder->push(id, text);
  return text;
}

std::string DetokenizeStream::finish() {
  std::string text;
  decoder->finish(text);
  return text;
}
