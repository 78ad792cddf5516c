// Hedging, alone and together with retry, on a timeline.
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

int64_t Stops(const CallRig& rig, Reason reason) {
  return rig.counts().stops[static_cast<size_t>(reason)];
}

int64_t Ended(const CallRig& rig, Attribution a) {
  return rig.counts().attributions[static_cast<size_t>(a)];
}

CallRig::Setup Within(Duration deadline) {
  CallRig::Setup setup;
  setup.deadline = deadline;
  return setup;
}

// A budget with this number of tokens, which gets no more.
CallRig::Setup Purse(double tokens) {
  CallRig::Setup setup;
  setup.budget.ratio = setup.budget.floor = 0;
  setup.budget.burst = tokens;
  return setup;
}

TEST(CallDriverHedgingTest, AHedgeOvertakesAStraggler) {
  CallRig rig(Hedging(2, Ms(20)));
  rig.Answer(0, Sec(2));
  rig.Answer(1, Ms(5));
  rig.Run();
  EXPECT_THAT(rig.lines(),
              ElementsAre("0s launch 0", "20ms launch 1 hedge", "25ms cancel 0",
                          "25ms finish attempt 1 OK"));
  EXPECT_EQ(rig.counts().hedge_wins, 1);
  EXPECT_EQ(Ended(rig, Attribution::kSuperseded), 1);
  EXPECT_EQ(Ended(rig, Attribution::kSuccess), 1);
}

TEST(CallDriverHedgingTest, TheStragglerMayStillWin) {
  CallRig rig(Hedging(2, Ms(20)));
  rig.Answer(0, Ms(22));
  rig.Answer(1, Ms(5));
  rig.Run();
  EXPECT_THAT(rig.lines(),
              ElementsAre("0s launch 0", "20ms launch 1 hedge", "22ms cancel 1",
                          "22ms finish attempt 0 OK"));
  EXPECT_EQ(rig.counts().hedge_wins, 0);
}

TEST(CallDriverHedgingTest, AFastAnswerNeedsNoHedge) {
  CallRig rig(Hedging(2, Ms(20)), Purse(5));
  ASSERT_TRUE(rig.budget().TryAcquire(rig.now()));
  rig.Answer(0, Ms(19));
  rig.Run();
  EXPECT_THAT(rig.lines(),
              ElementsAre("0s launch 0", "19ms finish attempt 0 OK"));
  EXPECT_DOUBLE_EQ(rig.tokens(), 4);  // nothing paid, nothing refunded
}

TEST(CallDriverHedgingTest, TheTimelineOfGrfcA6) {
  CallRig rig(Hedging(4, Ms(500)));
  rig.Run();
  EXPECT_THAT(rig.lines(),
              ElementsAre("0s launch 0", "500ms launch 1 hedge",
                          "1s launch 2 hedge", "1.5s launch 3 hedge"));
  EXPECT_EQ(rig.driver().wake_at(), kInfiniteFuture);
}

TEST(CallDriverHedgingTest, DelayZeroSendsAllAtOnce) {
  CallRig rig(Hedging(4, Duration::zero()));
  rig.Answer(2, Ms(5));
  rig.Start();
  EXPECT_EQ(rig.last().launch.size(), 4U);  // no timer was needed
  rig.Run();
  EXPECT_THAT(
      rig.lines(),
      ElementsAre("0s launch 0", "0s launch 1 hedge", "0s launch 2 hedge",
                  "0s launch 3 hedge", "5ms cancel 0", "5ms cancel 1",
                  "5ms cancel 3", "5ms finish attempt 2 OK"));
}

TEST(CallDriverHedgingTest, ANonFatalFailureSendsTheNextAtOnce) {
  // gRFC A6: later hedges follow at the usual delay again.
  CallRig rig(Hedging(4, Ms(500)));
  rig.Answer(1, Ms(50), Code::kUnavailable);
  rig.Run();
  EXPECT_THAT(rig.lines(),
              ElementsAre("0s launch 0", "500ms launch 1 hedge",
                          "550ms launch 2 retry", "1.05s launch 3 hedge"));
}

TEST(CallDriverHedgingTest, AFatalStatusCancelsTheOthers) {
  CallRig rig(Hedging(3, Ms(20)));
  rig.Answer(1, Ms(5), Code::kPermissionDenied);
  rig.Run();
  EXPECT_THAT(rig.lines(),
              ElementsAre("0s launch 0", "20ms launch 1 hedge", "25ms cancel 0",
                          "25ms finish attempt 1 PERMISSION_DENIED"));
  EXPECT_EQ(rig.counts().hedge_wins, 0);
  EXPECT_EQ(Ended(rig, Attribution::kSuperseded), 1);
}

TEST(CallDriverHedgingTest, WhenAllFailTheLastFailureIsTheAnswer) {
  MethodOptions options = Hedging(3, Ms(20));
  options.hedging->non_fatal_codes = {Code::kUnavailable, Code::kInternal};
  CallRig rig(options);
  rig.Answer(0, Ms(100), Code::kInternal);
  rig.Answer(1, Ms(10), Code::kUnavailable);
  rig.Answer(2, Ms(10), Code::kUnavailable);
  rig.Run();
  EXPECT_THAT(
      rig.lines(),
      ElementsAre("0s launch 0", "20ms launch 1 hedge", "30ms launch 2 retry",
                  "100ms finish attempt 0 INTERNAL attempts_exhausted"));
}

TEST(CallDriverHedgingTest, FailuresThatLeaveOthersRunningDoNotEndTheCall) {
  CallRig rig(Hedging(2, Ms(20)));
  rig.Answer(0, Ms(200));
  rig.Answer(1, Ms(10), Code::kUnavailable);
  rig.Run();
  EXPECT_THAT(rig.lines(), ElementsAre("0s launch 0", "20ms launch 1 hedge",
                                       "200ms finish attempt 0 OK"));
}

TEST(CallDriverHedgingTest, SupersededAttemptsDoNotCountForTheBreaker) {
  MethodOptions options = Hedging(2, Ms(20));
  options.breaker = TripsAfter(1);
  CallRig rig(options);
  rig.Answer(1, Ms(5));
  rig.Run();
  rig.End(0, Code::kCancelled);
  const BreakerSnapshot s = rig.breaker().Snapshot(rig.now());
  EXPECT_EQ(s.window_calls, 1);
  EXPECT_EQ(s.window_failures, 0);
}

TEST(CallDriverHedgingTest, RetryAndHedgingShareMaxAttempts) {
  MethodOptions options = Hedging(3, Ms(20));
  options.retry = Retrying(3).retry;
  CallRig rig(options);
  rig.Answer(0, Ms(30), Code::kUnavailable);
  rig.Run(Ms(200));
  // Attempt 0, a hedge, and the last attempt at once after the failure, without
  // backoff.
  EXPECT_THAT(rig.lines(), ElementsAre("0s launch 0", "20ms launch 1 hedge",
                                       "30ms launch 2 retry"));
  rig.End(1, Code::kUnavailable);
  rig.End(2, Code::kUnavailable);
  EXPECT_EQ(rig.lines().back(),
            "200ms finish attempt 2 UNAVAILABLE attempts_exhausted");
}

TEST(CallDriverHedgingTest, WithRetryEitherListOfCodesIsNotFatal) {
  for (Code code : {Code::kAborted, Code::kInternal}) {
    MethodOptions options = Hedging(3, Ms(20));
    options.hedging->non_fatal_codes = {Code::kInternal};
    options.retry = Retrying(3).retry;
    options.retry->codes = {Code::kAborted};
    CallRig rig(options);
    rig.Answer(0, Ms(5), code);
    rig.Run(Ms(10));
    EXPECT_THAT(rig.lines(), ElementsAre("0s launch 0", "5ms launch 1 retry"));
  }
}

TEST(CallDriverHedgingTest, AHedgeDoesNotStartAtOrAfterTheDeadline) {
  for (int64_t deadline_ms : {15, 20}) {
    CallRig rig(Hedging(2, Ms(20)), Within(Ms(deadline_ms)));
    rig.Run();
    ASSERT_EQ(rig.lines().size(), 3U);
    EXPECT_EQ(rig.driver().launched(), 1);
  }
  CallRig rig(Hedging(2, Ms(20)), Within(Ms(21)));
  rig.Run();
  EXPECT_THAT(rig.lines(),
              ElementsAre("0s launch 0", "20ms launch 1 hedge", "21ms cancel 0",
                          "21ms cancel 1",
                          "21ms finish DEADLINE_EXCEEDED deadline_exceeded"));
}

TEST(CallDriverHedgingTest, AnEmptyBudgetStopsTheHedgeAndNotTheCall) {
  CallRig rig(Hedging(4, Ms(20)), Purse(1));
  rig.Answer(0, Ms(200));
  rig.Run();
  EXPECT_THAT(rig.lines(),
              ElementsAre("0s launch 0", "20ms launch 1 hedge",
                          "200ms cancel 1", "200ms finish attempt 0 OK"));
  EXPECT_EQ(Stops(rig, Reason::kBudgetExhausted), 1);
  EXPECT_DOUBLE_EQ(rig.tokens(), 0);  // a launched hedge is not refunded
}

TEST(CallDriverHedgingTest, ABreakerThatTripsStopsTheHedgeAndNotTheCall) {
  MethodOptions options = Hedging(4, Ms(20));
  options.breaker = TripsAfter(1);
  CallRig rig(options, Purse(5));
  rig.Answer(0, Ms(200));
  rig.Run(Ms(10));
  rig.Trip();
  rig.Run();
  EXPECT_THAT(rig.lines(),
              ElementsAre("0s launch 0", "200ms finish attempt 0 OK"));
  EXPECT_EQ(Stops(rig, Reason::kBreakerOpen), 1);
  EXPECT_DOUBLE_EQ(rig.tokens(), 5);
}

TEST(CallDriverHedgingTest, AProbeIsNeverHedged) {
  MethodOptions options = Hedging(4, Ms(20));
  options.breaker = TripsAfter(1);
  CallRig rig(options, Purse(5));
  rig.Trip();
  rig.MoveTo(Sec(10));
  rig.Answer(0, Ms(200));
  rig.Run();
  EXPECT_THAT(rig.lines(),
              ElementsAre("10s launch 0 probe", "10.2s finish attempt 0 OK"));
  EXPECT_DOUBLE_EQ(rig.tokens(), 5);
}

TEST(CallDriverHedgingTest, AHedgeNeverProbesWhatItsCallIsWaitingFor) {
  MethodOptions options = Hedging(4, Ms(20));
  options.breaker = TripsAfter(1);
  options.breaker->open_duration = Ms(5);
  CallRig rig(options, Purse(5));
  rig.Answer(0, Ms(200));
  rig.Run(Ms(10));
  rig.Trip();  // a probe is due by the time of the hedge
  rig.Run();
  EXPECT_THAT(rig.lines(),
              ElementsAre("0s launch 0", "200ms finish attempt 0 OK"));
  EXPECT_EQ(Stops(rig, Reason::kProbesTaken), 1);
  EXPECT_DOUBLE_EQ(rig.tokens(), 5);
  const BreakerSnapshot s = rig.breaker().Snapshot(rig.now());
  EXPECT_EQ(s.state, BreakerState::kOpen);  // as if there had been no hedge
}

TEST(CallDriverHedgingTest, NegativePushbackStopsHedgesAndNotTheCall) {
  CallRig rig(Hedging(4, Ms(20)));
  rig.Answer(0, Ms(200));
  rig.Answer(1, Ms(5), Code::kUnavailable, Ms(-1));
  rig.Run();
  EXPECT_THAT(rig.lines(), ElementsAre("0s launch 0", "20ms launch 1 hedge",
                                       "200ms finish attempt 0 OK"));
  EXPECT_EQ(Stops(rig, Reason::kPushback), 1);
}

TEST(CallDriverHedgingTest, PushbackDelaysTheNextAndLaterOnesResume) {
  CallRig rig(Hedging(4, Ms(20)));
  rig.Answer(1, Ms(5), Code::kUnavailable, Ms(300));
  rig.Run();
  EXPECT_THAT(rig.lines(),
              ElementsAre("0s launch 0", "20ms launch 1 hedge",
                          "325ms launch 2 retry", "345ms launch 3 hedge"));
}

TEST(CallDriverHedgingTest, TheLongestPushbackCounts) {
  const struct {
    int64_t second_ms;
    const char* launch;
  } kCases[] = {{100, "325ms launch 2 retry"}, {400, "430ms launch 2 retry"}};
  for (const auto& c : kCases) {
    CallRig rig(Hedging(3, Ms(20)), Purse(5));
    rig.Answer(0, Ms(30), Code::kUnavailable, Ms(c.second_ms));
    rig.Answer(1, Ms(5), Code::kUnavailable, Ms(300));
    rig.Run();
    EXPECT_THAT(rig.lines(),
                ElementsAre("0s launch 0", "20ms launch 1 hedge", c.launch));
    EXPECT_DOUBLE_EQ(rig.tokens(), 3);
  }
}

TEST(CallDriverHedgingTest, ANoFromTheServerCancelsTheRetryThatWaits) {
  CallRig rig(Hedging(3, Ms(20)), Purse(5));
  rig.Answer(0, Ms(30), Code::kUnavailable, Ms(-1));
  rig.Answer(1, Ms(5), Code::kUnavailable, Ms(300));
  rig.Run();
  EXPECT_THAT(rig.lines(),
              ElementsAre("0s launch 0", "20ms launch 1 hedge",
                          "30ms finish attempt 0 UNAVAILABLE pushback"));
  EXPECT_DOUBLE_EQ(rig.tokens(), 4);  // the hedge; the retry was refunded
}

TEST(CallDriverHedgingTest, ANoFromTheServerBindsTheFailuresAfterIt) {
  CallRig rig(Hedging(4, Ms(20)));
  rig.Answer(0, Ms(60), Code::kUnavailable);
  rig.Answer(1, Ms(5), Code::kUnavailable, Ms(-1));
  rig.Run();
  EXPECT_THAT(rig.lines(),
              ElementsAre("0s launch 0", "20ms launch 1 hedge",
                          "60ms finish attempt 0 UNAVAILABLE pushback"));
}

TEST(CallDriverHedgingTest, PushbackBindsTheHedgesToo) {
  // The budget refuses the retry at 25 ms, and would allow a hedge at 40 ms.
  CallRig::Setup setup = Purse(1);
  setup.budget.floor = 60;
  CallRig rig(Hedging(4, Ms(20)), setup);
  rig.Answer(1, Ms(5), Code::kUnavailable, Ms(300));
  rig.Run();
  EXPECT_THAT(rig.lines(),
              ElementsAre("0s launch 0", "20ms launch 1 hedge",
                          "325ms launch 2 hedge", "345ms launch 3 hedge"));
}

TEST(CallDriverHedgingTest, AFailureWithoutPushbackDoesNotShortenTheWait) {
  CallRig rig(Hedging(3, Ms(20)), Purse(5));
  rig.Answer(0, Ms(30), Code::kUnavailable);
  rig.Answer(1, Ms(5), Code::kUnavailable, Ms(300));
  rig.Run();
  EXPECT_THAT(rig.lines(), ElementsAre("0s launch 0", "20ms launch 1 hedge",
                                       "325ms launch 2 retry"));
  EXPECT_DOUBLE_EQ(rig.tokens(), 3);
}

TEST(CallDriverHedgingTest, NoHedgeComesBeforeAPushbackIsOver) {
  // The pushback does not fit into the deadline. So nothing more is sent, not
  // even the hedge that was due earlier.
  CallRig rig(Hedging(4, Ms(20)), Within(Ms(200)));
  rig.Answer(0, Ms(150));
  rig.Answer(1, Ms(5), Code::kUnavailable, Sec(1));
  rig.Run();
  EXPECT_THAT(rig.lines(), ElementsAre("0s launch 0", "20ms launch 1 hedge",
                                       "150ms finish attempt 0 OK"));
  EXPECT_EQ(Stops(rig, Reason::kDeadlineTooClose), 1);
}

TEST(CallDriverHedgingTest, ALateFailureLaunchesNothingAfterTheDeadline) {
  // A retry waits until 325 ms. The host is late, and reports the other failure
  // only after the deadline of 400 ms.
  CallRig rig(Hedging(3, Ms(20)), Within(Ms(400)));
  rig.Answer(1, Ms(5), Code::kUnavailable, Ms(300));
  rig.Run(Ms(30));
  rig.MoveTo(Ms(401));
  rig.End(0, Code::kUnavailable);
  EXPECT_THAT(rig.lines(), ElementsAre("0s launch 0", "20ms launch 1 hedge",
                                       "401ms finish attempt 0 UNAVAILABLE "
                                       "deadline_too_close"));
}

TEST(CallDriverHedgingTest, ALateTimerSendsOneHedgeAndThenResumes) {
  CallRig rig(Hedging(4, Ms(20)));
  rig.Start();
  rig.MoveTo(Ms(70));
  rig.Timer();
  EXPECT_THAT(rig.lines(), ElementsAre("0s launch 0", "70ms launch 1 hedge"));
  EXPECT_EQ(rig.driver().wake_at(), At(Ms(90)));
}

TEST(CallDriverHedgingTest, ARefusedRetryEndsTheCallOnlyWhenNoneIsInFlight) {
  CallRig rig(Hedging(4, Ms(20)), Purse(1));
  rig.Answer(0, Ms(40), Code::kUnavailable);
  rig.Answer(1, Ms(5), Code::kUnavailable);
  rig.Run();
  EXPECT_THAT(
      rig.lines(),
      ElementsAre("0s launch 0", "20ms launch 1 hedge",
                  "40ms finish attempt 0 UNAVAILABLE budget_exhausted"));
}

TEST(CallDriverHedgingTest, AThrottledHedgeLeavesTheFirstAlone) {
  CallRig::Setup setup;
  setup.budget.throttling = ThrottlingOptions{2, 0.1};
  CallRig rig(Hedging(3, Ms(100)), setup);
  rig.budget().OnAttemptEnd(/*success=*/false);  // of another call
  rig.Answer(0, Ms(500));
  rig.Run();
  EXPECT_THAT(rig.lines(),
              ElementsAre("0s launch 0", "500ms finish attempt 0 OK"));
  EXPECT_EQ(Stops(rig, Reason::kThrottled), 1);
}

TEST(CallDriverHedgingTest, WhatMayNotRunTwiceIsNeverHedged) {
  MethodOptions options = Hedging(3, Ms(100));
  options.idempotent = false;
  CallRig rig(options);
  rig.Answer(0, Ms(500));
  rig.Run();
  EXPECT_THAT(rig.lines(),
              ElementsAre("0s launch 0", "500ms finish attempt 0 OK"));
}

TEST(CallDriverHedgingTest, ALoserIsOnRecord) {
  CallRig rig(Hedging(2, Ms(100)));
  rig.Answer(1, Ms(5));
  rig.Run();
  const CallDriver::Attempt& loser = rig.driver().attempt(0);
  EXPECT_TRUE(loser.settled);
  EXPECT_EQ(loser.ended, At(Ms(105)));
  EXPECT_EQ(loser.code, Code::kCancelled);
  EXPECT_EQ(loser.attribution, Attribution::kSuperseded);
}

}  // namespace
}  // namespace firebreak::core
