//===- Regex.cpp - PCRE2 with limits ----------------------------------------------------------===//

#define PCRE2_CODE_UNIT_WIDTH 8
#include "Regex.h"
#include "UTF8.h"
#include <new>
#include <pcre2.h>

using namespace nibble;
using namespace nibble::tokenizer;

// A pattern of the field takes a few steps a byte; one that goes through every way to cut a run of letters
// into words is stopped within about a tenth of a second.
static constexpr size_t stepsAtLeast = 10'000'000;
static constexpr size_t stepsPerByte = 2; // up to 1 GiB of text: fits 32 bits
static constexpr uint32_t heapKiB = 64 * 1024;
static constexpr size_t jitStackBytes = 1 << 20;

void RegexDeleter::operator()(pcre2_real_code_8 *code) const { pcre2_code_free(code); }
void RegexDeleter::operator()(pcre2_real_match_data_8 *data) const { pcre2_match_data_free(data); }
void RegexDeleter::operator()(pcre2_real_match_context_8 *context) const {
  pcre2_match_context_free(context);
}
void RegexDeleter::operator()(pcre2_real_jit_stack_8 *stack) const { pcre2_jit_stack_free(stack); }

RegexScratch::RegexScratch()
    : context(pcre2_match_context_create(nullptr)),
      stack(pcre2_jit_stack_create(32 * 1024, jitStackBytes, nullptr)),
      match(pcre2_match_data_create(1, nullptr)) {
  if (!context || !match)
    throw std::bad_alloc();
  pcre2_set_heap_limit(context.get(), heapKiB);
  if (stack)
    pcre2_jit_stack_assign(context.get(), nullptr, stack.get());
}

static std::string errorText(int code) {
  PCRE2_UCHAR buffer[160];
  pcre2_get_error_message(code, buffer, sizeof(buffer));
  return reinterpret_cast<const char *>(buffer);
}

Result<Regex> Regex::compile(std::string_view pattern) {
  int code;
  PCRE2_SIZE offset;
  Regex regex;
  std::unique_ptr<pcre2_compile_context, decltype(&pcre2_compile_context_free)> context(
      pcre2_compile_context_create(nullptr), &pcre2_compile_context_free);
  if (!context)
    throw std::bad_alloc();
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  regex.code.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                                 PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &code,
                                 &offset, context.get()));
  if (!regex.code)
    return failure("the regular expression \"" + std::string(pattern) + "\" is wrong at byte " +
                   std::to_string(offset) + ": " + errorText(code));
  // Where machine code may not be made, matching falls back to interpretation by itself.
  pcre2_jit_compile(regex.code.get(), PCRE2_JIT_COMPLETE);
  return regex;
}

Result<std::vector<Range>> Regex::findAll(std::string_view text, RegexScratch &scratch) const {
  std::vector<Range> matches;
  size_t from = 0;
  pcre2_set_match_limit(scratch.context.get(), uint32_t(stepsAtLeast + stepsPerByte * text.size()));
  while (from <= text.size()) {
    auto search = [&](uint32_t options) {
      return pcre2_match(code.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), from, options,
                         scratch.match.get(), scratch.context.get());
    };
    int found = search(PCRE2_NO_UTF_CHECK);
    if (found == PCRE2_ERROR_JIT_STACKLIMIT)
      found = search(PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT);
    if (found == PCRE2_ERROR_NOMATCH)
      break;
    const PCRE2_SIZE *bounds = pcre2_get_ovector_pointer(scratch.match.get());
    if (found < 0)
      return failure("a regular expression of the tokenizer gave up on the text after byte " +
                     std::to_string(from) + ": " + errorText(found));
    Range range{bounds[0], bounds[1]};
    if (range.begin < from || range.end < range.begin)
      return failure("a regular expression of the tokenizer matched backwards (\\K in it?)");
    bool repeated = range.begin == range.end && !matches.empty() && matches.back().end == range.end;
    if (repeated) { // the same place again: go on behind the next character
      from += from < text.size() ? characterLength(text[from]) : 1;
      continue;
    }
    matches.push_back(range);
    from = range.end;
  }
  return matches;
}
