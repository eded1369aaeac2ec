//===- Segment.h - A compiled tokenizer's tables, checked ---------------------------*- C++ -*-===//
//
// Opening checks every offset, index and flag that encoding and decoding will follow, so that they need no
// checks of their own: a damaged segment is refused here or is safe.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "Steps.h"
#include "nibble/runtime/Result.h"
#include <array>
#include <cstddef>

namespace nibble::tokenizer {

struct State {
  Header header;
  std::string_view strings;
  std::span<const String> keys;    // [V]
  std::span<const String> outputs; // [V]
  std::span<const uint8_t> tokenFlags;
  std::span<const uint32_t> keyTable;
  std::span<const int32_t> byteTokens; // [256]
  std::span<const uint32_t> mergeRows; // [V + 1]
  std::span<const Merge> merges;
  std::span<const AddedToken> addedTokens;
  std::span<const AddedToken> addedNormalized;
  std::span<const int32_t> prefix, suffix;
  std::vector<PreparedStep> normalizers, preTokenizers;
  std::array<int32_t, 128> asciiKeys; // the token of each ASCII character, or noToken

  std::string_view text(String string) const { return strings.substr(string.offset, string.length); }
  bool has(Flag flag) const { return header.flags & flag; }
  bool isToken(int32_t id) const { return id >= 0 && uint32_t(id) < header.vocabularySize; }
  bool isSpecial(int32_t id) const { return isToken(id) && (tokenFlags[size_t(id)] & Special); }

  /// The model's token with this key, or noToken.
  int32_t findKey(std::string_view key) const;
  /// The merge of two neighbours, or null.
  const Merge *findMerge(int32_t left, int32_t right) const;
};

Result<State> openSegment(std::span<const std::byte> segment);

} // namespace nibble::tokenizer
