//===- HuggingFaceTokenizer.cpp - tokenizer.json becomes a TokenizerSpec ----------------------===//
//
// Vocabulary, merges, added tokens and the ids of special tokens; the other parts are in
// HuggingFaceComponents.
//
//===------------------------------------------------------------------------------------------===//

#include "HuggingFaceComponents.h"
#include "nibble/runtime/Json.h"
#include "nibble/runtime/MappedFile.h"
#include <algorithm>
#include <filesystem>
#include <map>

using namespace nibble;
using namespace nibble::tokenizer;

static constexpr const char *tokenizerName = "tokenizer.json", *configName = "tokenizer_config.json",
                            *mapName = "special_tokens_map.json";
static constexpr int64_t mostHoles = 1 << 16; // in the numbering, beyond as many as there are tokens
static constexpr JsonLimits limits{.bytes = 1u << 27, .depth = 64}; // the largest of the field have 35 MB

/// `text` as an object; an empty one for an empty text.
static Result<JSON> parseObject(std::string_view text, const std::string &path) {
  if (text.empty())
    return JSON::object();
  NIBBLE_TRY(JSON json, parseJson(text, path, limits));
  if (!json.is_object())
    return failure(path + ": is not a JSON object; fetch the file again");
  return json;
}

namespace {

struct Importer {
  const JSON &json; // tokenizer.json
  TokenizerSpec &spec;
  std::map<std::string, int32_t, std::less<>> ids = {}; // of the model's tokens
  int64_t idLimit = largestVocabulary;                  // numbers that no token has cost memory too

  Result<void> model();
  Result<void> vocabulary(const JSON &vocab);
  Result<void> merges(const JSON &list);
  Result<void> merge(const std::string &left, const std::string &right, uint32_t rank);
  Result<void> addedTokens();
  Result<void> addedToken(const JSON &token);
  void specialIds(const JSON &config, const JSON &map);

  tl::unexpected<Error> refuse(const std::string &what) const { return failure(spec.source + ": " + what); }
  int32_t find(std::string_view spelling) const;
  TokenizerSpec::Token &tokenAt(int32_t id) {
    if (size_t(id) >= spec.tokens.size())
      spec.tokens.resize(size_t(id) + 1);
    return spec.tokens[size_t(id)];
  }
};

} // namespace

Result<void> Importer::vocabulary(const JSON &vocab) {
  for (const auto &[spelling, id] : vocab.items()) {
    if (!id.is_number_integer() || id < 0 || id >= idLimit)
      return refuse("the vocabulary's \"" + spelling + "\" has no id from 0 to " +
                    std::to_string(idLimit - 1));
    auto &token = tokenAt(id.get<int32_t>());
    if (token.inModel)
      return refuse("the tokens \"" + token.spelling + "\" and \"" + spelling + "\" have the same id");
    token = {spelling, /*inModel=*/true, /*special=*/false};
    ids.emplace(spelling, id.get<int32_t>());
  }
  return {};
}

Result<void> Importer::merge(const std::string &left, const std::string &right, uint32_t rank) {
  auto leftId = ids.find(left), rightId = ids.find(right), result = ids.find(left + right);
  for (auto [found, spelling] :
       {std::pair(leftId, left), std::pair(rightId, right), std::pair(result, left + right)})
    if (found == ids.end())
      return refuse("merge " + std::to_string(rank) + ", \"" + left + "\" and \"" + right +
                    "\", needs the token \"" + spelling + "\", which the vocabulary lacks");
  spec.merges.push_back({leftId->second, rightId->second, rank, result->second});
  return {};
}

Result<void> Importer::merges(const JSON &list) {
  uint32_t rank = 0;
  for (const JSON &entry : list) {
    if (entry.is_array() && entry.size() == 2 && entry[0].is_string() && entry[1].is_string()) {
      NIBBLE_CHECK(merge(entry[0].get<std::string>(), entry[1].get<std::string>(), rank++));
      continue;
    }
    std::string text = entry.is_string() ? entry.get<std::string>() : "";
    size_t space = text.find(' ');
    if (space == text.npos || text.find(' ', space + 1) != text.npos)
      return refuse("merge " + std::to_string(rank) + " is neither \"left right\" nor a pair of strings");
    NIBBLE_CHECK(merge(text.substr(0, space), text.substr(space + 1), rank++));
  }
  return {};
}

Result<void> Importer::model() {
  std::string where = spec.source + ": model";
  const JSON *model = objectMember(json, "model");
  const JSON *vocab = model ? objectMember(*model, "vocab") : nullptr;
  const JSON *mergeList = model ? arrayMember(*model, "merges") : nullptr;
  if (!model)
    return refuse("has no \"model\"");
  NIBBLE_TRY(auto type, stringMember(*model, "type", where, "BPE"));
  if (type != "BPE")
    return refuse("the model " + type + " is not supported; nibble knows BPE");
  if (!vocab || !mergeList)
    return refuse("the model has no \"vocab\" or no \"merges\"");
  for (const char *key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    NIBBLE_TRY(auto text, stringMember(*model, key, where, ""));
    if (!text.empty())
      return refuse(std::string("the model's ") + key + " \"" + text + "\" is not supported");
  }
  if (model->contains("dropout") && (*model)["dropout"].is_number() && (*model)["dropout"] != 0)
    return refuse("the model's dropout is not 0: it would tokenize at random");

  const JSON *added = arrayMember(json, "added_tokens");
  size_t count = vocab->size() + (added ? added->size() : 0);
  idLimit = std::min<int64_t>(largestVocabulary, static_cast<int64_t>(2 * count) + mostHoles);
  NIBBLE_CHECK(vocabulary(*vocab));
  NIBBLE_CHECK(merges(*mergeList));
  for (auto [key, flag] : {std::pair("fuse_unk", FuseUnknown), std::pair("byte_fallback", ByteFallback),
                           std::pair("ignore_merges", IgnoreMerges)}) {
    NIBBLE_TRY(bool set, boolMember(*model, key, where, false));
    spec.flags |= set ? flag : 0;
  }
  NIBBLE_TRY(auto unknown, stringMember(*model, "unk_token", where, ""));
  if (!unknown.empty()) {
    auto found = ids.find(unknown);
    if (found == ids.end())
      return refuse("the model's unk_token \"" + unknown + "\" is not in its vocabulary");
    spec.unknownSymbol = spec.unk = found->second;
  }
  return {};
}

Result<void> Importer::addedToken(const JSON &token) {
  std::string where = spec.source + ": added_tokens";
  NIBBLE_TRY(auto content, stringMember(token, "content", where));
  NIBBLE_TRY(auto id, integerMember(token, "id", where));
  if (content.empty())
    return {};
  auto inModel = ids.find(content); // the model's id goes before the one given here, as in `tokenizers`
  if (inModel != ids.end())
    id = inModel->second;
  if (id < 0 || id >= idLimit)
    return refuse("added token \"" + content + "\" has the id " + std::to_string(id) + "; expected 0 to " +
                  std::to_string(idLimit - 1));
  TokenizerSpec::Added added{content, static_cast<int32_t>(id)};
  NIBBLE_TRY(bool special, boolMember(token, "special", where, false));
  NIBBLE_TRY(added.normalized, boolMember(token, "normalized", where, !special));
  added.flags = special ? AddedSpecial : 0;
  for (auto [key, flag] : {std::pair("lstrip", LeftStrip), std::pair("rstrip", RightStrip),
                           std::pair("single_word", SingleWord)}) {
    NIBBLE_TRY(bool set, boolMember(token, key, where, false));
    added.flags |= set ? flag : 0;
  }
  auto &entry = tokenAt(added.id);
  if (!entry.spelling.empty() && entry.spelling != content)
    return refuse("added token \"" + content + "\" has the id of \"" + entry.spelling + "\"");
  entry.spelling = content;
  entry.special |= special;
  spec.added.push_back(std::move(added));
  return {};
}

Result<void> Importer::addedTokens() {
  if (const JSON *list = arrayMember(json, "added_tokens"))
    for (const JSON &token : *list)
      NIBBLE_CHECK(addedToken(token));
  return {};
}

int32_t Importer::find(std::string_view spelling) const {
  for (const auto &added : spec.added)
    if (added.content == spelling)
      return added.id;
  auto found = ids.find(spelling);
  return found == ids.end() ? noToken : found->second;
}

/// The ids of "bos_token" and so on, which the files give as a string or as an object with "content".
void Importer::specialIds(const JSON &config, const JSON &map) {
  for (auto [key, id] : {std::pair("bos_token", &spec.bos), std::pair("eos_token", &spec.eos),
                         std::pair("unk_token", &spec.unk), std::pair("pad_token", &spec.pad)}) {
    for (const JSON *file : {&config, &map}) {
      auto entry = file->find(key);
      if (entry == file->end())
        continue;
      const JSON &value = entry->is_object() && entry->contains("content") ? (*entry)["content"] : *entry;
      if (!value.is_string())
        continue;
      if (int32_t found = find(value.get<std::string>()); found != noToken) {
        *id = found;
        break;
      }
    }
  }
  if (spec.bos == noToken && spec.prefix.size() == 1)
    spec.bos = spec.prefix.front();
}

Result<TokenizerSpec> nibble::importHuggingFaceTokenizer(const HuggingFaceTokenizerFiles &files) {
  std::filesystem::path folder = std::filesystem::path(files.source).parent_path();
  TokenizerSpec spec;
  spec.source = files.source;
  NIBBLE_TRY(JSON json, parseObject(files.tokenizer, files.source));
  NIBBLE_TRY(JSON config, parseObject(files.config, folder / configName));
  NIBBLE_TRY(JSON map, parseObject(files.map, folder / mapName));

  Importer importer{json, spec};
  NIBBLE_CHECK(importer.model());
  NIBBLE_CHECK(importer.addedTokens());
  auto part = [&](const char *key) { return json.contains(key) ? json[key] : JSON(); };
  NIBBLE_CHECK(importNormalizer(part("normalizer"), spec));
  NIBBLE_CHECK(importPreTokenizer(part("pre_tokenizer"), spec));
  NIBBLE_CHECK(importDecoder(part("decoder"), spec));
  NIBBLE_CHECK(importPostProcessor(part("post_processor"), spec));
  importer.specialIds(config, map);
  return spec;
}

/// None if there is no such file.
static Result<std::optional<MappedFile>> openOptional(const std::string &path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error))
    return std::nullopt;
  return MappedFile::open(path);
}

Result<TokenizerSpec> nibble::importHuggingFaceTokenizer(const std::string &folder) {
  std::filesystem::path base(folder);
  std::error_code error;
  if (!std::filesystem::exists(base / tokenizerName, error) &&
      std::filesystem::exists(base / "tokenizer.model", error))
    return failure(folder +
                   ": has tokenizer.model and no tokenizer.json; make one by loading the tokenizer with "
                   "transformers' AutoTokenizer and calling its save_pretrained");
  NIBBLE_TRY(auto tokenizer, MappedFile::open(base / tokenizerName));
  NIBBLE_TRY(auto config, openOptional(base / configName));
  NIBBLE_TRY(auto map, openOptional(base / mapName));
  return importHuggingFaceTokenizer({.source = tokenizer.path(),
                                     .tokenizer = tokenizer.text(),
                                     .config = config ? config->text() : "",
                                     .map = map ? map->text() : ""});
}
