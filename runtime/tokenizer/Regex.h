//===- Regex.h - PCRE2 with limits --------------------------------------------------*- C++ -*-===//
//
// Regular expressions come out of checkpoints and artifacts and run on anybody's text: matching is bounded in
// steps and memory, and running out is an error, not a hang.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/Result.h"
#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

struct pcre2_real_code_8;
struct pcre2_real_match_data_8;
struct pcre2_real_match_context_8;
struct pcre2_real_jit_stack_8;

namespace nibble::tokenizer {

struct RegexDeleter {
  void operator()(pcre2_real_code_8 *code) const;
  void operator()(pcre2_real_match_data_8 *data) const;
  void operator()(pcre2_real_match_context_8 *context) const;
  void operator()(pcre2_real_jit_stack_8 *stack) const;
};

/// The working memory of matching; one for each thread that matches.
class RegexScratch {
public:
  RegexScratch();

private:
  friend class Regex;
  std::unique_ptr<pcre2_real_match_context_8, RegexDeleter> context;
  std::unique_ptr<pcre2_real_jit_stack_8, RegexDeleter> stack;
  std::unique_ptr<pcre2_real_match_data_8, RegexDeleter> match;
};

/// A run of bytes of a text.
struct Range {
  size_t begin, end;
};

class Regex {
public:
  Regex() = default;
  /// UTF-8, Unicode properties, `^` and `$` at every line. The error quotes the pattern.
  static Result<Regex> compile(std::string_view pattern);

  /// All matches in valid UTF-8 `text`, in order, none inside another. An empty match counts unless it
  /// directly follows the match before it.
  Result<std::vector<Range>> findAll(std::string_view text, RegexScratch &scratch) const;

private:
  std::unique_ptr<pcre2_real_code_8, RegexDeleter> code;
};

} // namespace nibble::tokenizer
