//===- Tokenizer.h - Text to token ids and back -------------------------------------*- C++ -*-===//
//
// A view over a compiled tokenizer (TokenizerFormat.h): its tables are used where they are mapped. Encoding
// follows Hugging Face `tokenizers` (added tokens, normalizers, pre-tokenizers, byte-pair encoding,
// post-processor), and so does decoding, which can also stream.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/Result.h"
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace nibble {

namespace tokenizer {
struct State;
class Decoder;
} // namespace tokenizer

struct EncodeOptions {
  /// Put the start token (or whatever the tokenizer's post-processor says) around the text. Leave it out for
  /// text that a chat template has rendered: templates write their own start token.
  bool addSpecial = true;
  /// Find special tokens spelled out in the text ("<|im_end|>"). Leave it out for text that is not to be
  /// trusted with them. Added tokens that are not special are always found.
  bool parseSpecial = true;
};

/// Immutable; may be used from several threads at once.
class Tokenizer {
public:
  /// Checks the segment and keeps views into it: `segment` must stay where it is (8-byte aligned, as mapped).
  /// Errors say what in it is damaged.
  static Result<Tokenizer> open(std::span<const std::byte> segment);

  Tokenizer(Tokenizer &&) noexcept;
  Tokenizer &operator=(Tokenizer &&) noexcept;
  ~Tokenizer();

  /// Invalid UTF-8 in `text` counts as U+FFFD. Fails if the text is 1 GiB or longer, or if a regular
  /// expression of the tokenizer needs more steps on it than is sane.
  Result<std::vector<int32_t>> encode(std::string_view text, EncodeOptions options = {}) const;

  /// Always valid UTF-8. Ids outside of the vocabulary add nothing.
  std::string decode(std::span<const int32_t> ids, bool skipSpecial = true) const;

  /// The bytes that a token stands for, which need not be valid UTF-8; empty for an id outside of the
  /// vocabulary.
  std::string_view piece(int32_t id) const;
  /// The token that is spelled so: an added token or one of the model's vocabulary (raw bytes if it is
  /// byte-level).
  std::optional<int32_t> find(std::string_view spelling) const;

  /// Ids are 0 to vocabularySize() - 1; the model's table may be padded to more rows.
  int32_t vocabularySize() const;
  bool isSpecial(int32_t id) const;

  // None if the tokenizer names none.
  std::optional<int32_t> bos() const;
  std::optional<int32_t> eos() const;
  std::optional<int32_t> unk() const;
  std::optional<int32_t> pad() const;

  /// What encode() with addSpecial puts before and behind a text.
  std::span<const int32_t> prefix() const;
  std::span<const int32_t> suffix() const;
  /// Whether that includes the start or the end token.
  bool addsBos() const;
  bool addsEos() const;

private:
  friend class DetokenizeStream;
  explicit Tokenizer(std::unique_ptr<const tokenizer::State> state);
  std::unique_ptr<const tokenizer::State> state;
};

/// Decodes token by token. What push() and finish() return, put together, is what decode() returns, and each
/// part is valid UTF-8: an unfinished character waits for its other bytes. (Only where byte tokens spell
/// invalid UTF-8 may the number of U+FFFD differ.) The tokenizer must outlive it.
class DetokenizeStream {
public:
  explicit DetokenizeStream(const Tokenizer &tokenizer, bool skipSpecial = true);
  DetokenizeStream(DetokenizeStream &&) noexcept;
  DetokenizeStream &operator=(DetokenizeStream &&) noexcept;
  ~DetokenizeStream();

  /// The text that this token completes; often all of its own, sometimes none.
  std::string push(int32_t id);
  /// What was still waiting; then the stream starts anew.
  std::string finish();

private:
  std::unique_ptr<tokenizer::Decoder> decoder;
};

} // namespace nibble
