//===- GGUFTokenizer.cpp - A GGUF file's tokenizer becomes a TokenizerSpec --------------------===//
//
// "gpt2" is byte-level BPE with ranked merges. "llama" is SentencePiece's BPE, which merges the neighbours
// whose union has the best score: each way to cut a token in two tokens is then a merge, ranked by that
// score.
//
//===------------------------------------------------------------------------------------------===//

#include "GGUFPreTokenizers.h"
#include "RegexTranslation.h"
#include "nibble/Import/Tokenizer.h"
#include "runtime/tokenizer/UTF8.h"
#include <algorithm>
#include <cmath>
#include <unordered_map>

using namespace nibble;
using namespace nibble::tokenizer;

// scoredMerges takes time with the square of a token's length; vocabularies of the field stay below a
// hundredth.
static constexpr uint64_t largestSumOfSquares = uint64_t(1) << 32;

/// The file's token types.
enum TokenType : int32_t {
  Unset = 0,
  Normal = 1,
  Unknown = 2,
  Control = 3,
  UserDefined = 4,
  Unused = 5,
  Byte = 6
};

static constexpr const char *escapedSpace = "\xe2\x96\x81"; // U+2581

namespace {

struct GGUFImporter {
  const GGUFTokenizerMetadata &metadata;
  TokenizerSpec &spec;
  std::unordered_map<std::string_view, int32_t> ids = {}; // of the tokens that merging can give

  Result<void> check() const;
  void tokens();
  void addedTokens();
  Result<void> rankedMerges();
  void scoredMerges();
  void specialIds();
  Result<void> byteLevel();
  Result<void> sentencePiece();

  tl::unexpected<Error> refuse(const std::string &what) const {
    return failure(metadata.source + ": " + what);
  }
  int32_t typeOf(size_t id) const { return metadata.types.empty() ? Normal : metadata.types[id]; }
  int32_t find(std::string_view spelling) const {
    auto found = ids.find(spelling);
    return found == ids.end() ? noToken : found->second;
  }
};

} // namespace

Result<void> GGUFImporter::check() const {
  size_t size = metadata.tokens.size();
  if (size == 0 || size > largestVocabulary)
    return refuse("tokenizer.ggml.tokens has " + std::to_string(size) + " tokens; expected 1 to " +
                  std::to_string(largestVocabulary));
  if (!metadata.types.empty() && metadata.types.size() != size)
    return refuse("tokenizer.ggml.token_type has " + std::to_string(metadata.types.size()) + " entries for " +
                  std::to_string(size) + " tokens");
  if (!metadata.scores.empty() && metadata.scores.size() != size)
    return refuse("tokenizer.ggml.scores has " + std::to_string(metadata.scores.size()) + " entries for " +
                  std::to_string(size) + " tokens");
  uint64_t squares = 0;
  for (const std::string &token : metadata.tokens)
    squares += std::min<uint64_t>(token.size(), 1 << 20) * std::min<uint64_t>(token.size(), 1 << 20);
  if (squares > largestSumOfSquares)
    return refuse("tokenizer.ggml.tokens has tokens of absurd length");
  for (auto [key, id] : {std::pair("bos", metadata.bos), std::pair("eos", metadata.eos),
                         std::pair("unknown", metadata.unk), std::pair("padding", metadata.pad)})
    if (id && (*id < 0 || size_t(*id) >= size))
      return refuse(std::string("tokenizer.ggml.") + key + "_token_id is " + std::to_string(*id) +
                    "; the vocabulary has " + std::to_string(size) + " tokens");
  return {};
}

void GGUFImporter::tokens() {
  for (size_t id = 0; id < metadata.tokens.size(); ++id) {
    int32_t type = typeOf(id);
    bool isText = type != Control && type != Unknown && type != UserDefined;
    spec.tokens.push_back({metadata.tokens[id], isText, type == Control || type == Unknown});
    if (isText)
      ids.emplace(metadata.tokens[id], static_cast<int32_t>(id));
  }
}

/// Phi-3's tokenizer.json lets its tokens take the space behind them; GGUF has no key for it.
static bool takesSpaceBehind(const GGUFTokenizerMetadata &metadata, const std::string &token) {
  std::string name = metadata.modelName;
  std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
  if (name.find("phi3") == name.npos && name.find("phi-3") == name.npos)
    return false;
  return token != "<unk>" && token != "<s>" && token != "<|endoftext|>";
}

void GGUFImporter::addedTokens() {
  for (size_t id = 0; id < metadata.tokens.size(); ++id) {
    int32_t type = typeOf(id);
    const std::string &text = metadata.tokens[id];
    if (type != Control && type != Unknown && type != UserDefined)
      continue;
    if (text.empty() || !isValidUTF8(text)) // no text has it
      continue;
    uint32_t flags = type == UserDefined ? 0 : AddedSpecial;
    if (takesSpaceBehind(metadata, text))
      flags |= RightStrip;
    spec.added.push_back({text, static_cast<int32_t>(id), /*normalized=*/false, flags});
  }
}

Result<void> GGUFImporter::rankedMerges() {
  uint32_t rank = 0;
  for (const std::string &text : metadata.merges) {
    size_t space = text.find(' ', 1); // the left token may itself begin with a space
    if (space == text.npos)
      return refuse("tokenizer.ggml.merges: entry " + std::to_string(rank) + " is not \"left right\"");
    std::string left = text.substr(0, space), right = text.substr(space + 1);
    int32_t leftId = find(left), rightId = find(right), result = find(left + right);
    if (leftId == noToken || rightId == noToken || result == noToken)
      return refuse("tokenizer.ggml.merges: entry " + std::to_string(rank) + ", \"" + text +
                    "\", joins or gives what is no token of the vocabulary");
    spec.merges.push_back({leftId, rightId, rank++, result});
  }
  return {};
}

void GGUFImporter::scoredMerges() {
  // Equal scores are equal ranks, and then the leftmost pair merges first, as in SentencePiece.
  std::vector<float> scores;
  for (float score : metadata.scores)
    if (!std::isnan(score))
      scores.push_back(score);
  std::ranges::sort(scores, std::greater());
  scores.erase(std::unique(scores.begin(), scores.end()), scores.end());
  for (size_t id = 0; id < metadata.tokens.size(); ++id) {
    std::string_view text = metadata.tokens[id];
    int32_t type = typeOf(id);
    float score = metadata.scores.empty() ? 0.0f : metadata.scores[id];
    if (!spec.tokens[id].inModel || type == Byte || std::isnan(score))
      continue;
    auto position = std::ranges::lower_bound(scores, score, std::greater()) - scores.begin();
    for (size_t cut = 1; cut < text.size(); ++cut) {
      int32_t left = find(text.substr(0, cut)), right = find(text.substr(cut));
      if (left != noToken && right != noToken)
        spec.merges.push_back({left, right, static_cast<uint32_t>(position), static_cast<int32_t>(id)});
    }
  }
}

void GGUFImporter::specialIds() {
  spec.bos = metadata.bos.value_or(noToken);
  spec.eos = metadata.eos.value_or(noToken);
  spec.unk = metadata.unk.value_or(noToken);
  spec.pad = metadata.pad.value_or(noToken);
}

Result<void> GGUFImporter::byteLevel() {
  auto found = findGGUFPreTokenizer(metadata.preTokenizer);
  if (!found)
    return refuse(found.error().message);
  if (metadata.merges.empty() && metadata.tokens.size() > 256)
    return refuse("a tokenizer of the model \"gpt2\" needs tokenizer.ggml.merges");
  spec.flags |= ByteLevel | (found->ignoreMerges ? IgnoreMerges : 0);
  if (found->composes)
    spec.normalizers.push_back({StepKind::NFC});
  for (const char *pattern : found->patterns) {
    NIBBLE_TRY(auto regex, translateRegex(pattern));
    spec.preTokenizers.push_back(
        {StepKind::SplitRegex, static_cast<uint32_t>(SplitBehaviour::Isolated), std::move(regex)});
  }
  NIBBLE_CHECK(rankedMerges());
  spec.decoder.perToken.push_back({TokenDecoderStep::Kind::ByteLevel});
  if (metadata.addBos.value_or(found->addsBos) && spec.bos != noToken)
    spec.prefix.push_back(spec.bos);
  if (metadata.addEos.value_or(false) && spec.eos != noToken)
    spec.suffix.push_back(spec.eos);
  return {};
}

Result<void> GGUFImporter::sentencePiece() {
  if (metadata.scores.empty() && metadata.merges.empty())
    return refuse("a tokenizer of the model \"llama\" needs tokenizer.ggml.scores");
  spec.flags |= ByteFallback | FuseUnknown;
  spec.unknownSymbol = spec.unk;
  bool spacePrefix = metadata.addSpacePrefix.value_or(true);
  if (spacePrefix)
    spec.normalizers.push_back({StepKind::Prepend, 0, escapedSpace});
  spec.normalizers.push_back({StepKind::ReplaceString, 0, " ", escapedSpace});
  if (metadata.merges.empty())
    scoredMerges();
  NIBBLE_CHECK(rankedMerges());
  spec.decoder.perToken.push_back({TokenDecoderStep::Kind::Replace, escapedSpace, " "});
  spec.decoder.perToken.push_back({TokenDecoderStep::Kind::ByteFallback});
  if (spacePrefix) {
    spec.decoder.stripped = " ";
    spec.decoder.stripCount = 1;
  }
  if (metadata.addBos.value_or(true) && spec.bos != noToken)
    spec.prefix.push_back(spec.bos);
  if (metadata.addEos.value_or(false) && spec.eos != noToken)
    spec.suffix.push_back(spec.eos);
  return {};
}

Result<TokenizerSpec> nibble::importGGUFTokenizer(const GGUFTokenizerMetadata &metadata) {
  TokenizerSpec spec;
  spec.source = metadata.source;
  GGUFImporter importer{metadata, spec};
  NIBBLE_CHECK(importer.check());
  importer.tokens();
  importer.addedTokens();
  importer.specialIds();
  if (metadata.model == "gpt2") {
    NIBBLE_CHECK(importer.byteLevel());
    return spec;
  }
  if (metadata.model == "llama") {
    NIBBLE_CHECK(importer.sentencePiece());
    return spec;
  }
  return importer.refuse("tokenizer.ggml.model is \"" + metadata.model +
                         "\"; \"llama\" (SentencePiece BPE) and \"gpt2\" (byte-level BPE) are supported");
}
