// The health score and its terms.
#include "src/core/health.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <vector>

namespace firebreak::core {
namespace {

BreakerSnapshot Closed(int64_t calls, int64_t failures, int64_t timed = 0,
                       int64_t slow = 0) {
  BreakerSnapshot snapshot;
  snapshot.state = BreakerState::kClosed;
  snapshot.window_calls = calls;
  snapshot.window_failures = failures;
  snapshot.window_timed = timed;
  snapshot.window_slow = slow;
  return snapshot;
}

BreakerSnapshot In(BreakerState state, double share = 1, bool shadow = false) {
  BreakerSnapshot snapshot;
  snapshot.state = state;
  snapshot.admitted_share = share;
  snapshot.shadow = shadow;
  return snapshot;
}

TEST(HealthTest, NothingKnownIsGood) {
  EXPECT_EQ(HealthOf({}).score, 100);
  EXPECT_EQ(HealthOf({Closed(0, 0)}).score, 100);
  EXPECT_EQ(HealthOf({In(BreakerState::kDisabled)}).score, 100);
  EXPECT_EQ(HealthOf({}).level, HealthLevel::kHealthy);
}

TEST(HealthTest, IsTheProductOfItsTerms) {
  const Health health = HealthOf({Closed(100, 20, 80, 40)});
  EXPECT_DOUBLE_EQ(health.failure_rate, 0.2);
  EXPECT_DOUBLE_EQ(health.slow_rate, 0.5);
  EXPECT_DOUBLE_EQ(health.admitted_share, 1);
  EXPECT_DOUBLE_EQ(health.score, 100 * 0.8 * 0.75);
  EXPECT_DOUBLE_EQ(HealthOf({Closed(10, 10)}).score, 0);
  EXPECT_DOUBLE_EQ(HealthOf({Closed(10, 0, 10, 10)}).score, 50);
}

TEST(HealthTest, WhatABreakerLetsThrough) {
  EXPECT_EQ(AdmittedShare(In(BreakerState::kDisabled)), 1);
  EXPECT_EQ(AdmittedShare(In(BreakerState::kClosed)), 1);
  EXPECT_EQ(AdmittedShare(In(BreakerState::kForcedClosed)), 1);
  EXPECT_EQ(AdmittedShare(In(BreakerState::kOpen)), 0);
  EXPECT_EQ(AdmittedShare(In(BreakerState::kHalfOpen)), 0);
  EXPECT_EQ(AdmittedShare(In(BreakerState::kForcedOpen)), 0);
  EXPECT_EQ(AdmittedShare(In(BreakerState::kRamp, 0.3)), 0.3);
  // A shadow refuses nothing unless an operator forces it open.
  EXPECT_EQ(AdmittedShare(In(BreakerState::kOpen, 1, true)), 1);
  EXPECT_EQ(AdmittedShare(In(BreakerState::kHalfOpen, 1, true)), 1);
  EXPECT_EQ(AdmittedShare(In(BreakerState::kRamp, 0.3, true)), 1);
  EXPECT_EQ(AdmittedShare(In(BreakerState::kForcedOpen, 1, true)), 0);
}

TEST(HealthTest, OfSeveralTargetsTheMeanIsAdmittedAndTheCallsAddUp) {
  const Health health = HealthOf(
      {In(BreakerState::kOpen), Closed(10, 1), Closed(30, 3), Closed(0, 0)});
  EXPECT_DOUBLE_EQ(health.admitted_share, 0.75);
  EXPECT_DOUBLE_EQ(health.failure_rate, 0.1);
  EXPECT_EQ(health.level, HealthLevel::kDegraded);
}

TEST(HealthTest, RecentAttemptsCountWhereNoBreakerDoes) {
  RecentAttempts recent;
  recent.attempts = 10;
  recent.failures = 4;
  EXPECT_DOUBLE_EQ(HealthOf({}, recent).score, 60);
  EXPECT_DOUBLE_EQ(HealthOf({In(BreakerState::kDisabled)}, recent).score, 60);
  // The breaker has just closed, so earlier attempts do not count.
  EXPECT_DOUBLE_EQ(HealthOf({Closed(0, 0)}, recent).score, 100);
}

TEST(HealthTest, WhatTheThrottleTurnsAwayIsNotAdmitted) {
  RecentAttempts recent;
  recent.throttled_share = 0.25;
  const Health health = HealthOf({Closed(10, 0)}, recent);
  EXPECT_DOUBLE_EQ(health.admitted_share, 0.75);
  EXPECT_DOUBLE_EQ(health.score, 75);
}

// The snapshot of a breaker that judges from twenty calls on.
BreakerSnapshot Quiet(int64_t calls, int64_t failures) {
  BreakerSnapshot snapshot = Closed(calls, failures);
  snapshot.minimum_calls = 20;
  return snapshot;
}

TEST(HealthTest, FewCallsMakeAMethodDegradedAtWorst) {
  const Health one = HealthOf({Quiet(1, 1)});
  EXPECT_EQ(one.level, HealthLevel::kDegraded);
  EXPECT_DOUBLE_EQ(one.failure_rate, 1) << "is told as it is";
  // Wilson's lower bound for one of one is 1 / (1 + 1.6449^2).
  EXPECT_NEAR(one.score, 73.0, 0.1);
  for (int64_t calls = 1; calls < 20; ++calls) {
    EXPECT_EQ(HealthOf({Quiet(calls, calls)}).level, HealthLevel::kDegraded);
  }
  EXPECT_EQ(HealthOf({Quiet(20, 20)}).level, HealthLevel::kUnhealthy);
  EXPECT_EQ(HealthOf({Quiet(10, 1)}).level, HealthLevel::kHealthy);
  // Several uncertain signs do not add up to a certain one.
  RecentAttempts recent;
  recent.calls = recent.errors = 9;
  recent.hanging = 9;
  EXPECT_EQ(HealthOf({Quiet(9, 9)}, recent).level, HealthLevel::kDegraded);
  // But a certain sign stays certain beside uncertain ones.
  recent.calls = recent.errors = 30;
  EXPECT_EQ(HealthOf({Quiet(9, 9)}, recent).level, HealthLevel::kUnhealthy);
}

TEST(HealthTest, FewSlowCallsSayLittleToo) {
  BreakerSnapshot quiet = Quiet(1, 0);
  quiet.window_timed = quiet.window_slow = 1;
  EXPECT_NEAR(HealthOf({quiet}).score, 86.5, 0.1);
}

TEST(HealthTest, AnswersThatTakeManyTimesWhatIsUsualAreADoubt) {
  RecentAttempts recent;
  recent.much_slower = true;
  EXPECT_EQ(HealthOf({Closed(100, 0)}, recent).level, HealthLevel::kDegraded);
}

TEST(HealthTest, ErrorsThatTheBreakerDoesNotCountAreErrorsOfCalls) {
  RecentAttempts recent;
  recent.calls = 100;
  recent.errors = 100;
  const Health health = HealthOf({Closed(100, 0)}, recent);
  EXPECT_DOUBLE_EQ(health.error_rate, 1);
  EXPECT_DOUBLE_EQ(health.failure_rate, 0);
  EXPECT_EQ(health.level, HealthLevel::kUnhealthy);
  // Most errors are failures too, and count once.
  recent.errors = 40;
  EXPECT_DOUBLE_EQ(HealthOf({Closed(100, 40)}, recent).score, 60);
}

TEST(HealthTest, WhichCodesSayThatSomethingIsBroken) {
  for (const absl::StatusCode code :
       {absl::StatusCode::kPermissionDenied, absl::StatusCode::kUnimplemented,
        absl::StatusCode::kResourceExhausted,
        absl::StatusCode::kUnauthenticated, absl::StatusCode::kUnavailable,
        absl::StatusCode::kDeadlineExceeded, absl::StatusCode::kInternal,
        absl::StatusCode::kUnknown, absl::StatusCode::kDataLoss,
        absl::StatusCode::kCancelled}) {
    EXPECT_TRUE(IsBroken(code)) << absl::StatusCodeToString(code);
  }
  for (const absl::StatusCode code :
       {absl::StatusCode::kOk, absl::StatusCode::kNotFound,
        absl::StatusCode::kAlreadyExists, absl::StatusCode::kInvalidArgument,
        absl::StatusCode::kAborted, absl::StatusCode::kFailedPrecondition,
        absl::StatusCode::kOutOfRange}) {
    EXPECT_FALSE(IsBroken(code)) << absl::StatusCodeToString(code);
  }
}

TEST(HealthTest, NoOkAtAllIsADoubtWhateverTheCode) {
  RecentAttempts recent;
  recent.calls = 100;
  recent.none_is_ok = true;
  EXPECT_EQ(HealthOf({Closed(100, 0)}, recent).level, HealthLevel::kDegraded);
}

TEST(HealthTest, CallsThatHangCountAmongThoseThatEndMeanwhile) {
  RecentAttempts recent;
  recent.hanging = 20;
  recent.hang_is_sure = true;
  EXPECT_EQ(HealthOf({Closed(0, 0)}, recent).level, HealthLevel::kUnhealthy);
  EXPECT_DOUBLE_EQ(HealthOf({Closed(0, 0)}, recent).hanging_share, 1);
  recent.hang_is_sure = false;
  EXPECT_EQ(HealthOf({Closed(0, 0)}, recent).level, HealthLevel::kDegraded);
  // A few calls are an uncertain sign, however long they hang.
  recent.hang_is_sure = true;
  recent.hanging = 9;
  EXPECT_EQ(HealthOf({Closed(0, 0)}, recent).level, HealthLevel::kDegraded);
  // One call that leaked long ago, in a healthy process.
  recent.hanging = 1;
  recent.answered = 500;
  recent.hang_is_sure = true;
  EXPECT_EQ(HealthOf({Closed(500, 0)}, recent).level, HealthLevel::kHealthy);
}

TEST(HealthTest, ForcedAndDisabledBreakersAreJudgedByRecentAttempts) {
  RecentAttempts recent;
  recent.attempts = recent.failures = 136;
  BreakerSnapshot forced = Closed(50, 0);  // results before the override
  forced.state = BreakerState::kForcedClosed;
  EXPECT_EQ(HealthOf({forced}, recent).level, HealthLevel::kUnhealthy);
  EXPECT_DOUBLE_EQ(HealthOf({forced}, recent).failure_rate, 1);
  BreakerSnapshot shadow = Closed(50, 50);
  shadow.state = BreakerState::kOpen;
  shadow.shadow = true;
  recent.failures = 0;
  EXPECT_EQ(HealthOf({shadow}, recent).level, HealthLevel::kHealthy);
}

TEST(HealthTest, ABreakerThatWaitsForACallIsDegraded) {
  BreakerSnapshot waits = Closed(30, 30);
  waits.state = BreakerState::kOpen;
  waits.waits_for_call = true;
  RecentAttempts recent;
  recent.calls = recent.errors = 40;  // of the outage
  EXPECT_EQ(HealthOf({waits}, recent).level, HealthLevel::kUnhealthy)
      << "calls come, and one will be the probe";
  recent.is_idle = true;
  EXPECT_TRUE(HealthOf({waits}, recent).waits_for_call);
  EXPECT_EQ(HealthOf({waits}, recent).level, HealthLevel::kDegraded);
  waits.state = BreakerState::kHalfOpen;
  EXPECT_EQ(HealthOf({waits}, recent).level, HealthLevel::kDegraded);
  waits.waits_for_call = false;
  EXPECT_EQ(HealthOf({waits}, recent).level, HealthLevel::kUnhealthy);
}

TEST(HealthTest, OfABreakerThatWaitsNothingCountsThatWasBefore) {
  BreakerSnapshot waits = Closed(30, 30, 30, 30);
  waits.state = BreakerState::kOpen;
  waits.waits_for_call = true;
  RecentAttempts recent;
  recent.is_idle = true;
  EXPECT_DOUBLE_EQ(HealthOf({waits}, recent).score, 50);
  // A shadow refuses nothing, so it waits for nothing.
  waits.shadow = true;
  EXPECT_FALSE(HealthOf({waits}, recent).waits_for_call);
  EXPECT_DOUBLE_EQ(HealthOf({waits}, recent).score, 100);
  // A method with another target does not wait either.
  waits.shadow = false;
  EXPECT_FALSE(HealthOf({waits, Closed(0, 0)}, recent).waits_for_call);
}

TEST(HealthTest, ADeadReplicaMakesAProcessThatIsWellDegraded) {
  BreakerSnapshot dead = Closed(5, 5);
  dead.state = BreakerState::kOpen;
  EXPECT_EQ(HealthOf({dead, Closed(100, 1)}).level, HealthLevel::kDegraded);
  EXPECT_EQ(HealthOf({dead, dead}).level, HealthLevel::kUnhealthy);
  EXPECT_EQ(HealthOf({In(BreakerState::kOpen), In(BreakerState::kOpen)}).score,
            0);
  dead.window_calls = dead.window_failures = 100;
  EXPECT_DOUBLE_EQ(HealthOf({dead, Closed(100, 1)}).failure_rate, 0.01)
      << "of those that take calls now";
  // If calls go only to the dead target, their errors count.
  RecentAttempts recent;
  recent.calls = recent.errors = 50;
  EXPECT_EQ(HealthOf({dead, Closed(0, 0)}, recent).level,
            HealthLevel::kUnhealthy);
}

TEST(HealthTest, Levels) {
  const auto level = [](int64_t failures) {
    return HealthOf({Closed(1000, failures)}).level;
  };
  EXPECT_EQ(level(100), HealthLevel::kHealthy);
  EXPECT_EQ(level(101), HealthLevel::kDegraded);
  EXPECT_EQ(level(500), HealthLevel::kDegraded);
  EXPECT_EQ(level(501), HealthLevel::kUnhealthy);
}

TEST(HealthTest, BadInputStaysInRange) {
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double inf = std::numeric_limits<double>::infinity();
  for (int64_t calls : {kMin, int64_t{-1}, int64_t{0}, int64_t{1}, kMax}) {
    for (int64_t failures : {kMin, int64_t{0}, int64_t{7}, kMax}) {
      for (double share : {nan, inf, -inf, -1.0, 0.5, 2.0}) {
        const BreakerSnapshot closed = Closed(calls, failures, failures, calls);
        RecentAttempts recent;
        recent.attempts = failures;
        recent.failures = calls;
        recent.throttled_share = share;
        recent.calls = recent.hanging = calls;
        recent.errors = recent.answered = failures;
        const Health health =
            HealthOf({closed, closed, In(BreakerState::kRamp, share)}, recent);
        EXPECT_GE(health.score, 0);
        EXPECT_LE(health.score, 100);
      }
    }
  }
}

TEST(HealthCountsTest, TheWholeIsAsItsMethods) {
  const auto level = [](int healthy, int degraded, int unhealthy) {
    HealthCounts counts;
    for (int i = 0; i < healthy; ++i) counts.Add(HealthLevel::kHealthy);
    for (int i = 0; i < degraded; ++i) counts.Add(HealthLevel::kDegraded);
    for (int i = 0; i < unhealthy; ++i) counts.Add(HealthLevel::kUnhealthy);
    return counts.level();
  };
  EXPECT_EQ(level(0, 0, 0), HealthLevel::kHealthy);
  EXPECT_EQ(level(5, 0, 0), HealthLevel::kHealthy);
  EXPECT_EQ(level(5, 1, 0), HealthLevel::kDegraded);
  EXPECT_EQ(level(0, 5, 0), HealthLevel::kDegraded);
  EXPECT_EQ(level(3, 0, 2), HealthLevel::kDegraded);
  EXPECT_EQ(level(2, 0, 2), HealthLevel::kUnhealthy);
  EXPECT_EQ(level(0, 0, 1), HealthLevel::kUnhealthy);
}

}  // namespace
}  // namespace firebreak::core
