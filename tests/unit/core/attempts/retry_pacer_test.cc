// How long the next attempt waits, or why there is none.
#include "src/core/attempts/retry_pacer.h"

#include "gtest/gtest.h"
#include "src/core/attempts/backoff.h"
#include "tests/support/core_fixtures.h"

namespace firebreak::core {
namespace {

using Code = absl::StatusCode;

AttemptEnd EndsWith(Code code) {
  AttemptEnd end;
  end.code = code;
  return end;
}

class RetryPacerTest : public ::testing::Test {
 protected:
  RetryPacerTest() {
    options_ = Retrying(5);  // 100 ms, 200 ms, ... without jitter
    options_.retry->adaptive.emplace();
  }

  // After `failures` or `successes` of earlier retries.
  void Learn(Code code, int successes, int failures) {
    for (int i = 0; i < successes + failures; ++i) {
      estimator_.Record(code, i < successes, At(Sec(0)));
    }
  }
  RetryPace First(const AttemptEnd& end) {
    RetryPacer pacer(&options_, &estimator_);
    return pacer.AfterFailure(end, Attribute(end, options_.blame()), At(Sec(0)),
                              &rng_);
  }
  Duration FirstWait(const AttemptEnd& end) { return First(end).at - Time{}; }

  MethodOptions options_;
  RetryEstimator estimator_{AdaptiveRetryOptions{}};
  Rng rng_{1};
};

TEST_F(RetryPacerTest, TheWaitDependsOnWhatFailed) {
  AttemptEnd broken = EndsWith(Code::kUnavailable);
  broken.origin = Origin::kTransport;
  AttemptEnd unsent = EndsWith(Code::kUnavailable);
  unsent.origin = Origin::kNowhere;
  AttemptEnd reconnecting = broken;
  reconnecting.channel_was_not_ready = true;
  AttemptEnd late = EndsWith(Code::kDeadlineExceeded);
  late.origin = Origin::kTransport;  // the clock of this process ended it
  const struct {
    AttemptEnd end;
    FailureKind kind;
    absl::string_view name;
    Duration want;
  } kCases[] = {
      {EndsWith(Code::kUnavailable), FailureKind::kOther, "other", Ms(100)},
      {EndsWith(Code::kAborted), FailureKind::kOther, "other", Ms(100)},
      {EndsWith(Code::kDeadlineExceeded), FailureKind::kTimeout, "timeout",
       Ms(200)},
      {late, FailureKind::kTimeout, "timeout", Ms(200)},
      {EndsWith(Code::kResourceExhausted), FailureKind::kOverload, "overload",
       Ms(500)},
      {broken, FailureKind::kConnection, "connection", Ms(50)},
      {unsent, FailureKind::kConnection, "connection", Ms(50)},
      {reconnecting, FailureKind::kConnection, "connection", Ms(50)},
  };
  for (const auto& c : kCases) {
    const RetryPace pace = First(c.end);
    EXPECT_EQ(pace.at, At(c.want)) << c.name;
    EXPECT_EQ(pace.kind, c.kind) << c.name;
    EXPECT_EQ(FailureKindName(pace.kind), c.name);
    EXPECT_TRUE(pace.is_adaptive);
    EXPECT_EQ(pace.chance, 0.5);
  }
}

TEST_F(RetryPacerTest, TheWaitDependsOnTheChance) {
  const struct {
    int successes;
    int failures;
    Duration want;
  } kCases[] = {{0, 0, Ms(100)},  // 1 / 2: not over 0.5
                {1, 0, Ms(50)},
                {0, 1, Ms(100)},
                {0, 3, Ms(100)},  // 1 / 5
                {0, 4, Ms(300)},  // 1 / 6
                {0, 8, Ms(300)},  // 1 / 10: at the floor
                // Below it: only for a trial, which is not stretched.
                {0, 9, Ms(100)}};
  for (const auto& c : kCases) {
    RetryEstimator estimator(AdaptiveRetryOptions{});
    RetryPacer pacer(&options_, &estimator);
    for (int i = 0; i < c.successes + c.failures; ++i) {
      estimator.Record(Code::kUnavailable, i < c.successes, At(Sec(0)));
    }
    EXPECT_EQ(pacer
                  .AfterFailure(EndsWith(Code::kUnavailable),
                                Attribution::kServerFailure, At(Sec(0)), &rng_)
                  .at,
              At(c.want))
        << c.successes << ", " << c.failures;
  }
}

TEST_F(RetryPacerTest, BothFactorsHoldAndThenTheCap) {
  Learn(Code::kResourceExhausted, 0, 5);
  EXPECT_EQ(FirstWait(EndsWith(Code::kResourceExhausted)), Ms(1'500));
  options_.retry->adaptive->max_delay = Ms(1'200);
  EXPECT_EQ(FirstWait(EndsWith(Code::kResourceExhausted)), Ms(1'200));
}

TEST_F(RetryPacerTest, JittersTheStretchedWaitOnce) {
  options_.retry->backoff.jitter = BackoffOptions::Jitter::kFull;
  Rng same(1);
  EXPECT_EQ(FirstWait(EndsWith(Code::kResourceExhausted)),
            BackoffDelay(options_.retry->backoff, 1, &same, 5, Sec(30)));
  EXPECT_EQ(rng_.Next(), same.Next());
}

TEST_F(RetryPacerTest, AServersTimeIsNeverStretched) {
  Learn(Code::kResourceExhausted, 0, 5);
  AttemptEnd end = EndsWith(Code::kResourceExhausted);
  end.pushback = Ms(70);
  const RetryPace pace = First(end);
  EXPECT_EQ(pace.at, At(Ms(70)));
  EXPECT_EQ(pace.kind_factor, 1);
  EXPECT_EQ(pace.chance_factor, 1);
  EXPECT_LT(pace.chance, 0.2) << "but it is told";
}

TEST_F(RetryPacerTest, BelowTheFloorOnlyTrialsAreWorthIt) {
  Learn(Code::kUnavailable, 0, 9);
  RetryPacer pacer(&options_, &estimator_);
  const auto ask = [&](Code code, Time now, RetryPace* pace) {
    *pace = pacer.AfterFailure(EndsWith(code), Attribution::kServerFailure, now,
                               &rng_);
    return pacer.IsWorthIt(pace, now);
  };
  RetryPace pace;
  EXPECT_TRUE(ask(Code::kUnavailable, At(Sec(0)), &pace));
  EXPECT_TRUE(pace.is_trial);
  EXPECT_FALSE(ask(Code::kUnavailable, At(Ms(999)), &pace));
  EXPECT_FALSE(pace.is_trial);
  EXPECT_TRUE(ask(Code::kAborted, At(Ms(999)), &pace));
  EXPECT_FALSE(pace.is_trial);
  EXPECT_TRUE(ask(Code::kUnavailable, At(Sec(1)), &pace));
}

TEST_F(RetryPacerTest, TheFloorHoldsWhereTheServerNamesATimeToo) {
  Learn(Code::kUnavailable, 0, 9);
  estimator_.TakeTrial(Code::kUnavailable, At(Sec(0)));
  AttemptEnd end = EndsWith(Code::kUnavailable);
  end.pushback = Ms(70);
  RetryPacer pacer(&options_, &estimator_);
  RetryPace pace =
      pacer.AfterFailure(end, Attribution::kOverload, At(Sec(0)), &rng_);
  EXPECT_FALSE(pacer.IsWorthIt(&pace, At(Sec(0))));
}

TEST_F(RetryPacerTest, AFloorOfZeroNeverStops) {
  options_.retry->adaptive->floor = 0;
  Learn(Code::kUnavailable, 0, 1'000);
  RetryPacer pacer(&options_, &estimator_);
  for (int i = 0; i < 3; ++i) {
    RetryPace pace = First(EndsWith(Code::kUnavailable));
    EXPECT_TRUE(pacer.IsWorthIt(&pace, At(Sec(0))));
    EXPECT_FALSE(pace.is_trial);
  }
}

TEST_F(RetryPacerTest, LearnsFromEndsThatSaySomethingOfTheServer) {
  options_.retry->codes = {Code::kUnavailable, Code::kAborted};
  const struct {
    Attribution attribution;
    Code code;
    double chance;  // of the next, from this one result
  } kCases[] = {
      {Attribution::kSuccess, Code::kOk, 2.0 / 3},
      // An answer, so the retry has succeeded.
      {Attribution::kSuccess, Code::kNotFound, 2.0 / 3},
      // Not a failure, but a code that is retried again.
      {Attribution::kSuccess, Code::kAborted, 1.0 / 3},
      {Attribution::kServerFailure, Code::kUnavailable, 1.0 / 3},
      {Attribution::kServerFailure, Code::kInternal, 1.0 / 3},
      {Attribution::kTransportFailure, Code::kUnavailable, 1.0 / 3},
      {Attribution::kOverload, Code::kResourceExhausted, 1.0 / 3},
      {Attribution::kSuperseded, Code::kCancelled, 0.5},
      {Attribution::kCancelledByCaller, Code::kCancelled, 0.5},
      {Attribution::kNotSent, Code::kUnavailable, 0.5},
      {Attribution::kAbandoned, Code::kOk, 0.5},
      {Attribution::kLocalRejection, Code::kUnavailable, 0.5},
      {Attribution::kLocalError, Code::kResourceExhausted, 0.5},
  };
  for (const auto& c : kCases) {
    RetryEstimator estimator(AdaptiveRetryOptions{});
    RetryPacer pacer(&options_, &estimator);
    pacer.OnRetryEnd(Code::kUnavailable, c.code, c.attribution, At(Sec(0)));
    EXPECT_DOUBLE_EQ(estimator.Chance(Code::kUnavailable, At(Sec(0))), c.chance)
        << AttributionName(c.attribution) << " " << CodeName(c.code);
  }
}

TEST_F(RetryPacerTest, WithoutOptionsOrEstimatorNothingIsAdaptive) {
  Learn(Code::kUnavailable, 0, 20);
  RetryEstimator other{AdaptiveRetryOptions{}};
  const MethodOptions plain = Retrying(3);
  for (const bool has_options : {false, true}) {
    RetryPacer pacer(has_options ? &options_ : &plain,
                     has_options ? nullptr : &estimator_);
    RetryPace pace =
        pacer.AfterFailure(EndsWith(Code::kDeadlineExceeded),
                           Attribution::kServerFailure, At(Sec(0)), &rng_);
    EXPECT_EQ(pace.at, At(Ms(100)));
    EXPECT_FALSE(pace.is_adaptive);
    EXPECT_TRUE(pacer.IsWorthIt(&pace, At(Sec(0))));
    pacer.OnRetryEnd(Code::kInternal, Code::kOk, Attribution::kSuccess,
                     At(Sec(0)));
  }
  EXPECT_EQ(estimator_.Chance(Code::kInternal, At(Sec(0))), 0.5);
}

TEST_F(RetryPacerTest, OptionsWithoutRetryAreFine) {
  const MethodOptions hedging = Hedging(2, Ms(20));
  RetryPacer pacer(&hedging, &estimator_);
  RetryPace pace =
      pacer.AfterFailure(EndsWith(Code::kUnavailable),
                         Attribution::kServerFailure, At(Sec(3)), &rng_);
  EXPECT_FALSE(pace.is_adaptive);
  EXPECT_EQ(pace.at, At(Sec(3)));
}

}  // namespace
}  // namespace firebreak::core
