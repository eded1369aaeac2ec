//===- HuggingFaceComponents.h - The parts of tokenizer.json ------------------------*- C++ -*-===//
//
// Normalizer, pre-tokenizer, decoder and post-processor of a tokenizer.json. Each is known by its "type"; one
// that is not known, or not exactly reproducible, is an error that names it.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/Import/Tokenizer.h"
#include <nlohmann/json.hpp>

namespace nibble::tokenizer {

using JSON = nlohmann::json;

// Each takes the component's JSON, null for none, and adds what it says to `spec`; messages begin with
// spec.source.
Result<void> importNormalizer(const JSON &json, TokenizerSpec &spec);
Result<void> importPreTokenizer(const JSON &json, TokenizerSpec &spec);
Result<void> importDecoder(const JSON &json, TokenizerSpec &spec);
Result<void> importPostProcessor(const JSON &json, TokenizerSpec &spec);

// Members of a JSON object. An absent or null member has the value `absent`; without one it is an error, and
// so is a member of another type. `where` begins the message.
Result<std::string> stringMember(const JSON &object, const char *key, const std::string &where,
                                 std::optional<std::string> absent = std::nullopt);
Result<bool> boolMember(const JSON &object, const char *key, const std::string &where,
                        std::optional<bool> absent = std::nullopt);
Result<int64_t> integerMember(const JSON &object, const char *key, const std::string &where,
                              std::optional<int64_t> absent = std::nullopt);
/// Null if absent or of another type.
const JSON *arrayMember(const JSON &object, const char *key);
const JSON *objectMember(const JSON &object, const char *key);

/// GPT-2's split, which the ByteLevel pre-tokenizer has built in.
extern const char *const gpt2Pattern;

} // namespace nibble::tokenizer
