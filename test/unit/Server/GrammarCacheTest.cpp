//===- GrammarCacheTest.cpp - Forms that several requests ask for at once ---------------------===//
//
// Run under ThreadSanitizer, too.
//
//===------------------------------------------------------------------------------------------===//

#include "runtime/server/Constraint.h"
#include "test/unit/Grammar/Matching.h"
#include <thread>

using namespace nibble;
using namespace nibble::server;
using nibble::test::Fit;
using nibble::test::fit;

namespace {

Constraint lengthOf(uint32_t length) {
  return {.kind = Constraint::Kind::Schema,
          .schema = {{"type", "string"}, {"minLength", length}, {"maxLength", length}},
          .field = "response_format"};
}

TEST(GrammarCacheTest, EachRequestGetsItsOwnForm) {
  GrammarCache cache;
  (void)nibble::test::byteVocabulary(); // made before the threads
  std::vector<std::thread> threads;
  for (uint32_t thread = 0; thread < 6; ++thread)
    threads.emplace_back([&cache, thread] {
      for (uint32_t i = 0; i < 150; ++i) {
        uint32_t length = (i * (thread % 2 ? 1 : 7)) % 100; // more than are kept
        auto grammar = cache.compile(lengthOf(length));
        ASSERT_TRUE(grammar) << grammar.error().message;
        if (i % 10 == 0) {
          EXPECT_EQ(fit(*grammar, "\"" + std::string(length, 'a') + "\""), Fit::Whole) << length;
          EXPECT_EQ(fit(*grammar, "\"" + std::string(length + 1, 'a')), Fit::No) << length;
        }
        Constraint wrong = {.kind = Constraint::Kind::Regex, .pattern = "(", .field = "guided_regex"};
        EXPECT_EQ(cache.compile(wrong).error().param, "guided_regex");
        Constraint object = {.kind = Constraint::Kind::AnyObject, .field = "response_format"};
        ASSERT_TRUE(cache.compile(object));
      }
    });
  for (std::thread &thread : threads)
    thread.join();
}

} // namespace
