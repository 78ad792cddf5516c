// Which failures chance explains, and which it does not.
#include "src/core/breaker/usual_rate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "src/core/base/rng.h"
#include "src/core/breaker/breaker.h"
#include "tests/support/core_fixtures.h"

namespace firebreak::core {
namespace {

// Returns the state after ten results a second, of which the share `p` failed.
UsualRate Used(double p, int results, Duration gap = Ms(100)) {
  UsualRate usual(At(Sec(0)));
  Rng rng(7);
  for (int i = 0; i < results; ++i) {
    if (rng.Uniform() < p) {
      usual.AddBad(At(gap * i));
    } else {
      usual.AddGood(1);
    }
  }
  usual.AddGood(1);
  return usual;
}

TEST(UsualRateTest, ANewMethodHasNoUsualRate) {
  const UsualRate usual(At(Sec(0)));
  EXPECT_EQ(usual.TellingRun(5, 0.5), 5);
  EXPECT_EQ(usual.TellingRun(1, 0.5), 1);
  EXPECT_FALSE(usual.Explains(1, 1, 0.5));
}

TEST(UsualRateTest, TheRunGrowsWithTheRate) {
  // ln(864,000) / ln(1 / p): 4.6, 5.9, 11.4.
  EXPECT_EQ(Used(0.00, 5'000).TellingRun(5, 0.5), 5);
  EXPECT_EQ(Used(0.05, 5'000).TellingRun(5, 0.5), 5);
  EXPECT_NEAR(Used(0.10, 5'000).TellingRun(5, 0.5), 6, 1);
  EXPECT_NEAR(Used(0.30, 5'000).TellingRun(5, 0.5), 12, 1);
  EXPECT_NEAR(Used(0.50, 5'000).TellingRun(5, 0.5), 20, 1);
}

TEST(UsualRateTest, TheRunGrowsWithTheTraffic) {
  const int64_t slow = Used(0.3, 500, Sec(10)).TellingRun(5, 0.5);
  const int64_t fast = Used(0.3, 5'000, Ms(1)).TellingRun(5, 0.5);
  EXPECT_NEAR(static_cast<double>(slow), 8, 1);   // ln(8,640)
  EXPECT_NEAR(static_cast<double>(fast), 15, 2);  // ln(86,400,000)
}

TEST(UsualRateTest, OverTheLimitOfThePolicyNothingIsUsual) {
  const UsualRate usual = Used(0.9, 5'000);
  EXPECT_EQ(usual.TellingRun(5, 0.5), 20);
  EXPECT_LE(usual.TellingRun(5, 0.2), 9);
  EXPECT_FALSE(usual.Explains(90, 100, 0.5));
  EXPECT_TRUE(usual.Explains(52, 100, 0.5));
}

TEST(UsualRateTest, TheRunItselfIsNotUsual) {
  UsualRate usual = Used(0.1, 5'000);
  const int64_t before = usual.TellingRun(5, 0.5);
  for (int i = 0; i < 100; ++i) usual.AddBad(At(Sec(500)));
  EXPECT_EQ(usual.run(), 100);
  EXPECT_EQ(usual.TellingRun(5, 0.5), before);
  // The same for a run that ended in an outage.
  usual.Resume(At(Sec(600)));
  EXPECT_EQ(usual.run(), 0);
  usual.AddBad(At(Sec(600)));
  EXPECT_EQ(usual.TellingRun(5, 0.5), before);
}

TEST(UsualRateTest, AnOutageLeavesTheTrafficAsItWas) {
  UsualRate usual = Used(0.3, 5'000);
  const int64_t before = usual.TellingRun(5, 0.5);
  usual.Resume(At(std::chrono::hours(10)));
  usual.AddBad(At(std::chrono::hours(10)));
  EXPECT_EQ(usual.TellingRun(5, 0.5), before);
}

TEST(UsualRateTest, OldResultsFade) {
  UsualRate usual = Used(0.5, 5'000);
  for (int i = 0; i < 20; ++i) {
    usual.AddGood(1'000);
    usual.AddBad(At(Sec(500 + 100 * i)));
  }
  EXPECT_LT(usual.rate(), 0.01);
}

// The whole breaker with its default options, in virtual time.
class ChanceTest : public ::testing::Test {
 protected:
  // Makes `results` calls, one every 100 ms, of which the share `p` fails, and
  // returns how often the breaker opened. Refused calls are not results.
  int64_t Run(double p, int results) {
    for (int i = 0; i < results; ++i) {
      now_ += Ms(100);
      Permit permit = breaker_.Admit(now_, kInfiniteFuture).permit;
      permit.Settle(rng_.Uniform() < p ? Verdict::kFailure : Verdict::kSuccess,
                    now_);
    }
    return breaker_.Snapshot(now_).times_opened;
  }
  // Returns how many failures in a row open it now.
  int Kill() {
    for (int n = 1; n < 100; ++n) {
      now_ += Ms(100);
      breaker_.Admit(now_, kInfiniteFuture)
          .permit.Settle(Verdict::kFailure, now_);
      if (breaker_.Snapshot(now_).state == BreakerState::kOpen) return n;
    }
    return 100;
  }

  Time now_ = At(Sec(1));
  Rng rng_{11};
  Breaker breaker_{{}, BreakerOptions{}, 1, At(Sec(1))};
};

TEST_F(ChanceTest, ADayOfFailuresByChanceOpensItOnceAtMost) {
  int64_t trips = 0;
  for (const double p : {0.05, 0.1, 0.3, 0.5}) {
    Breaker breaker({}, BreakerOptions{}, 1, now_);
    // First it learns the usual rate of the method.
    for (int i = 0; i < 100; ++i) {
      now_ += Ms(100);
      breaker.Admit(now_, kInfiniteFuture)
          .permit.Settle(i % 2 == 0 && rng_.Uniform() < 2 * p
                             ? Verdict::kFailure
                             : Verdict::kSuccess,
                         now_);
    }
    for (int i = 0; i < 864'000; ++i) {
      now_ += Ms(100);
      breaker.Admit(now_, kInfiniteFuture)
          .permit.Settle(
              rng_.Uniform() < p ? Verdict::kFailure : Verdict::kSuccess, now_);
    }
    // One false trip a day is allowed.
    EXPECT_LE(breaker.Snapshot(now_).times_opened, 2) << p;
    trips += breaker.Snapshot(now_).times_opened;
  }
  EXPECT_LE(trips, 4);
}

TEST_F(ChanceTest, ANewMethodThatIsDeadIsFoundAfterFive) {
  EXPECT_EQ(Kill(), 5);
}

TEST_F(ChanceTest, AHealthyMethodThatDiesIsFoundAfterFive) {
  EXPECT_EQ(Run(0.01, 3'000), 0);
  EXPECT_EQ(Kill(), 5);
}

TEST_F(ChanceTest, AMethodThatFailsNowAndThenIsFoundSoonAfter) {
  EXPECT_EQ(Run(0.1, 3'000), 0);
  EXPECT_LE(Kill(), 7);
}

TEST_F(ChanceTest, AMethodThatFailsOftenIsFoundWithinTwoSeconds) {
  EXPECT_EQ(Run(0.3, 3'000), 0);
  EXPECT_LE(Kill(), 13);
}

TEST_F(ChanceTest, AMethodThatGetsWorseThanItsLimitIsFound) {
  EXPECT_EQ(Run(0.1, 3'000), 0);
  EXPECT_GE(Run(0.8, 300), 1);
}

TEST_F(ChanceTest, TheReasonNamesWhatIsUsual) {
  Run(0.3, 3'000);
  Kill();
  EXPECT_THAT(breaker_.cause(), ::testing::HasSubstr("as a rule"));
}

}  // namespace
}  // namespace firebreak::core
