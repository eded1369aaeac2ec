//===- Result.h - Errors are values -------------------------------------------------*- C++ -*-===//
//
// Every fallible function of the runtime returns Result<T>. An Error's message is written for the person at
// the terminal: it names the input, what was expected, what was found and what to do.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace nibble {

struct Error {
  std::string message; // one sentence or more, no trailing newline, no "error: " prefix
};

/// A value, or why there is none. `Result<void>` for functions that only succeed or fail.
template <typename T> using Result = tl::expected<T, Error>;

/// return failure("model.safetensors: the header says 12 bytes of JSON, the file has 8");
inline tl::unexpected<Error> failure(std::string message) {
  return tl::unexpected<Error>(Error{std::move(message)});
}

} // namespace nibble

/// Evaluates an expression of type Result<T>; on failure returns its error from the calling function (whose
/// own type is a Result), else declares or assigns `lhs` with the value. `NIBBLE_TRY(auto file,
/// MappedFile::open(path));`
#define NIBBLE_TRY(lhs, expr) NIBBLE_TRY_IMPL(NIBBLE_TRY_CONCAT(nibbleResult, __LINE__), lhs, expr)
#define NIBBLE_TRY_CONCAT_(a, b) a##b
#define NIBBLE_TRY_CONCAT(a, b) NIBBLE_TRY_CONCAT_(a, b)
#define NIBBLE_TRY_IMPL(tmp, lhs, expr)                                                                      \
  auto tmp = (expr);                                                                                         \
  if (!tmp)                                                                                                  \
    return ::tl::unexpected(std::move(tmp).error());                                                         \
  lhs = *std::move(tmp)
/// The same for Result<void>.
#define NIBBLE_CHECK(expr)                                                                                   \
  if (auto nibbleStatus = (expr); !nibbleStatus)                                                             \
  return ::tl::unexpected(std::move(nibbleStatus).error())
