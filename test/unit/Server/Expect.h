//===- Expect.h - What the server's tests share -------------------------------------*- C++ -*-===//
#pragma once

#include "runtime/server/Fields.h"
#include "test/unit/Tokenizer/Fixtures.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace nibble::server::test {

/// The demo model's tokenizer: byte-level, so that a character may take several tokens. "The" is 334, " c"
/// 287, "at" 341; the two bytes of "é" are 130 and 105; <|im_start|> is 1, <|im_end|> 2 (by `tokenizers`).
inline const Tokenizer &demoTokenizer() {
  static auto compiled = nibble::test::compileFolder(NIBBLE_TEST_DATA "/demo");
  EXPECT_TRUE(compiled) << compiled.error().message;
  return compiled->tokenizer;
}

inline Json json(std::string_view text) { return Json::parse(text); }

/// The data of the events in a stream; whatever is not "data: ...", and a line break that is missing, fails.
inline std::vector<std::string> events(std::string_view stream) {
  std::vector<std::string> found;
  while (!stream.empty()) {
    size_t end = stream.find("\n\n");
    EXPECT_TRUE(stream.starts_with("data: ") && end != std::string_view::npos) << stream;
    if (end == std::string_view::npos)
      break;
    found.emplace_back(stream.substr(6, end - 6));
    stream.remove_prefix(end + 2);
  }
  return found;
}

/// The first event's JSON.
inline Json event(std::string_view stream) {
  auto found = events(stream);
  EXPECT_EQ(found.size(), 1u) << stream;
  return found.empty() ? Json() : Json::parse(found.front(), nullptr, false);
}

} // namespace nibble::server::test
