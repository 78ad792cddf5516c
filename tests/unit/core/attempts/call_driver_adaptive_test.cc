// Retries that learn, on a timeline: each call learns from the calls before it.
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/core/attempts/call_driver.h"
#include "tests/support/core_fixtures.h"

namespace firebreak::core {
namespace {

using Code = absl::StatusCode;
using ::testing::ElementsAre;

class AdaptiveTest : public ::testing::Test {
 protected:
  AdaptiveTest() {
    options_ = Retrying(2);
    options_.retry->adaptive.emplace();
    options_.retry->codes = {Code::kUnavailable, Code::kResourceExhausted,
                             Code::kDeadlineExceeded};
    setup_.estimator = &estimator_;
  }

  // Runs a call that starts at `start`, on its own clock.
  std::vector<std::string> Call(Duration start, Code first, Code second) {
    CallRig rig(options_, setup_);
    rig.MoveTo(start);
    rig.Answer(0, Ms(5), first);
    rig.Answer(1, Ms(5), second);
    rig.Run();
    return rig.lines();
  }
  double Chance(Code code, Duration at) {
    return estimator_.Chance(code, At(at));
  }
  void Fail(int n) {
    for (int i = 0; i < n; ++i) {
      estimator_.Record(Code::kUnavailable, false, At(Sec(0)));
    }
  }

  MethodOptions options_;
  RetryEstimator estimator_{AdaptiveRetryOptions{}};
  CallRig::Setup setup_;
};

TEST_F(AdaptiveTest, ASuccessMakesTheNextWaitShorter) {
  EXPECT_THAT(Call(Sec(0), Code::kUnavailable, Code::kOk),
              ElementsAre("0s launch 0", "105ms launch 1 retry",
                          "110ms finish attempt 1 OK"));
  EXPECT_THAT(Call(Sec(1), Code::kUnavailable, Code::kOk),
              ElementsAre("1s launch 0", "1.055s launch 1 retry",
                          "1.06s finish attempt 1 OK"));
}

TEST_F(AdaptiveTest, WhatIsLearntAfterOneCodeIsNotForAnother) {
  Call(Sec(0), Code::kResourceExhausted, Code::kOk);
  EXPECT_GT(Chance(Code::kResourceExhausted, Ms(600)), 0.6);
  EXPECT_EQ(Chance(Code::kUnavailable, Ms(600)), 0.5);
}

TEST_F(AdaptiveTest, AServerThatIsDownStopsItsRetriesButForOneASecond) {
  options_.retry->backoff.initial = Duration::zero();
  int retries = 0;
  int stopped = 0;
  for (int call = 0; call < 1'000; ++call) {  // 100 a second, for 10 s
    const auto lines =
        Call(Ms(10) * call, Code::kUnavailable, Code::kUnavailable);
    if (lines.back().find("retries_not_worth_it") != std::string::npos) {
      ++stopped;
    } else {
      ++retries;
    }
  }
  // Nine retries until it has learned, and then one trial a second.
  EXPECT_EQ(retries, 9 + 10);
  EXPECT_EQ(stopped, 1'000 - retries);
  // The server has recovered: after a few trials all failures are retried
  // again.
  int seconds = 11;
  while (Call(Sec(seconds), Code::kUnavailable, Code::kOk).size() == 3 &&
         Chance(Code::kUnavailable, Sec(seconds)) < 0.1) {
    ++seconds;
  }
  EXPECT_LE(seconds, 11 + 4);
  EXPECT_EQ(Call(Sec(seconds), Code::kUnavailable, Code::kOk).size(), 3U);
}

TEST_F(AdaptiveTest, TheCallEndsWithTheServersStatusAndTheReason) {
  Fail(9);
  estimator_.TakeTrial(Code::kUnavailable, At(Sec(0)));
  CallRig rig(options_, setup_);
  rig.Answer(0, Ms(5), Code::kUnavailable);
  const double tokens = rig.tokens();
  rig.Run();
  EXPECT_THAT(rig.lines(), ElementsAre("0s launch 0",
                                       "5ms finish attempt 0 UNAVAILABLE "
                                       "retries_not_worth_it"));
  EXPECT_EQ(rig.counts().stops[static_cast<size_t>(Reason::kRetriesNotWorthIt)],
            1);
  EXPECT_GE(rig.tokens(), tokens) << "costs no token";
  const CallDriver::Attempt& facts = rig.driver().attempt(0);
  EXPECT_EQ(facts.stopped, Reason::kRetriesNotWorthIt);
  ASSERT_TRUE(facts.pace.has_value());
  EXPECT_TRUE(facts.pace->is_adaptive);
  EXPECT_NEAR(facts.pace->chance, 1.0 / 11, 0.001);
}

TEST_F(AdaptiveTest, ATrialIsNotUsedUpByACallThatCouldNotRetryAnyway) {
  Fail(9);
  setup_.deadline = Ms(50);
  EXPECT_THAT(Call(Sec(0), Code::kUnavailable, Code::kOk),
              ElementsAre("0s launch 0",
                          "5ms finish attempt 0 UNAVAILABLE "
                          "deadline_too_close"));
  EXPECT_TRUE(estimator_.TakeTrial(Code::kUnavailable, At(Sec(0))));
}

TEST_F(AdaptiveTest, TheDecisionIsOnRecord) {
  CallRig rig(options_, setup_);
  rig.Answer(0, Ms(5), Code::kResourceExhausted);
  rig.Answer(1, Ms(5), Code::kUnavailable);
  rig.Run();
  const absl::optional<RetryPace>& pace = rig.driver().attempt(0).pace;
  ASSERT_TRUE(pace.has_value());
  EXPECT_EQ(pace->at, At(Ms(505)));
  EXPECT_EQ(pace->kind, FailureKind::kOverload);
  EXPECT_EQ(pace->kind_factor, 5);
  EXPECT_EQ(pace->chance_factor, 1);
  EXPECT_EQ(pace->chance, 0.5);
  EXPECT_FALSE(pace->is_trial);
  EXPECT_FALSE(rig.driver().attempt(1).pace.has_value()) << "none was left";
}

TEST_F(AdaptiveTest, ARetryThatIsCutShortTeachesNothing) {
  CallRig rig(options_, setup_);
  rig.Answer(0, Ms(5), Code::kUnavailable);
  rig.Run(Ms(105));
  rig.Cancel();
  EXPECT_EQ(Chance(Code::kUnavailable, Ms(105)), 0.5);
}

TEST_F(AdaptiveTest, ARetryThatHangsUntilTheDeadlineWasInVain) {
  setup_.deadline = Sec(1);
  CallRig rig(options_, setup_);
  rig.Answer(0, Ms(5), Code::kUnavailable);
  rig.Run();
  EXPECT_EQ(rig.lines().back(),
            "1s finish DEADLINE_EXCEEDED deadline_exceeded");
  EXPECT_DOUBLE_EQ(Chance(Code::kUnavailable, Sec(1)), 1.0 / 3);
}

TEST_F(AdaptiveTest, BesideHedgingItStopsAndDoesNotWait) {
  options_.retry->max_attempts = 3;
  options_.hedging = HedgingOptions{};
  options_.hedging->max_attempts = 3;
  options_.hedging->delay = Ms(20);
  Fail(9);
  CallRig rig(options_, setup_);
  rig.Answer(0, Ms(5), Code::kUnavailable);
  rig.Answer(1, Ms(5), Code::kUnavailable);
  rig.Run();
  EXPECT_THAT(rig.lines(), ElementsAre("0s launch 0", "5ms launch 1 retry",
                                       "10ms finish attempt 1 UNAVAILABLE "
                                       "retries_not_worth_it"));
}

TEST_F(AdaptiveTest, AHedgeTeachesNothing) {
  options_.hedging = HedgingOptions{};
  options_.hedging->delay = Ms(20);
  CallRig rig(options_, setup_);
  rig.Answer(1, Ms(5));
  rig.Run();
  EXPECT_EQ(rig.lines().back(), "25ms finish attempt 1 OK");
  EXPECT_TRUE(estimator_.Estimates(At(Ms(25))).empty());
}

}  // namespace
}  // namespace firebreak::core
