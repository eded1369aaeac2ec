//===- RegexTranslation.h - Oniguruma's dialect to PCRE2's --------------------------*- C++ -*-===//
//
// tokenizer.json holds patterns for Oniguruma, which the runtime does not carry. The dialects agree on nearly
// all that tokenizers use; where they differ the pattern is rewritten, or refused if it cannot be.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/Result.h"
#include <string>
#include <string_view>

namespace nibble::tokenizer {

/// The pattern for tokenizer::Regex::compile. Errors quote the pattern.
Result<std::string> translateRegex(std::string_view oniguruma);

} // namespace nibble::tokenizer
