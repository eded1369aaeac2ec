//===- AddedTokens.h - Tokens that are found before anything else -------------------*- C++ -*-===//
//
// Added tokens ("<|im_end|>") are found in the text at the leftmost place, the longest of those that begin
// there.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "Segment.h"

namespace nibble::tokenizer {

/// A stretch of text between added tokens, or an added token.
struct Fragment {
  Range range;
  int32_t id; // noToken for text
};

/// Finds tokens out of a list that is sorted by text.
class AddedTokenFinder {
public:
  AddedTokenFinder(const State &state, std::span<const AddedToken> tokens);

  /// Cuts `text` into fragments; none of them is empty. Special tokens are found only on request.
  std::vector<Fragment> cut(std::string_view text, bool findSpecial) const;

private:
  const AddedToken *longestAt(std::string_view text, size_t at) const;

  const State &state;
  std::span<const AddedToken> tokens;
  std::array<uint32_t, 257> firstOf; // tokens whose first byte is b are tokens[firstOf[b] .. firstOf[b + 1]]
};

} // namespace nibble::tokenizer
