// Every call is counted once at its start and once at its end.
#include "src/core/measure/method_stats.h"

#include <numeric>

#include "gtest/gtest.h"
#include "tests/support/core_fixtures.h"

namespace firebreak::core {
namespace {

using Code = absl::StatusCode;

template <class Array, class Enum>
int64_t Of(const Array& counts, Enum e) {
  return counts[static_cast<size_t>(e)];
}

template <class Array>
int64_t Sum(const Array& counts) {
  return std::accumulate(counts.begin(), counts.end(), int64_t{0});
}

TEST(MethodStatsTest, ACallIsInFlightBetweenItsStartAndItsEnd) {
  MethodStats stats;
  stats.OnCallStarted();
  stats.OnCallStarted();
  EXPECT_EQ(stats.counts().calls, 2);
  EXPECT_EQ(stats.counts().in_flight, 2);
  stats.OnCallEnded(CallEnd::kSuccess, Code::kOk, Ms(3));
  EXPECT_EQ(stats.counts().calls, 2);
  EXPECT_EQ(stats.counts().in_flight, 1);
  EXPECT_EQ(stats.counts().end(CallEnd::kSuccess), 1);
}

TEST(MethodStatsTest, EachEndIsCountedUnderItsNameAndItsCode) {
  MethodStats stats;
  for (int i = 0; i < 5; ++i) stats.OnCallStarted();
  stats.OnCallEnded(CallEnd::kSuccess, Code::kOk, Ms(1));
  stats.OnCallEnded(CallEnd::kFailure, Code::kInternal, Ms(1));
  stats.OnCallEnded(CallEnd::kCancelled, Code::kCancelled, Ms(1));
  stats.OnCallEnded(CallEnd::kAbandoned, Code::kOk, Ms(0));
  stats.OnRejected(Reason::kBreakerOpen);
  const MethodCounts counts = stats.counts();
  for (int i = 0; i < kCallEnds; ++i) {
    EXPECT_EQ(counts.end(static_cast<CallEnd>(i)), 1) << i;
  }
  EXPECT_EQ(counts.in_flight, 0);
  EXPECT_EQ(counts.calls, Sum(counts.ends));
  // Without a status there is no code.
  EXPECT_EQ(Of(counts.codes, Code::kOk), 1);
  EXPECT_EQ(Of(counts.codes, Code::kInternal), 1);
  EXPECT_EQ(Of(counts.codes, Code::kCancelled), 1);
  EXPECT_EQ(Sum(counts.codes), 3);
  EXPECT_EQ(Of(counts.rejections, Reason::kBreakerOpen), 1);
  EXPECT_EQ(Sum(counts.rejections), 1);
}

TEST(MethodStatsTest, OnlySuccessesHaveALatency) {
  MethodStats stats;
  for (int i = 0; i < 4; ++i) stats.OnCallStarted();
  stats.OnCallEnded(CallEnd::kFailure, Code::kUnavailable, Sec(9));
  stats.OnCallEnded(CallEnd::kCancelled, Code::kCancelled, Sec(9));
  stats.OnRejected(Reason::kForcedOpen);
  stats.OnCallEnded(CallEnd::kSuccess, Code::kOk, Ms(10));
  EXPECT_EQ(stats.latency().count(), 1);
  EXPECT_NEAR(ToSeconds(stats.latency().Quantile(1)), 0.010, 0.0002);
}

TEST(MethodStatsTest, ANumberThatNoCodeHasIsUnknown) {
  MethodStats stats;
  for (int n : {17, 99, -1}) {
    stats.OnCallStarted();
    stats.OnCallEnded(CallEnd::kFailure, static_cast<Code>(n), Ms(1));
  }
  EXPECT_EQ(Of(stats.counts().codes, Code::kUnknown), 3);
}

TEST(MethodStatsTest, AttemptsStopsWinsAndFallbacks) {
  MethodStats stats;
  stats.OnAttempt(AttemptKind::kFirst);
  stats.OnAttempt(AttemptKind::kRetry);
  stats.OnAttempt(AttemptKind::kHedge);
  stats.OnAttempt(AttemptKind::kHedge);
  stats.OnAttemptEnd(Attribution::kSuperseded);
  stats.OnAttemptEnd(Attribution::kLocalRejection);
  stats.OnStop(Reason::kBudgetExhausted);
  stats.OnStop(Reason::kFallbackFailed);
  stats.OnHedgeWin();
  stats.OnFallback();
  stats.OnFallback();
  const MethodCounts counts = stats.counts();
  EXPECT_EQ(counts.attempts_of(AttemptKind::kFirst), 1);
  EXPECT_EQ(counts.attempts_of(AttemptKind::kRetry), 1);
  EXPECT_EQ(counts.attempts_of(AttemptKind::kHedge), 2);
  EXPECT_EQ(Of(counts.attributions, Attribution::kSuperseded), 1);
  EXPECT_EQ(Of(counts.attributions, Attribution::kLocalRejection), 1);
  EXPECT_EQ(Sum(counts.attributions), 2);
  EXPECT_EQ(Of(counts.stops, Reason::kBudgetExhausted), 1);
  EXPECT_EQ(Of(counts.stops, Reason::kFallbackFailed), 1);
  EXPECT_EQ(counts.hedge_wins, 1);
  EXPECT_EQ(counts.fallbacks, 2);
}

}  // namespace
}  // namespace firebreak::core
