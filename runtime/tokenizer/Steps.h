//===- Steps.h - Normalizers and pre-tokenizers, ready to run -----------------------*- C++ -*-===//
//
// A step of the segment with its strings resolved and its regular expression compiled. The compiler of
// tokenizers prepares its steps by the same function, so that what it writes is known to open.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "Regex.h"
#include "nibble/runtime/TokenizerFormat.h"
#include <deque>
#include <span>

namespace nibble::tokenizer {

struct PreparedStep {
  StepKind kind;
  uint32_t argument;
  std::string_view first, second; // views into the segment or the compiler's description
  Regex regex;                    // of ReplaceRegex and SplitRegex
};

/// Checks a step and compiles what there is to compile.
Result<PreparedStep> prepareStep(StepKind kind, uint32_t argument, std::string_view first,
                                 std::string_view second);
bool isNormalizer(StepKind kind);

/// Runs the normalizers over a piece of valid UTF-8; an empty one stays empty.
Result<std::string> normalize(std::span<const PreparedStep> steps, std::string_view text,
                              RegexScratch &scratch);

/// What byte-pair encoding sees as one word.
struct Piece {
  std::string_view text;
  bool atStart; // of the whole text
};

/// Cuts `piece` into words. Where a step changes text, the new text lies in `texts`.
Result<std::vector<Piece>> preTokenize(std::span<const PreparedStep> steps, Piece piece,
                                       std::deque<std::string> &texts, RegexScratch &scratch);

} // namespace nibble::tokenizer
