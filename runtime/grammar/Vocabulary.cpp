//===- Vocabulary.cpp - A tokenizer's pieces --------------------------------------------------===//

#include "Vocabulary.h"
#include "CodePoints.h"
#include "nibble/runtime/Tokenizer.h"
#include <algorithm>

using namespace nibble;
using namespace nibble::grammar;

Vocabulary::Part Vocabulary::keep(std::string_view text) {
  Part part{static_cast<uint32_t>(pool.size()), static_cast<uint32_t>(text.size())};
  pool += text;
  return part;
}

std::string_view Vocabulary::textOf(const std::vector<Part> &parts, int32_t token) const {
  if (token < 0 || static_cast<size_t>(token) >= parts.size())
    return {};
  Part part = parts[static_cast<size_t>(token)];
  return std::string_view(pool).substr(part.offset, part.length);
}

void Vocabulary::arrange(const std::vector<Part> &parts, Trie &trie) {
  std::vector<Trie::Text> sorted;
  for (size_t token = 0; token < parts.size(); ++token)
    if (parts[token].length > 0)
      sorted.push_back({textOf(parts, static_cast<int32_t>(token)), static_cast<int32_t>(token)});
  arrange(std::move(sorted), trie);
}

void Vocabulary::arrange(std::vector<Trie::Text> sorted, Trie &trie) {
  trie.build(sorted);
  longest = std::max(longest, trie.deepest());
}

/// What a tokenizer puts between two tokens: nothing, or a space where it has no decoder.
static std::string separatorOf(const Tokenizer &tokenizer, const std::vector<int32_t> &ordinary) {
  for (int32_t token : ordinary) {
    std::string_view piece = tokenizer.piece(token);
    std::string one = tokenizer.decode(std::span(&token, 1), false);
    if (one != piece || piece.starts_with(' ') || !isUTF8(piece))
      continue;
    int32_t twice[] = {token, token};
    std::string two = tokenizer.decode(twice, false);
    return two.size() >= 2 * one.size() ? two.substr(one.size(), two.size() - 2 * one.size()) : "";
  }
  return "";
}

Vocabulary::Vocabulary(const Tokenizer &tokenizer, uint32_t size, std::span<const int32_t> ends)
    : size(size) {
  for (int32_t token : ends)
    if (token >= 0 && static_cast<uint32_t>(token) < size)
      endTokens.push_back(token);
  std::ranges::sort(endTokens);
  endTokens.erase(std::unique(endTokens.begin(), endTokens.end()), endTokens.end());

  std::vector<int32_t> ordinary;
  auto known = std::min<uint32_t>(size, static_cast<uint32_t>(tokenizer.vocabularySize()));
  for (int32_t token = 0; static_cast<uint32_t>(token) < known; ++token) {
    size_t length = tokenizer.piece(token).size();
    if (length > 0 && length <= longestToken && !tokenizer.isSpecial(token) && !isEnd(token))
      ordinary.push_back(token);
  }
  std::string separator = separatorOf(tokenizer, ordinary);
  texts.resize(size);
  firstTexts.resize(size);
  for (int32_t token : ordinary) {
    auto at = static_cast<size_t>(token);
    std::string_view piece = tokenizer.piece(token);
    texts[at] = keep(separator + std::string(piece));
    firstTexts[at] = texts[at];
    std::string alone = tokenizer.decode(std::span(&token, 1), false);
    // The pieces of a character that is spread over tokens decode to something else as well; they do not
    // begin with what is dropped.
    if (alone == piece ? !separator.empty()
                       : isUTF8(piece) || piece.starts_with(' ') != alone.starts_with(' ')) {
      if (isUTF8(piece))
        firstTexts[at] = keep(alone);
      else
        firstTexts[at] = keep(piece.substr(1));
      firstDiffers = true;
    }
  }
  arrange(texts, tokens);
  if (firstDiffers)
    arrange(firstTexts, first);
  else
    firstTexts = {};
  // Where something stands between any two tokens, marks cannot be spelled exactly.
  findMarks(tokenizer, separator.empty() ? static_cast<int32_t>(known) : 0);
}

void Vocabulary::findMarks(const Tokenizer &tokenizer, int32_t known) {
  for (int32_t token = 0; token < known; ++token)
    if (std::string_view piece = tokenizer.piece(token);
        tokenizer.isSpecial(token) && !isEnd(token) && !piece.empty() && piece.size() <= longestToken)
      markTexts.emplace(token, keep(piece));
  std::vector<Trie::Text> sorted;
  for (auto [token, part] : markTexts)
    sorted.push_back({std::string_view(pool).substr(part.offset, part.length), token});
  arrange(std::move(sorted), marks);
}

std::string_view Vocabulary::markText(int32_t token) const {
  auto found = markTexts.find(token);
  return found == markTexts.end() ? std::string_view()
                                  : std::string_view(pool).substr(found->second.offset, found->second.length);
}

bool Vocabulary::isEnd(int32_t token) const { return std::ranges::binary_search(endTokens, token); }
