//===- TokenizerFormat.h - The compiled tokenizer's bytes ---------------------------*- C++ -*-===//
//
// A tokenizer is one flat little-endian segment of an artifact: this header, then sections of fixed-size
// records that refer to each other by index and to text by (offset, length) in one string pool. It holds no
// addresses, so it is used where it is mapped. lib/Import/Tokenizer writes it, runtime/tokenizer reads it.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include <bit>
#include <cstdint>
#include <string_view>

namespace nibble::tokenizer {

static_assert(std::endian::native == std::endian::little, "the segment is read in place");

inline constexpr char segmentMagic[8] = {'N', 'B', 'L', 'T', 'O', 'K', 'E', 'N'};
inline constexpr uint32_t segmentVersion = 1;
inline constexpr uint32_t largestVocabulary = 1u << 22; // tokens; today's models have up to 262,144
inline constexpr uint32_t mostSteps = 64;               // of normalizers or of pre-tokenizers
inline constexpr uint32_t longestPattern = 1u << 16;    // bytes of a step's strings
inline constexpr int32_t noToken = -1;

/// A run of bytes of the string pool.
struct String {
  uint32_t offset;
  uint32_t length; // bytes
};

/// Where a table is: bytes from the start of the segment, a multiple of 8.
struct Section {
  uint64_t offset;
  uint64_t bytes;
};

/// Flags of the whole tokenizer.
enum Flag : uint32_t {
  ByteLevel = 1 << 0, // the symbols that merging starts from are bytes; otherwise characters
  ByteFallback =
      1 << 1, // a character that the vocabulary lacks becomes its bytes' tokens, if all of these exist
  FuseUnknown = 1 << 2,  // neighbouring unknown characters become one unknown token
  IgnoreMerges = 1 << 3, // a word that is a token as a whole is that token
};

/// Flags of one token.
enum TokenFlag : uint8_t {
  Special = 1 << 0, // left out of decoded text on request
  ByteToken = 1 << 1,
};

/// Flags of one added token.
enum AddedFlag : uint32_t {
  AddedSpecial = 1 << 0, // found in text only if the caller asks for special tokens
  LeftStrip = 1 << 1,    // takes the white space before it
  RightStrip = 1 << 2,   // takes the white space behind it
  SingleWord = 1 << 3,   // found only between characters that are not of words
};

/// A token that is found in the text before anything else looks at it.
struct AddedToken {
  String text;
  int32_t id;
  uint32_t flags; // AddedFlag
};

/// left + right -> result. Lower ranks go first. The left token is the row of mergeRows that the merge is in.
struct Merge {
  int32_t right;
  uint32_t rank;
  int32_t result;
};

/// What a step of the normalizer or the pre-tokenizer does. Names are those of Hugging Face `tokenizers`.
enum class StepKind : uint32_t {
  Prepend = 1,   // first before a text that is not empty
  ReplaceString, // every first becomes second
  ReplaceRegex,  // every match of first becomes second
  NFC,
  NFD,
  NFKC,
  NFKD,
  StripLeft, // white space
  StripRight,
  SplitRegex = 32, // at the matches of first; argument: SplitBehaviour | invertSplit
  SplitString,     // at the occurrences of first; the same argument
  PrefixSpace,     // a space before a piece that does not begin with one
  Metaspace,       // spaces become first; argument: MetaspaceScheme | metaspaceSplits
};

enum class SplitBehaviour : uint32_t { Removed, Isolated, MergedWithPrevious, MergedWithNext, Contiguous };
inline constexpr uint32_t invertSplit = 1 << 8; // what lies between the matches counts as the match

/// Where Metaspace puts its replacement: nowhere, at the start of the text, at the start of each piece.
enum class MetaspaceScheme : uint32_t { Never, First, Always };
inline constexpr uint32_t metaspaceSplits = 1 << 8; // then splits before each replacement

struct Step {
  StepKind kind;
  uint32_t argument;
  String first;
  String second;
};

struct Header {
  char magic[8];
  uint32_t version;
  uint32_t flags;      // Flag
  uint64_t totalBytes; // of the segment
  uint32_t vocabularySize;
  int32_t unknownSymbol; // stands for what the vocabulary lacks; noToken: it is dropped
  int32_t bos, eos, unk, pad;
  String separator; // between the tokens of decoded text: empty but for tokenizers without a decoder
  /// Dropped from the start of decoded text, up to stripCount times: one character.
  String stripped;
  /// Dropped wherever it is in the first token of decoded text: one character or empty.
  String droppedFromFirst;
  uint32_t stripCount;
  uint32_t reserved; // 0

  Section strings;     // the string pool: bytes
  Section keys;        // String[V]: tokens as the model spells them; raw bytes if ByteLevel
  Section outputs;     // String[V]: what each token adds to decoded text
  Section tokenFlags;  // uint8_t[V]: TokenFlag
  Section keyTable;    // uint32_t[a power of two]: hash table of keys of the model, id + 1 or 0
  Section byteTokens;  // int32_t[256]: the token of each byte, or noToken
  Section mergeRows;   // uint32_t[V + 1]: merges of left token i are merges[mergeRows[i] .. mergeRows[i + 1]]
  Section merges;      // Merge[], within a row sorted by right
  Section addedTokens; // AddedToken[], found in the text as it is; sorted by text
  Section addedNormalized; // AddedToken[], found in normalized text; sorted by text
  Section normalizers;     // Step[]
  Section preTokenizers;   // Step[]
  Section prefix;          // int32_t[]: what goes before a text (a start token)
  Section suffix;          // int32_t[]: what goes behind it
};

/// No key of keyTable is further than this from where its hash points, so that a damaged table cannot cost
/// time.
inline constexpr uint32_t mostProbes = 256;

/// The hash of keyTable (FNV-1a), linear probing from hash mod size.
inline uint64_t hashKey(std::string_view key) {
  uint64_t hash = 0xcbf29ce484222325;
  for (char c : key)
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash ^ (hash >> 32);
}

} // namespace nibble::tokenizer
