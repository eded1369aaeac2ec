//===- HuggingFaceComponents.cpp - Decoder and post-processor of tokenizer.json ---------------===//

#include "HuggingFaceComponents.h"

using namespace nibble;
using namespace nibble::tokenizer;
using Kind = TokenDecoderStep::Kind;

static constexpr int deepest = 8; // nested Sequences

/// `fused`: the steps so far have joined all tokens into one text, to which later steps apply.
static Result<void> decoder(const JSON &json, TokenizerSpec &spec, bool &fused, int depth);

static Result<void> decoderSequence(const JSON &json, TokenizerSpec &spec, bool &fused, int depth) {
  const JSON *members = arrayMember(json, "decoders");
  if (!members || depth >= deepest)
    return failure(spec.source + ": decoder: a Sequence has no array \"decoders\", or is nested too deep");
  for (const JSON &member : *members)
    NIBBLE_CHECK(decoder(member, spec, fused, depth + 1));
  return {};
}

static Result<void> stripDecoder(const JSON &json, TokenizerSpec &spec, bool fused) {
  std::string where = spec.source + ": decoder: Strip";
  NIBBLE_TRY(auto content, stringMember(json, "content", where));
  NIBBLE_TRY(auto start, integerMember(json, "start", where));
  NIBBLE_TRY(auto stop, integerMember(json, "stop", where));
  if (start < 0 || stop < 0 || start > 1000 || stop > 1000 || content.empty())
    return failure(where + " has an empty content, or counts that are not from 0 to 1000");
  if (!fused) {
    spec.decoder.perToken.push_back(
        {Kind::Strip, content, "", static_cast<uint32_t>(start), static_cast<uint32_t>(stop)});
    return {};
  }
  if (stop != 0 || spec.decoder.stripCount != 0)
    return failure(where + " at the end of the text, or twice, is not supported");
  spec.decoder.stripped = content;
  spec.decoder.stripCount = static_cast<uint32_t>(start);
  return {};
}

static Result<void> metaspaceDecoder(const JSON &json, TokenizerSpec &spec) {
  std::string where = spec.source + ": decoder: Metaspace";
  NIBBLE_TRY(auto replacement, stringMember(json, "replacement", where));
  NIBBLE_TRY(auto scheme, stringMember(json, "prepend_scheme", where, "always"));
  NIBBLE_TRY(bool prefixSpace, boolMember(json, "add_prefix_space", where, true));
  if (replacement.empty())
    return failure(where + " has an empty replacement");
  bool dropsFirst = scheme != "never" && prefixSpace;
  for (const TokenDecoderStep &step : spec.decoder.perToken)
    if (dropsFirst && step.kind != Kind::ByteFallback)
      return failure(where + " behind other decoders than ByteFallback is not supported");
  if (dropsFirst)
    spec.decoder.droppedFromFirst = replacement;
  spec.decoder.perToken.push_back({Kind::Replace, replacement, " "});
  return {};
}

static Result<void> decoder(const JSON &json, TokenizerSpec &spec, bool &fused, int depth) {
  std::string where = spec.source + ": decoder";
  NIBBLE_TRY(auto type, stringMember(json, "type", where));
  if (type == "Sequence")
    return decoderSequence(json, spec, fused, depth);
  if (type == "Strip")
    return stripDecoder(json, spec, fused);
  if (fused && type != "Fuse")
    return failure(where + ": " + type + " behind Fuse is not supported");
  if (type == "Fuse") {
    fused = true;
    return {};
  }
  if (!spec.decoder.droppedFromFirst.empty())
    return failure(where + ": " + type + " behind Metaspace is not supported");
  if (type == "Metaspace")
    return metaspaceDecoder(json, spec);
  if (type == "ByteFallback") {
    spec.decoder.perToken.push_back({Kind::ByteFallback});
    return {};
  }
  if (type == "ByteLevel") {
    spec.decoder.perToken.push_back({Kind::ByteLevel});
    fused = true;
    return {};
  }
  if (type == "Replace") {
    const JSON *pattern = objectMember(json, "pattern");
    if (!pattern || !pattern->contains("String"))
      return failure(where + ": Replace is supported with a \"pattern\" of \"String\" only");
    NIBBLE_TRY(auto from, stringMember(*pattern, "String", where + ": Replace"));
    NIBBLE_TRY(auto to, stringMember(json, "content", where + ": Replace"));
    if (!from.empty())
      spec.decoder.perToken.push_back({Kind::Replace, from, to});
    return {};
  }
  return failure(where + ": " + type + " is not supported");
}

Result<void> tokenizer::importDecoder(const JSON &json, TokenizerSpec &spec) {
  if (json.is_null()) {
    spec.decoder.separator = " "; // without a decoder `tokenizers` puts spaces between tokens
    return {};
  }
  bool fused = false;
  return decoder(json, spec, fused, 0);
}

/// Appends the ids of a special token of a template, by its name there.
static Result<void> templateToken(const JSON &processor, const JSON &piece, std::vector<int32_t> &ids,
                                  const std::string &where) {
  NIBBLE_TRY(auto name, stringMember(piece, "id", where));
  const JSON *specials = objectMember(processor, "special_tokens");
  const JSON *special = specials ? objectMember(*specials, name.c_str()) : nullptr;
  const JSON *tokenIds = special ? arrayMember(*special, "ids") : nullptr;
  if (!tokenIds)
    return failure(where + ": its special_tokens has no ids for \"" + name + "\"");
  for (const JSON &id : *tokenIds) {
    if (!id.is_number_integer() || id < 0 || id >= largestVocabulary)
      return failure(where + ": the ids of \"" + name + "\" are no token ids");
    ids.push_back(id.get<int32_t>());
  }
  return {};
}

static Result<void> templateProcessor(const JSON &json, TokenizerSpec &spec) {
  std::string where = spec.source + ": post_processor: TemplateProcessing";
  const JSON *single = arrayMember(json, "single");
  if (!single)
    return failure(where + " has no array \"single\"");
  bool behindText = false;
  for (const JSON &piece : *single) {
    if (objectMember(piece, "Sequence")) {
      if (behindText)
        return failure(where + " has the text twice");
      behindText = true;
    } else if (const JSON *special = objectMember(piece, "SpecialToken")) {
      NIBBLE_CHECK(templateToken(json, *special, behindText ? spec.suffix : spec.prefix, where));
    } else {
      return failure(where + ": a piece is neither \"Sequence\" nor \"SpecialToken\"");
    }
  }
  if (!behindText)
    return failure(where + " leaves out the text");
  return {};
}

/// {"cls": ["<s>", 0], "sep": ["</s>", 2]}: one token before the text, one behind it.
static Result<void> clsSepProcessor(const JSON &json, TokenizerSpec &spec) {
  for (auto [key, ids] : {std::pair("cls", &spec.prefix), std::pair("sep", &spec.suffix)}) {
    const JSON *token = arrayMember(json, key);
    if (!token || token->size() != 2 || !(*token)[1].is_number_integer() || (*token)[1] < 0 ||
        (*token)[1] >= largestVocabulary)
      return failure(spec.source + ": post_processor: \"" + key + "\" is not a token and its id");
    ids->push_back((*token)[1].get<int32_t>());
  }
  return {};
}

static Result<void> postProcessor(const JSON &json, TokenizerSpec &spec, int depth) {
  NIBBLE_TRY(auto type, stringMember(json, "type", spec.source + ": post_processor"));
  if (type == "ByteLevel") // moves offsets only
    return {};
  if (type == "Sequence") {
    const JSON *members = arrayMember(json, "processors");
    if (!members || depth >= deepest)
      return failure(spec.source +
                     ": post_processor: a Sequence has no array \"processors\", or is nested too deep");
    for (const JSON &member : *members)
      NIBBLE_CHECK(postProcessor(member, spec, depth + 1));
    return {};
  }
  if (!spec.prefix.empty() || !spec.suffix.empty())
    return failure(spec.source + ": post_processor: two that add tokens are not supported");
  if (type == "TemplateProcessing")
    return templateProcessor(json, spec);
  if (type == "RobertaProcessing" || type == "BertProcessing")
    return clsSepProcessor(json, spec);
  return failure(spec.source + ": post_processor: " + type + " is not supported");
}

Result<void> tokenizer::importPostProcessor(const JSON &json, TokenizerSpec &spec) {
  return json.is_null() ? Result<void>{} : postProcessor(json, spec, 0);
}
