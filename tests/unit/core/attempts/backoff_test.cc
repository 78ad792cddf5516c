// The wait before a retry: exponential, capped, jittered.
#include "src/core/attempts/backoff.h"

#include <algorithm>

#include "gtest/gtest.h"
#include "tests/support/core_fixtures.h"

namespace firebreak::core {
namespace {

using Jitter = BackoffOptions::Jitter;

BackoffOptions With(Jitter jitter) {
  BackoffOptions options;  // 100 ms, x 2, at most 1 s
  options.jitter = jitter;
  return options;
}

TEST(BackoffTest, WithoutJitterItDoublesUpToTheCap) {
  Rng rng(1);
  const int64_t kWant[] = {100, 200, 400, 800, 1000, 1000};
  int retry = 0;
  for (int64_t want : kWant) {
    EXPECT_EQ(BackoffDelay(With(Jitter::kNone), ++retry, &rng), Ms(want))
        << "retry " << retry;
  }
}

TEST(BackoffTest, MultiplierOneStaysWhereItIs) {
  Rng rng(1);
  BackoffOptions options = With(Jitter::kNone);
  options.multiplier = 1;
  EXPECT_EQ(BackoffDelay(options, 1, &rng), Ms(100));
  EXPECT_EQ(BackoffDelay(options, 9, &rng), Ms(100));
}

TEST(BackoffTest, MultiplierBelowOneShrinks) {
  Rng rng(1);
  BackoffOptions options = With(Jitter::kNone);
  options.multiplier = 0.5;
  EXPECT_EQ(BackoffDelay(options, 1, &rng), Ms(100));
  EXPECT_EQ(BackoffDelay(options, 2, &rng), Ms(50));
  EXPECT_EQ(BackoffDelay(options, 3, &rng), Ms(25));
  EXPECT_EQ(BackoffDelay(options, 1'000'000, &rng), Ms(0));
}

TEST(BackoffTest, AnyRetryNumberStaysWithinTheCap) {
  Rng rng(1);
  BackoffOptions options = With(Jitter::kNone);
  options.multiplier = 10;
  for (int retry : {50, 1000, 1'000'000}) {
    EXPECT_EQ(BackoffDelay(options, retry, &rng), Sec(1)) << retry;
  }
  // An invalid number counts as the nearest valid one.
  EXPECT_EQ(BackoffDelay(options, 0, &rng), Ms(100));
  EXPECT_EQ(BackoffDelay(options, -5, &rng), Ms(100));
}

TEST(BackoffTest, InitialOfZeroIsNoWait) {
  Rng rng(1);
  BackoffOptions options = With(Jitter::kFull);
  options.initial = options.max = Duration::zero();
  EXPECT_EQ(BackoffDelay(options, 3, &rng), Duration::zero());
}

TEST(BackoffTest, JitterFillsItsRangeAndNeverLeavesIt) {
  const struct {
    Jitter jitter;
    int64_t low_ms;
    int64_t high_ms;
  } kCases[] = {
      {Jitter::kFull, 0, 400},
      {Jitter::kEqual, 200, 400},
      {Jitter::kPlusMinus, 320, 480},
  };
  for (const auto& c : kCases) {
    Rng rng(7);
    Duration least = Duration::max();
    Duration most = Duration::zero();
    Duration sum = Duration::zero();
    constexpr int kDraws = 10'000;
    for (int i = 0; i < kDraws; ++i) {
      const Duration d = BackoffDelay(With(c.jitter), /*retry=*/3, &rng);
      least = std::min(least, d);
      most = std::max(most, d);
      sum += d;
    }
    const Duration low = Ms(c.low_ms);
    const Duration high = Ms(c.high_ms);
    const Duration edge = (high - low) / 100;
    EXPECT_GE(least, low);
    EXPECT_LT(least, low + edge);
    EXPECT_LT(most, high);
    EXPECT_GT(most, high - edge);
    const Duration middle = (low + high) / 2;
    EXPECT_NEAR(ToSeconds(sum / kDraws), ToSeconds(middle), ToSeconds(edge));
  }
}

TEST(BackoffTest, IsStretchedPastItsOwnCapAndUpToAnother) {
  Rng rng(1);
  const BackoffOptions options = With(Jitter::kNone);
  EXPECT_EQ(BackoffDelay(options, 1, &rng, 2.0, Sec(30)), Ms(200));
  EXPECT_EQ(BackoffDelay(options, 2, &rng, 0.25, Sec(30)), Ms(50));
  EXPECT_EQ(BackoffDelay(options, 9, &rng, 15.0, Sec(30)), Sec(15));
  EXPECT_EQ(BackoffDelay(options, 9, &rng, 15.0, Sec(2)), Sec(2));
  EXPECT_EQ(BackoffDelay(options, 9, &rng, 0.0, Sec(2)), Sec(0));
}

TEST(BackoffTest, TheJitterIsThatOfTheStretchedWait) {
  Rng stretched(7);
  Rng plain(7);
  const BackoffOptions options = With(Jitter::kFull);
  for (int i = 0; i < 100; ++i) {
    const Duration wait = BackoffDelay(options, 3, &plain);  // of 400 ms
    EXPECT_NEAR(ToSeconds(BackoffDelay(options, 3, &stretched, 5, Sec(30))),
                5 * ToSeconds(wait), 1e-6);
  }
}

TEST(BackoffTest, SameSeedSameWaits) {
  Rng a(42);
  Rng b(42);
  Rng c(43);
  bool differs = false;
  for (int retry = 1; retry < 10; ++retry) {
    const Duration d = BackoffDelay(With(Jitter::kFull), retry, &a);
    EXPECT_EQ(d, BackoffDelay(With(Jitter::kFull), retry, &b));
    differs |= d != BackoffDelay(With(Jitter::kFull), retry, &c);
  }
  EXPECT_TRUE(differs);
}

}  // namespace
}  // namespace firebreak::core
