//===- Tokenizer.h - Compiling a checkpoint's tokenizer -----------------------------*- C++ -*-===//
//
// A Hugging Face folder or a GGUF file's metadata becomes a TokenizerSpec, which says all that encoding and
// decoding need; that becomes the flat segment (runtime/TokenizerFormat.h) which an artifact carries. Needs
// no MLIR.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/Import/GGUFFile.h"
#include "nibble/runtime/Result.h"
#include "nibble/runtime/TokenizerFormat.h"
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace nibble {

/// A step of the normalizer or pre-tokenizer, as in tokenizer::Step.
struct TokenizerStep {
  tokenizer::StepKind kind;
  uint32_t argument = 0;
  std::string first = {};
  std::string second = {};
};

/// What turns one token's spelling into text; applied in order.
struct TokenDecoderStep {
  enum class Kind {
    Replace,      // every `from` becomes `to`
    Strip,        // drops up to `start` times `from` at the start and up to `stop` times at the end
    ByteFallback, // "<0x0A>" is the byte 10
    ByteLevel,    // characters of the byte-level alphabet are bytes
  };
  Kind kind;
  std::string from = {};
  std::string to = {};
  uint32_t start = 0, stop = 0;
};

struct TokenizerDecoder {
  std::vector<TokenDecoderStep> perToken;
  std::string separator;   // between tokens
  std::string stripped;    // a character dropped from the start of the text,
  uint32_t stripCount = 0; // up to so many times
  std::string
      droppedFromFirst; // a character dropped from the first token's spelling, which is then taken as it is
};

struct TokenizerSpec {
  struct Token {
    std::string spelling; // as the checkpoint has it: of a byte-level model in the byte-level alphabet
    bool inModel =
        false; // found by merging; not so for tokens that were only added, and for holes in the numbering
    bool special = false; // left out of decoded text on request
  };
  struct Merge {
    int32_t left, right;
    uint32_t rank; // lowest first
    int32_t result;
  };
  struct Added {
    std::string content;
    int32_t id;
    bool normalized = false; // is looked for, itself normalized, in normalized text
    uint32_t flags = 0;      // tokenizer::AddedFlag
  };

  std::string source;        // the file that it came from, for messages
  std::vector<Token> tokens; // by id
  std::vector<Merge> merges;
  std::vector<Added> added;
  uint32_t flags = 0; // tokenizer::Flag
  int32_t unknownSymbol = tokenizer::noToken;
  std::vector<TokenizerStep> normalizers, preTokenizers;
  TokenizerDecoder decoder;
  std::vector<int32_t> prefix, suffix; // around every text
  int32_t bos = tokenizer::noToken, eos = tokenizer::noToken, unk = tokenizer::noToken,
          pad = tokenizer::noToken;
};

/// The files of a Hugging Face tokenizer, as text.
struct HuggingFaceTokenizerFiles {
  std::string source;         // the path of tokenizer.json, for messages
  std::string_view tokenizer; // tokenizer.json
  std::string_view config;    // tokenizer_config.json; empty if there is none
  std::string_view map;       // special_tokens_map.json; empty if there is none
};
/// What this cannot reproduce exactly is an error that names the component.
Result<TokenizerSpec> importHuggingFaceTokenizer(const HuggingFaceTokenizerFiles &files);
/// The same of the files in a folder.
Result<TokenizerSpec> importHuggingFaceTokenizer(const std::string &folder);

/// The tokenizer.ggml.* keys of a GGUF file. Strings are copies: the file may be closed.
struct GGUFTokenizerMetadata {
  std::string source;              // the file, for messages
  std::string modelName;           // general.name: Phi-3's tokens need to be known by it
  std::string model;               // "llama" or "gpt2"
  std::string preTokenizer;        // tokenizer.ggml.pre; empty if absent
  std::vector<std::string> tokens; // [V]
  std::vector<float> scores;       // [V] or empty
  std::vector<int32_t>
      types; // [V] or empty: 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte
  std::vector<std::string> merges; // "left right", in order of rank
  std::optional<int32_t> bos, eos, unk, pad;
  std::optional<bool> addBos, addEos,
      addSpacePrefix; // absent: what llama.cpp does for this kind of tokenizer
};
Result<GGUFTokenizerMetadata> readGGUFTokenizerMetadata(const GGUFFile &file);
Result<TokenizerSpec> importGGUFTokenizer(const GGUFTokenizerMetadata &metadata);

/// The segment; Tokenizer::open accepts it. Deterministic: the same description gives the same bytes.
Result<std::vector<std::byte>> serializeTokenizer(const TokenizerSpec &spec);

} // namespace nibble
