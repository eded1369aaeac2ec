//===- AddedTokens.cpp - Tokens that are found before anything else ---------------------------===//

#include "AddedTokens.h"
#include "UTF8.h"
#include <algorithm>

using namespace nibble::tokenizer;

AddedTokenFinder::AddedTokenFinder(const State &state, std::span<const AddedToken> tokens)
    : state(state), tokens(tokens) {
  for (size_t byte = 0; byte <= 256; ++byte) {
    auto before = [&](const AddedToken &token) {
      return static_cast<unsigned char>(state.text(token.text).front()) < byte;
    };
    firstOf[byte] = static_cast<uint32_t>(std::ranges::partition_point(tokens, before) - tokens.begin());
  }
}

const AddedToken *AddedTokenFinder::longestAt(std::string_view text, size_t at) const {
  // The candidates agree with the text in their first `depth` bytes; each byte narrows them.
  auto lead = static_cast<unsigned char>(text[at]);
  if (firstOf[lead] >= firstOf[lead + 1])
    return nullptr;
  auto candidates = tokens.subspan(firstOf[lead], firstOf[lead + 1] - firstOf[lead]);
  const AddedToken *longest = nullptr;
  for (size_t depth = 1; !candidates.empty(); ++depth) {
    if (candidates.front().text.length == depth) { // sorted: what ends here comes first
      longest = &candidates.front();
      while (!candidates.empty() && candidates.front().text.length == depth)
        candidates = candidates.subspan(1);
    }
    if (at + depth >= text.size())
      break;
    auto next = static_cast<unsigned char>(text[at + depth]);
    auto byteOf = [&](const AddedToken &token) {
      std::string_view spelling = state.text(token.text);
      return depth < spelling.size() ? static_cast<unsigned char>(spelling[depth]) : 0;
    };
    auto equal = std::ranges::equal_range(candidates, next, {}, byteOf);
    candidates = {equal.begin(), equal.end()};
  }
  return longest;
}

std::vector<Fragment> AddedTokenFinder::cut(std::string_view text, bool findSpecial) const {
  std::vector<Fragment> fragments;
  size_t done = 0; // all before this is in a fragment
  auto addText = [&](size_t end) {
    if (done < end)
      fragments.push_back({{done, end}, noToken});
  };
  for (size_t at = 0; !tokens.empty() && at < text.size();) {
    const AddedToken *token = longestAt(text, at);
    if (!token) {
      ++at;
      continue;
    }
    Range range{at, at + token->text.length};
    at = range.end; // what was found and is not wanted is not looked into again, as in `tokenizers`
    if ((token->flags & AddedSpecial) && !findSpecial)
      continue;
    bool joined = endsWithWord(text.substr(0, range.begin)) || beginsWithWord(text.substr(range.end));
    if ((token->flags & SingleWord) && joined)
      continue;
    if (token->flags & LeftStrip)
      range.begin = std::max(range.begin - trailingSpace(text.substr(0, range.begin)), done);
    if (token->flags & RightStrip)
      range.end += leadingSpace(text.substr(range.end));
    addText(range.begin);
    fragments.push_back({range, token->id});
    done = std::max(done, range.end);
  }
  addText(text.size());
  return fragments;
}
