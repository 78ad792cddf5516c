// The chance that a retry succeeds, in virtual time: what is learned and
// forgotten, and when there is a trial.
#include "src/core/attempts/retry_estimator.h"

#include <cmath>
#include <limits>

#include "gtest/gtest.h"
#include "tests/support/core_fixtures.h"

namespace firebreak::core {
namespace {

using Code = absl::StatusCode;
constexpr Code kCode = Code::kUnavailable;

class RetryEstimatorTest : public ::testing::Test {
 protected:
  void Record(int n, bool success, Time now = At(Sec(0)), Code code = kCode) {
    for (int i = 0; i < n; ++i) estimator_.Record(code, success, now);
  }
  double Chance(Time now = At(Sec(0)), Code code = kCode) {
    return estimator_.Chance(code, now);
  }

  RetryEstimator estimator_{AdaptiveRetryOptions{}};  // 0.1, 30 s
};

TEST_F(RetryEstimatorTest, NothingKnownIsOneHalf) {
  EXPECT_EQ(Chance(), 0.5);
  EXPECT_TRUE(estimator_.Estimates(At(Sec(0))).empty());
}

TEST_F(RetryEstimatorTest, FollowsLaplacesRule) {
  Record(1, true);
  EXPECT_DOUBLE_EQ(Chance(), 2.0 / 3);
  Record(4, false);
  EXPECT_DOUBLE_EQ(Chance(), 2.0 / 7);
}

TEST_F(RetryEstimatorTest, ReachesTheStepsOfTheWaitAsTheHeaderSays) {
  Record(3, false);
  EXPECT_GE(Chance(), 0.2);
  Record(1, false);
  EXPECT_LT(Chance(), 0.2);
  Record(4, false);
  EXPECT_GE(Chance(), 0.1) << "eight failures";
  Record(1, false);
  EXPECT_LT(Chance(), 0.1) << "nine failures";
}

TEST_F(RetryEstimatorTest, AResultCountsHalfAfterAHalfLife) {
  Record(8, false);
  EXPECT_DOUBLE_EQ(Chance(At(Sec(30))), 1.0 / (4 + 2));
  EXPECT_DOUBLE_EQ(Chance(At(Sec(60))), 1.0 / (2 + 2));
  Record(2, true, At(Sec(60)));
  EXPECT_DOUBLE_EQ(Chance(At(Sec(60))), 3.0 / (2 + 2 + 2));
  EXPECT_DOUBLE_EQ(Chance(At(Sec(90))), 2.0 / (1 + 1 + 2));
}

TEST_F(RetryEstimatorTest, AskingOftenAgesNoFaster) {
  Record(8, false);
  for (int ms = 0; ms <= 30'000; ++ms) Chance(At(Ms(ms)));
  EXPECT_NEAR(Chance(At(Sec(30))), 1.0 / 6, 1e-9);
}

TEST_F(RetryEstimatorTest, ALongSilenceForgetsAll) {
  Record(40, false);
  EXPECT_NEAR(Chance(At(std::chrono::hours(1))), 0.5, 1e-9);
  EXPECT_EQ(Chance(kInfiniteFuture), 0.5);
}

TEST_F(RetryEstimatorTest, TimeThatStandsStillOrRunsBackAgesNothing) {
  Record(8, false, At(Sec(100)));
  EXPECT_DOUBLE_EQ(Chance(At(Sec(40))), 0.1);
  EXPECT_DOUBLE_EQ(Chance(Time::min()), 0.1);
  // When time runs back and then forward again, nothing ages twice.
  Record(8, false, At(Sec(40)));
  EXPECT_DOUBLE_EQ(Chance(At(Sec(100))), 1.0 / 18);
  EXPECT_DOUBLE_EQ(Chance(At(Sec(130))), 1.0 / 10);
}

TEST_F(RetryEstimatorTest, WorksAtTheEndsOfTime) {
  Record(1, false, Time::min());
  EXPECT_DOUBLE_EQ(Chance(Time::min()), 1.0 / 3);
  Record(1, false, kInfiniteFuture);
  EXPECT_DOUBLE_EQ(Chance(kInfiniteFuture), 1.0 / 3);
  EXPECT_TRUE(estimator_.TakeTrial(kCode, kInfiniteFuture));
}

TEST_F(RetryEstimatorTest, FourSuccessesUndoAnyStorm) {
  Record(100'000, false);
  EXPECT_NEAR(Chance(), 1.0 / 42, 1e-9);
  Record(3, true);
  EXPECT_LT(Chance(), 0.1);
  Record(1, true);
  EXPECT_GT(Chance(), 0.1);
}

TEST_F(RetryEstimatorTest, EveryCodeIsOnItsOwn) {
  Record(9, false, At(Sec(0)), Code::kAborted);
  Record(1, true, At(Sec(0)), Code::kUnavailable);
  EXPECT_DOUBLE_EQ(Chance(At(Sec(0)), Code::kAborted), 1.0 / 11);
  EXPECT_DOUBLE_EQ(Chance(At(Sec(0)), Code::kUnavailable), 2.0 / 3);
  EXPECT_DOUBLE_EQ(Chance(At(Sec(0)), Code::kInternal), 0.5);
  const auto all = estimator_.Estimates(At(Sec(30)));
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].code, Code::kAborted);
  EXPECT_DOUBLE_EQ(all[0].results, 4.5);
  EXPECT_DOUBLE_EQ(all[0].chance, 1 / 6.5);
  EXPECT_EQ(all[1].code, Code::kUnavailable);
}

TEST_F(RetryEstimatorTest, ANumberThatNoCodeHasIsUnknown) {
  Record(1, true, At(Sec(0)), static_cast<Code>(42));
  Record(1, true, At(Sec(0)), static_cast<Code>(-1));
  EXPECT_DOUBLE_EQ(Chance(At(Sec(0)), Code::kUnknown), 3.0 / 4);
}

TEST_F(RetryEstimatorTest, OneTrialForEachCodeAndSecond) {
  EXPECT_TRUE(estimator_.TakeTrial(kCode, At(Sec(5))));
  EXPECT_FALSE(estimator_.TakeTrial(kCode, At(Sec(5))));
  EXPECT_FALSE(estimator_.TakeTrial(kCode, At(Ms(5'999))));
  EXPECT_TRUE(estimator_.TakeTrial(Code::kAborted, At(Sec(5))));
  EXPECT_TRUE(estimator_.TakeTrial(kCode, At(Sec(6))));
  EXPECT_FALSE(estimator_.TakeTrial(kCode, At(Sec(2)))) << "time runs back";
}

TEST_F(RetryEstimatorTest, TrialsAloneFindOutThatRetriesHelpAgain) {
  Record(1'000, false);
  int seconds = 1;
  while (Chance(At(Sec(seconds))) < estimator_.floor() && seconds < 100) {
    ASSERT_TRUE(estimator_.TakeTrial(kCode, At(Sec(seconds))));
    Record(1, true, At(Sec(seconds)));
    ++seconds;
  }
  EXPECT_LE(seconds, 5);
}

TEST(RetryEstimatorOptionsTest, NoOptionsMakeItLeaveItsRange) {
  for (const Duration half_life : {Duration(0), Duration(-1), Duration::min(),
                                   kInfiniteDuration, Duration(1)}) {
    AdaptiveRetryOptions options;
    options.half_life = half_life;
    options.floor = std::numeric_limits<double>::quiet_NaN();
    RetryEstimator estimator(options);
    for (int i = 0; i < 100; ++i) {
      estimator.Record(kCode, i % 3 == 0, At(Sec(i)));
      const double chance = estimator.Chance(kCode, At(Sec(i)));
      EXPECT_GT(chance, 0);
      EXPECT_LT(chance, 1);
    }
  }
}

}  // namespace
}  // namespace firebreak::core
