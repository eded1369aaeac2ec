//===- Tokenizers.cpp - Vocabularies to lay grammars over -------------------------------------===//

#include "Tokenizers.h"
#include "nibble/runtime/MappedFile.h"
#include <filesystem>
#include <sstream>

using namespace nibble;
using namespace nibble::test;
using nlohmann::json;

/// GPT-2's alphabet, in which byte-level models spell bytes: printable characters stand for themselves, the
/// others for characters from U+0100 on.
static std::string spell(const std::string &bytes) {
  static const std::vector<std::string> alphabet = [] {
    std::vector<std::string> result;
    int next = 256;
    for (int byte = 0; byte < 256; ++byte) {
      bool plain = (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
      int c = plain ? byte : next++;
      result.push_back(c < 128 ? std::string(1, char(c))
                               : std::string{char(0xc0 | c >> 6), char(0x80 | (c & 63))});
    }
    return result;
  }();
  std::string text;
  for (unsigned char byte : bytes)
    text += alphabet[byte];
  return text;
}

static Result<Loaded> load(const TokenizerSpec &spec) {
  NIBBLE_TRY(auto segment, serializeTokenizer(spec));
  NIBBLE_TRY(auto tokenizer, Tokenizer::open(segment));
  Loaded loaded{std::move(segment), std::move(tokenizer), {}};
  if (auto eos = loaded.tokenizer.eos())
    loaded.ends.push_back(*eos);
  for (int32_t t = 0; loaded.ends.empty() && t < loaded.tokenizer.vocabularySize(); ++t)
    if (loaded.tokenizer.isSpecial(t))
      loaded.ends.push_back(t);
  return loaded;
}

Result<Loaded> nibble::test::toyTokenizer(const std::vector<std::string> &pieces,
                                          const std::vector<std::string> &special) {
  json vocabulary = json::object(), added = json::array();
  for (size_t i = 0; i < pieces.size(); ++i)
    vocabulary[spell(pieces[i])] = i;
  added.push_back({{"id", pieces.size()}, {"content", "<end>"}, {"special", true}});
  for (const std::string &text : special)
    added.push_back({{"id", pieces.size() + added.size()}, {"content", text}, {"special", true}});
  json file = {{"added_tokens", added},
               {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}}},
               {"decoder", {{"type", "ByteLevel"}}},
               {"model", {{"type", "BPE"}, {"vocab", vocabulary}, {"merges", json::array()}}}};
  std::string text = file.dump();
  NIBBLE_TRY(auto spec,
             importHuggingFaceTokenizer(
                 {.source = "toy", .tokenizer = text, .config = R"({"eos_token": "<end>"})", .map = {}}));
  return load(spec);
}

static std::string fromBase64(const std::string &text) {
  static const std::string digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  uint32_t value = 0;
  int bits = 0;
  for (char c : text) {
    if (c == '=')
      break;
    value = value << 6 | static_cast<uint32_t>(digits.find(c));
    if ((bits += 6) >= 8)
      bytes += static_cast<char>(value >> (bits -= 8) & 255);
  }
  return bytes;
}

Result<Loaded> nibble::test::loadTokenizer(const std::string &source) {
  if (std::filesystem::is_directory(source)) {
    NIBBLE_TRY(auto spec, importHuggingFaceTokenizer(source));
    return load(spec);
  }
  std::vector<std::string> pieces;
  if (source == "bytes") {
    for (int byte = 0; byte < 256; ++byte)
      pieces.emplace_back(1, static_cast<char>(byte));
    return toyTokenizer(pieces);
  }
  if (source.ends_with(".tiktoken")) {
    NIBBLE_TRY(auto file, MappedFile::open(source));
    std::istringstream lines{std::string(file.text())};
    for (std::string piece, rank; lines >> piece >> rank;)
      pieces.push_back(fromBase64(piece));
    return toyTokenizer(pieces);
  }
  NIBBLE_TRY(auto file, GGUFFile::open(source));
  NIBBLE_TRY(auto metadata, readGGUFTokenizerMetadata(file));
  NIBBLE_TRY(auto spec, importGGUFTokenizer(metadata));
  return load(spec);
}
