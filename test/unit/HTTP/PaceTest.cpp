//===- PaceTest.cpp - Whether a client takes what is written for it ---------------------------===//

#include "runtime/http/Pace.h"
#include <gtest/gtest.h>

using namespace nibble::http;
using namespace std::chrono_literals;

namespace {

/// 30 s without a byte, or less than 1000 bytes in 60 s.
class PaceTest : public testing::Test {
protected:
  static Limits limits() {
    Limits limits;
    limits.stalled = 30s;
    limits.slow = 60s;
    limits.slowBytes = 1000;
    return limits;
  }
  /// Asks every 100 ms for so long; the client takes `bytes` each `every`. Seconds until it is too slow, or
  /// -1.
  int run(std::chrono::seconds length, uint64_t bytes, std::chrono::milliseconds every) {
    auto begin = now;
    auto next = now + every;
    for (; now < begin + length; now += 100ms) {
      for (; next <= now; next += every)
        taken += bytes;
      if (!pace.keeps(now, taken))
        return static_cast<int>(std::chrono::duration_cast<std::chrono::seconds>(now - begin).count());
    }
    return -1;
  }

  Pace pace{limits()};
  Clock::time_point now{1h};
  uint64_t taken = 5'000'000; // before anything had to wait
};

TEST_F(PaceTest, AClientThatTakesNothingIsStalled) { EXPECT_EQ(run(600s, 0, 1s), 30); }
TEST_F(PaceTest, AFewBytesNowAndThenAreTooFew) { EXPECT_EQ(run(600s, 10, 20s), 60); }
TEST_F(PaceTest, LessThanTheRateIsTooSlow) { EXPECT_EQ(run(600s, 16, 1s), 60); }
TEST_F(PaceTest, TheRateWillDo) { EXPECT_EQ(run(600s, 17, 1s), -1); }
TEST_F(PaceTest, LongPausesWillDoWhereMuchIsTaken) { EXPECT_EQ(run(600s, 1000, 25s), -1); }

TEST_F(PaceTest, WhoWasFastMayNotStop) {
  EXPECT_EQ(run(90s, 1'000'000, 1s), -1);
  EXPECT_EQ(run(600s, 1, 10s), 90); // the time that has begun still counts; the next one does not
}

TEST_F(PaceTest, RestBeginsAnew) {
  EXPECT_EQ(run(29s, 0, 1s), -1);
  pace.rest();
  now += 1h; // nothing waited for the client
  EXPECT_EQ(run(29s, 0, 1s), -1);
  EXPECT_EQ(run(600s, 0, 1s), 1);
}

} // namespace
