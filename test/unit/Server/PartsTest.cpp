//===- PartsTest.cpp - Queues, keys and logs of the server ------------------------------------===//

#include "runtime/server/AccessLog.h"
#include "runtime/server/ApiKeys.h"
#include "runtime/server/LogWriter.h"
#include "runtime/server/Mailbox.h"
#include "runtime/server/WorkQueue.h"
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <future>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

using namespace nibble::server;
using testing::ElementsAre;
using testing::HasSubstr;

namespace {

TEST(ApiKeysTest, FindsTheKeyThatIsOffered) {
  ApiKeys keys;
  EXPECT_TRUE(keys.empty());
  keys.add("alpha");
  keys.add("beta");
  EXPECT_EQ(keys.find("Bearer alpha"), 0u);
  EXPECT_EQ(keys.find("bearer   beta"), 1u);
  for (const char *wrong :
       {"", "Bearer", "Bearer ", "Bearer alph", "Bearer alphaa", "Bearer gamma", "Basic alpha", "alpha"})
    EXPECT_EQ(keys.find(wrong), std::nullopt) << wrong;
}

TEST(WorkQueueTest, BoundsWhatWaits) {
  WorkQueue queue(1, 2, 100);
  std::promise<void> gate, started;
  auto opened = gate.get_future().share();
  std::atomic<int> done = 0;
  EXPECT_TRUE(queue.push(1, [&] {
    started.set_value();
    opened.wait();
    ++done;
  }));
  started.get_future().wait();
  EXPECT_FALSE(queue.push(1000, [&] { ++done; })); // more bytes than may wait behind another
  EXPECT_TRUE(queue.push(10, [&] { ++done; }));
  EXPECT_TRUE(queue.push(10, [&] { ++done; }));
  EXPECT_FALSE(queue.push(10, [&] { ++done; })); // more tasks
  gate.set_value();
  while (done < 3)
    std::this_thread::yield();
  queue.stop();
  EXPECT_FALSE(queue.push(1, [] {}));
}

TEST(WorkQueueTest, ALoneTaskMayBeAsLargeAsItLikes) {
  WorkQueue queue(1, 2, 100);
  std::promise<void> ran;
  EXPECT_TRUE(queue.push(1000, [&] { ran.set_value(); }));
  ran.get_future().wait();
}

TEST(MailboxTest, WakesOnceForManyLetters) {
  std::vector<std::function<void()>> posted;
  std::vector<int> opened;
  Mailbox<int> box([&](std::function<void()> task) { posted.push_back(std::move(task)); },
                   [&](int &letter) { opened.push_back(letter); });
  box.put(1);
  box.put(2);
  ASSERT_EQ(posted.size(), 1u);
  posted[0]();
  EXPECT_THAT(opened, ElementsAre(1, 2));
  box.put(3);
  ASSERT_EQ(posted.size(), 2u);
  posted[1]();
  EXPECT_THAT(opened, ElementsAre(1, 2, 3));
}

TEST(AccessLogTest, ALineStaysALine) {
  AccessLine line = {.peer = "127.0.0.1:5",
                     .method = "GET",
                     .path = "/a\n\"b",
                     .id = "req-1",
                     .status = 404,
                     .seconds = 0.5,
                     .usage = {.promptTokens = 3, .completionTokens = 2, .cachedTokens = 1}};
  EXPECT_THAT(accessLine(line),
              testing::MatchesRegex(
                  "[0-9-]+T[0-9:.]+Z 127\\.0\\.0\\.1:5 \"GET /a\\\\n\\\\\"b\" 404 0\\.500s prompt=3 cached=1 "
                  "completion=2 id=req-1"));
}

TEST(LogWriterTest, AppendsLines) {
  std::string path = testing::TempDir() + "nibble-log-" + std::to_string(::getpid());
  std::filesystem::remove(path);
  for (const char *line : {"one", "two"}) {
    auto log = LogWriter::open(path);
    ASSERT_TRUE(log) << log.error().message;
    (*log)->write(line);
  }
  std::ifstream file(path);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), "one\ntwo\n");
  std::filesystem::remove(path);
  EXPECT_THAT(LogWriter::open("/no/such/folder/log").error().message, HasSubstr("No such file"));
}

TEST(LogWriterTest, AFullDiskLosesLinesAndNothingElse) {
  auto log = LogWriter::open("/dev/full");
  ASSERT_TRUE(log) << log.error().message;
  std::atomic<int> heard = 0;
  (*log)->onDrop = [&] { ++heard; };
  for (int i = 0; i < 100; ++i)
    (*log)->write("line");
  while (heard < 100) // each line is counted before it is told
    std::this_thread::yield();
  EXPECT_EQ((*log)->dropped(), 100u);
}

TEST(LogWriterTest, AReaderThatStopsReadingDoesNotStopTheWriter) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  {
    LogWriter log(ends[1], true, "pipe");
    std::string line(200'000, 'x'); // more than a pipe holds
    log.write(line);
    log.write(line); // returns at once
  } // and so does the end, after its patience
  ::close(ends[0]);
}

} // namespace
