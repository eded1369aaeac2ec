//===- EventReaderTest.cpp - Server-sent events in any pieces ---------------------------------===//

#include "runtime/load/EventReader.h"
#include <gmock/gmock.h>

using namespace nibble::load;
using testing::ElementsAre;

namespace {

std::vector<std::string> events(std::string_view text, size_t step) {
  EventReader reader;
  std::vector<std::string> heard;
  for (size_t at = 0; at < text.size(); at += step)
    EXPECT_TRUE(reader.take(text.substr(at, step), [&](std::string_view data) { heard.emplace_back(data); }));
  return heard;
}

// The cases are those of the standard's own examples (HTML, section 9.2.6), with the three kinds of line
// ends.
TEST(EventReaderTest, HearsEventsInAnyPieces) {
  for (size_t step : {1, 2, 3, 5, 1000}) {
    EXPECT_THAT(events("data: one\n\ndata:two\n\n", step), ElementsAre("one", "two"));
    EXPECT_THAT(events("data: one\r\n\r\ndata: two\r\n\r\n", step), ElementsAre("one", "two"));
    EXPECT_THAT(events("data: one\r\rdata: two\r\r", step), ElementsAre("one", "two"));
    EXPECT_THAT(events("data: YHOO\ndata: +2\ndata: 10\n\n", step), ElementsAre("YHOO\n+2\n10"));
    EXPECT_THAT(events(": comment\n\nevent: ping\nid: 1\n\ndata: x\nretry: 3\n\n", step), ElementsAre("x"));
    EXPECT_THAT(events("data\n\ndata:\ndata\n\ndata:", step), ElementsAre("", "\n"));
    EXPECT_THAT(events("data:  x\n\ndatax: y\n\ndata: unfinished\n", step), ElementsAre(" x"));
    EXPECT_THAT(events("\n\n\ndata: x\n\n\n\n", step), ElementsAre("x"));
  }
}

TEST(EventReaderTest, EventsAreBounded) {
  EventReader reader;
  std::string part = "data: " + std::string(100'000, 'x') + "\n";
  bool goes = true;
  int taken = 0;
  for (; goes && taken < 100; ++taken)
    goes = reader.take(part, [](std::string_view) {});
  EXPECT_EQ(taken, 11);
}

} // namespace
