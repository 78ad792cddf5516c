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
  // One that refuses nothing, but for an operator.
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
  const RecentAttempts recent = {10, 4, 0};
  EXPECT_DOUBLE_EQ(HealthOf({}, recent).score, 60);
  EXPECT_DOUBLE_EQ(HealthOf({In(BreakerState::kDisabled)}, recent).score, 60);
  // A breaker has just closed: what was before is no news.
  EXPECT_DOUBLE_EQ(HealthOf({Closed(0, 0)}, recent).score, 100);
}

TEST(HealthTest, WhatTheThrottleTurnsAwayIsNotAdmitted) {
  const Health health = HealthOf({Closed(10, 0)}, {0, 0, 0.25});
  EXPECT_DOUBLE_EQ(health.admitted_share, 0.75);
  EXPECT_DOUBLE_EQ(health.score, 75);
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
        const Health health =
            HealthOf({closed, closed, In(BreakerState::kRamp, share)},
                     {failures, calls, share});
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
