// Tokens and turns.
#include "src/core/admission/rate_limit.h"

#include <algorithm>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/core_fixtures.h"

namespace firebreak::core {
namespace {

RateLimitOptions With(double rate, int burst) {
  RateLimitOptions options;
  options.rate = rate;
  options.burst = burst;
  return options;
}

bool TakeNow(RateLimit* limit, Duration at) {
  return limit->Take(At(at), At(at)).is_ours;
}

TEST(RateLimitTest, ABurstThenTheRate) {
  RateLimit limit(With(10, 3), At(Sec(5)));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(TakeNow(&limit, Sec(5)));
  EXPECT_FALSE(TakeNow(&limit, Sec(5)));
  EXPECT_FALSE(TakeNow(&limit, Sec(5) + Ms(99)));
  EXPECT_TRUE(TakeNow(&limit, Sec(5) + Ms(100)));
  EXPECT_FALSE(TakeNow(&limit, Sec(5) + Ms(100)));
  // Never more than the burst, however long the pause.
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(TakeNow(&limit, Sec(500)));
  EXPECT_FALSE(TakeNow(&limit, Sec(500)));
}

TEST(RateLimitTest, ABurstOfZeroIsASecondsWorth) {
  EXPECT_EQ(With(2.5, 0).tokens(), 3);
  EXPECT_EQ(With(0.01, 0).tokens(), 1);
  EXPECT_EQ(With(0.01, 7).tokens(), 7);
}

TEST(RateLimitTest, TurnsComeInTheOrderTheyAreAskedForAndNoLaterThanAllowed) {
  RateLimit limit(With(10, 1), At(Sec(0)));
  EXPECT_EQ(limit.Take(At(Sec(0)), At(Ms(200))).at, At(Sec(0)));
  EXPECT_EQ(limit.Take(At(Sec(0)), At(Ms(200))).at, At(Ms(100)));
  EXPECT_EQ(limit.Take(At(Sec(0)), At(Ms(200))).at, At(Ms(200)));
  const RateLimit::Turn late = limit.Take(At(Sec(0)), At(Ms(200)));
  EXPECT_FALSE(late.is_ours);
  EXPECT_EQ(late.at, At(Ms(300)));  // and says when it would have been
  EXPECT_DOUBLE_EQ(limit.tokens(At(Sec(0))), -2);
}

TEST(RateLimitTest, ATurnIsNeverInThePast) {
  RateLimit limit(With(10, 3), At(Sec(0)));
  const RateLimit::Turn turn = limit.Take(At(Sec(5)), At(Sec(4)));
  EXPECT_TRUE(turn.is_ours) << "to wait for nothing is always allowed";
  EXPECT_EQ(turn.at, At(Sec(5)));
}

TEST(RateLimitTest, NewNumbersForgetNoRejection) {
  RateLimit limit(With(10, 3), At(Sec(0)));
  limit.CountRejection();
  EXPECT_EQ(RateLimit(With(20, 3), limit, At(Sec(0))).rejected(), 1);
}

TEST(RateLimitTest, ARateBeyondTheClockTakesANanosecond) {
  RateLimit limit(With(1e12, 1), At(Sec(0)));
  EXPECT_TRUE(TakeNow(&limit, Sec(0)));
  EXPECT_FALSE(TakeNow(&limit, Sec(0)));
  EXPECT_DOUBLE_EQ(limit.tokens(At(Sec(0))), 0);
}

TEST(RateLimitTest, ATokenGivenBackCanBeTakenAgain) {
  RateLimit limit(With(1, 2), At(Sec(0)));
  EXPECT_TRUE(TakeNow(&limit, Sec(0)));
  const RateLimit::Turn turn = limit.Take(At(Sec(0)), At(Sec(0)));
  EXPECT_TRUE(turn.is_ours);
  limit.GiveBack(turn, At(Sec(0)));
  EXPECT_TRUE(TakeNow(&limit, Sec(0)));
  EXPECT_FALSE(TakeNow(&limit, Sec(0)));
  // A token that is returned to a full bucket does not make it larger.
  limit.GiveBack(turn, At(Sec(60)));
  EXPECT_DOUBLE_EQ(limit.tokens(At(Sec(60))), 2);
  EXPECT_TRUE(TakeNow(&limit, Sec(60)));
  EXPECT_TRUE(TakeNow(&limit, Sec(60)));
  EXPECT_FALSE(TakeNow(&limit, Sec(60)));
}

TEST(RateLimitTest, ATokenThatIsKeptForLongMakesNoBurstLonger) {
  RateLimit limit(With(1, 10), At(Sec(0)));
  const RateLimit::Turn kept = limit.Take(At(Sec(0)), At(Sec(0)));
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(TakeNow(&limit, Sec(100)));
  limit.GiveBack(kept, At(Sec(100)));
  EXPECT_FALSE(TakeNow(&limit, Sec(100)));
}

TEST(RateLimitTest, WhatTheBucketHasRefilledMeanwhileIsNotGivenTwice) {
  RateLimit limit(With(1, 1), At(Sec(0)));
  const RateLimit::Turn turn = limit.Take(At(Sec(0)), At(Sec(0)));
  limit.GiveBack(turn, At(Ms(250)));
  EXPECT_DOUBLE_EQ(limit.tokens(At(Ms(250))), 1);
  // If time runs backwards, no more is returned than was taken.
  const RateLimit::Turn other = limit.Take(At(Sec(9)), At(Sec(9)));
  limit.GiveBack(other, At(Sec(1)));
  EXPECT_DOUBLE_EQ(limit.tokens(At(Sec(9))), 1);
  EXPECT_TRUE(TakeNow(&limit, Sec(9)));
  EXPECT_FALSE(TakeNow(&limit, Sec(9)));
}

TEST(RateLimitTest, NoStretchOfTimeHoldsMoreThanBurstAndRate) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    Dice dice(seed);
    const int burst = dice.Int(1, 20);
    const int rate = dice.Int(1, 50);
    RateLimit limit(With(rate, burst), At(Sec(0)));
    std::vector<RateLimit::Turn> kept;
    std::vector<Time> used;
    Time now = At(Sec(0));
    for (int i = 0; i < 300; ++i) {
      now += Ms(dice.Int(0, 40));
      if (!kept.empty() && dice.Chance(0.2)) {
        limit.GiveBack(kept.back(), now);
        kept.pop_back();
      }
      const RateLimit::Turn turn = limit.Take(now, now);
      if (!turn.is_ours) continue;
      if (dice.Chance(0.3)) {
        kept.push_back(turn);
      } else {
        used.push_back(turn.at);
      }
    }
    for (size_t i = 0; i < used.size(); ++i) {
      for (size_t j = i; j < used.size(); ++j) {
        ASSERT_LE(static_cast<double>(j - i + 1),
                  burst + rate * ToSeconds(used[j] - used[i]) + 1e-3)
            << "seed " << seed;
      }
    }
  }
}

TEST(RateLimitTest, TheEndsOfTheRangeHold) {
  for (const double rate : {0.001, 1e6}) {
    for (const int burst : {1, 1'000'000}) {
      RateLimit limit(With(rate, burst), At(Sec(1)));
      EXPECT_TRUE(TakeNow(&limit, Sec(1)));
      EXPECT_DOUBLE_EQ(limit.tokens(At(Sec(1))), burst - 1);
      EXPECT_TRUE(limit.Take(At(Sec(1)), kInfiniteFuture).is_ours);
      EXPECT_TRUE(limit.Take(Time::max(), Time::max()).is_ours);
    }
  }
}

TEST(RateLimitTest, ARateThatDividesNoNanosecondKeepsItsPace) {
  RateLimit limit(With(3, 1), At(Sec(0)));
  int taken = 0;
  for (int ms = 0; ms < 100'000; ++ms) taken += TakeNow(&limit, Ms(ms));
  EXPECT_NEAR(taken, 300, 1);
}

TEST(RateLimitTest, TimeThatRunsBackGivesNothingTwice) {
  RateLimit limit(With(1, 1), At(Sec(10)));
  EXPECT_TRUE(TakeNow(&limit, Sec(10)));
  EXPECT_FALSE(TakeNow(&limit, Sec(5)));
  EXPECT_FALSE(TakeNow(&limit, Sec(10)));
  EXPECT_TRUE(TakeNow(&limit, Sec(11)));
}

TEST(RateLimitTest, AfterAJumpFarAheadItGoesOnFromThere) {
  RateLimit limit(With(10, 2), At(Sec(0)));
  Time now;
  for (int i = 0; i < 10; ++i) {
    now += std::chrono::hours(24 * 365 * 10);
    EXPECT_TRUE(limit.Take(now, now).is_ours);
    EXPECT_TRUE(limit.Take(now, now).is_ours);
    EXPECT_FALSE(limit.Take(now, now).is_ours);
    EXPECT_TRUE(limit.Take(now + Ms(100), now + Ms(100)).is_ours);
  }
}

TEST(RateLimitTest, NeverMoreThanBurstAndRateTogether) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    Dice dice(seed);
    const int burst = dice.Int(1, 20);
    const int rate = dice.Int(1, 50);
    RateLimit limit(With(rate, burst), At(Sec(0)));
    std::vector<Time> turns;
    Time now = At(Sec(0));
    for (int i = 0; i < 300; ++i) {
      now += Ms(dice.Int(0, 40));
      const RateLimit::Turn turn =
          limit.Take(now, now + 500 * Ms(dice.Int(0, 1)));
      if (!turn.is_ours) continue;
      if (dice.Chance(0.2)) {
        limit.GiveBack(turn, now);
      } else {
        turns.push_back(turn.at);
      }
    }
    std::sort(turns.begin(), turns.end());
    for (size_t i = 0; i < turns.size(); ++i) {
      EXPECT_LE(static_cast<double>(i + 1),
                burst + rate * ToSeconds(turns[i] - At(Sec(0))) + 1e-3)
          << "seed " << seed;
    }
  }
}

}  // namespace
}  // namespace firebreak::core
