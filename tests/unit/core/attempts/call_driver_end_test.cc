// How a call ends: cancelled, at its deadline, by the fallback, or destroyed.
// In every state it ends once, and returns everything that it took.
#include <functional>
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
using ::testing::IsEmpty;

int64_t Ended(const CallRig& rig, Attribution a) {
  return rig.counts().attributions[static_cast<size_t>(a)];
}

CallRig::Setup WithFallback(Duration deadline = kInfiniteDuration) {
  CallRig::Setup setup;
  setup.deadline = deadline;
  setup.fallbacks = {kInfiniteDuration};
  setup.budget.floor = 0;
  return setup;
}

MethodOptions Guarded(MethodOptions options) {
  options.breaker = TripsAfter(1);
  return options;
}

// --- The deadline ---------------------------------------------------------

TEST(CallDriverEndTest, ADeadlineSpentBeforeTheStartSendsNothing) {
  for (Duration deadline : {-Ms(1), Duration::zero()}) {
    CallRig rig(Guarded(Retrying(3)), WithFallback(deadline));
    rig.Start();
    EXPECT_THAT(rig.lines(), ElementsAre("0s finish DEADLINE_EXCEEDED "
                                         "deadline_exceeded"));
    EXPECT_EQ(rig.counts().end(CallEnd::kRejected), 1);
    EXPECT_EQ(
        rig.counts().rejections[static_cast<size_t>(Reason::kDeadlineExceeded)],
        1);
  }
}

TEST(CallDriverEndTest, AttemptsInFlightAtTheDeadlineHaveFailed) {
  MethodOptions options = Hedging(2, Ms(20));
  options.breaker = TripsAfter(3);
  CallRig rig(options, WithFallback(Ms(80)));
  rig.Run();
  EXPECT_THAT(rig.lines(),
              ElementsAre("0s launch 0", "20ms launch 1 hedge", "80ms cancel 0",
                          "80ms cancel 1",
                          "80ms finish DEADLINE_EXCEEDED deadline_exceeded"));
  EXPECT_EQ(Ended(rig, Attribution::kServerFailure), 2);
  EXPECT_EQ(rig.breaker().Snapshot(rig.now()).consecutive_failures, 2);
}

TEST(CallDriverEndTest, TheDeadlineBeatsAnEarlierFailureWhileOneIsInFlight) {
  CallRig rig(Hedging(2, Ms(20)), WithFallback(Ms(80)));
  rig.Answer(0, Ms(30), Code::kUnavailable);
  rig.Run();
  EXPECT_EQ(rig.lines().back(),
            "80ms finish DEADLINE_EXCEEDED deadline_exceeded");
}

TEST(CallDriverEndTest, AnAnswerThatComesWithTheDeadlineIsTaken) {
  CallRig rig(Retrying(2), WithFallback(Ms(80)));
  rig.Answer(0, Ms(80));
  rig.Run();
  EXPECT_THAT(rig.lines(),
              ElementsAre("0s launch 0", "80ms finish attempt 0 OK"));
}

// --- A deadline that the plan does not know ---------------------------------

TEST(CallDriverEndTest, TheCallersDeadlineEndsABackoff) {
  CallRig rig(Retrying(3), WithFallback());
  rig.Start();
  rig.End(0, Code::kUnavailable);
  ASSERT_EQ(rig.driver().in_flight(), 0);
  rig.CallersDeadline();
  ASSERT_TRUE(rig.driver().finished());
  // The server's status is more useful than DEADLINE_EXCEEDED. The fallback is
  // not asked, since the caller no longer waits.
  EXPECT_EQ(rig.last().finish->attempt, 0);
  EXPECT_EQ(rig.last().finish->code, Code::kUnavailable);
  EXPECT_FALSE(rig.last().ask_link.has_value());
  EXPECT_EQ(rig.counts().end(CallEnd::kFailure), 1);
}

TEST(CallDriverEndTest, TheCallersDeadlineEndsACallThatHasNotBegun) {
  CallRig rig(Retrying(3));
  rig.CallersDeadline();
  EXPECT_EQ(rig.last().finish->code, Code::kDeadlineExceeded);
  EXPECT_EQ(rig.counts().end(CallEnd::kRejected), 1);
  rig.Start();
  EXPECT_THAT(rig.last().launch, IsEmpty());
}

TEST(CallDriverEndTest, TheCallersDeadlineFailsWhatIsInFlight) {
  CallRig rig(Guarded(Retrying(3)));
  rig.Start();
  rig.MoveTo(Ms(20));
  rig.CallersDeadline();
  EXPECT_THAT(rig.lines(),
              ElementsAre("0s launch 0", "20ms cancel 0",
                          "20ms finish DEADLINE_EXCEEDED deadline_exceeded"));
  EXPECT_EQ(Ended(rig, Attribution::kServerFailure), 1);
  rig.CallersDeadline();
  EXPECT_FALSE(rig.last().finish.has_value());
}

// --- The beginning of an answer that the caller has -------------------------

TEST(CallDriverEndTest, ACommittedAttemptIsTheOnlyOneLeft) {
  CallRig rig(Hedging(3, Ms(20)), WithFallback());
  rig.Run(Ms(20));
  ASSERT_EQ(rig.driver().in_flight(), 2);
  rig.MoveTo(Ms(30));
  rig.Commit(0);
  EXPECT_EQ(rig.lines().back(), "30ms cancel 1");
  EXPECT_EQ(Ended(rig, Attribution::kSuperseded), 1);
  rig.MoveTo(Ms(500));
  rig.Timer();
  EXPECT_THAT(rig.last().launch, IsEmpty());
}

TEST(CallDriverEndTest, ACommittedAttemptsFailureIsTheCalls) {
  CallRig rig(Retrying(3));
  rig.Start();
  rig.Commit(0);
  rig.End(0, Code::kUnavailable);
  EXPECT_THAT(rig.lines(),
              ElementsAre("0s launch 0", "0s finish attempt 0 UNAVAILABLE"));
}

TEST(CallDriverEndTest, WhatIsOverCannotBeCommitted) {
  CallRig rig(Retrying(3));
  rig.Commit(0);
  rig.Start();
  rig.Commit(1);
  rig.End(0, Code::kUnavailable);
  rig.Commit(0);
  EXPECT_FALSE(rig.driver().finished());
  rig.Run();
  EXPECT_EQ(rig.driver().launched(), 2);
}

// --- The caller's cancel ----------------------------------------------------

TEST(CallDriverEndTest, CancelledBeforeTheStart) {
  CallRig rig(Retrying(3), WithFallback());
  rig.Cancel();
  EXPECT_THAT(rig.lines(), ElementsAre("0s finish CANCELLED cancelled"));
  rig.Start();
  EXPECT_THAT(rig.last().launch, IsEmpty());
  EXPECT_FALSE(rig.last().finish.has_value());
  EXPECT_EQ(rig.counts().calls, 1);
  EXPECT_EQ(rig.counts().end(CallEnd::kCancelled), 1);
}

TEST(CallDriverEndTest, CancelledWhileAttemptsRun) {
  CallRig rig(Guarded(Hedging(3, Ms(20))), WithFallback());
  rig.Run(Ms(30));
  rig.Cancel();
  EXPECT_THAT(rig.lines(),
              ElementsAre("0s launch 0", "20ms launch 1 hedge", "30ms cancel 0",
                          "30ms cancel 1", "30ms finish CANCELLED cancelled"));
  EXPECT_EQ(Ended(rig, Attribution::kCancelledByCaller), 2);
  EXPECT_EQ(rig.counts().end(CallEnd::kCancelled), 1);
  EXPECT_EQ(rig.breaker().Snapshot(rig.now()).window_calls, 0);
}

TEST(CallDriverEndTest, CancelledDuringTheBackoff) {
  CallRig rig(Retrying(3), WithFallback());
  rig.Answer(0, Ms(5), Code::kUnavailable);
  rig.Run(Ms(50));
  EXPECT_DOUBLE_EQ(rig.tokens(), 9);
  rig.Cancel();
  EXPECT_THAT(rig.lines(),
              ElementsAre("0s launch 0", "50ms finish CANCELLED cancelled"));
  EXPECT_DOUBLE_EQ(rig.tokens(), 10);
  EXPECT_EQ(rig.driver().wake_at(), kInfiniteFuture);
}

TEST(CallDriverEndTest, CancelledWhileTheFallbackRuns) {
  CallRig rig(Retrying(3), WithFallback());
  rig.Start();
  rig.End(0, Code::kInternal);
  rig.Cancel();
  rig.FallbackEnds(true);
  EXPECT_THAT(rig.lines(), ElementsAre("0s launch 0", "0s ask the fallback",
                                       "0s finish CANCELLED cancelled"));
  EXPECT_EQ(rig.counts().end(CallEnd::kCancelled), 1);
  EXPECT_EQ(rig.counts().fallbacks, 0);
}

TEST(CallDriverEndTest, CancelledAfterTheEnd) {
  CallRig rig(Retrying(3));
  rig.Start();
  rig.End(0, Code::kOk);
  rig.Cancel();
  EXPECT_THAT(rig.lines(),
              ElementsAre("0s launch 0", "0s finish attempt 0 OK"));
  EXPECT_EQ(rig.counts().end(CallEnd::kCancelled), 0);
}

TEST(CallDriverEndTest, AnAttemptThatSaysTheCallerCancelledEndsTheCall) {
  CallRig rig(Guarded(Hedging(3, Ms(20))), WithFallback());
  rig.Run(Ms(30));
  AttemptEnd end;
  end.code = Code::kCancelled;
  end.cancelled_by_caller = true;
  rig.EndWith(1, end);
  EXPECT_THAT(rig.lines(),
              ElementsAre("0s launch 0", "20ms launch 1 hedge", "30ms cancel 0",
                          "30ms finish attempt 1 CANCELLED cancelled"));
  EXPECT_EQ(rig.counts().end(CallEnd::kCancelled), 1);
  EXPECT_EQ(Ended(rig, Attribution::kCancelledByCaller), 2);
  EXPECT_EQ(Ended(rig, Attribution::kSuperseded), 0);
}

TEST(CallDriverEndTest, ACancelByTheCallerIsNotRetriedWhateverTheList) {
  MethodOptions options = Retrying(3);
  options.retry->codes = {Code::kCancelled};
  CallRig rig(options);
  rig.Start();
  AttemptEnd end;
  end.code = Code::kCancelled;
  end.cancelled_by_caller = true;
  rig.EndWith(0, end);
  EXPECT_TRUE(rig.driver().finished());
  // If someone else cancelled, it is a failure like any other.
  CallRig other(options);
  other.Start();
  other.End(0, Code::kCancelled);
  EXPECT_FALSE(other.driver().finished());
}

// --- The fallback ------------------------------------------------------------

TEST(CallDriverEndTest, TheFallbackTurnsAFailureIntoAnAnswer) {
  CallRig rig(Retrying(2), WithFallback());
  rig.Answer(0, Ms(5), Code::kInternal);
  rig.Run();
  EXPECT_EQ(rig.last().ask_link, 0);
  ASSERT_TRUE(rig.last().finish.has_value());
  EXPECT_EQ(rig.last().finish->code, Code::kInternal);
  EXPECT_FALSE(rig.driver().finished());
  rig.MoveTo(Ms(8));
  rig.FallbackEnds(true);
  EXPECT_THAT(rig.lines(), ElementsAre("0s launch 0", "5ms ask the fallback",
                                       "8ms finish fallback OK"));
  EXPECT_EQ(rig.last().finish->attempt, CallDriver::Finish::kNoAttempt);
  EXPECT_EQ(rig.counts().fallbacks, 1);
  EXPECT_EQ(rig.counts().end(CallEnd::kSuccess), 1);
  rig.FallbackEnds(false);  // a second end is ignored
  EXPECT_EQ(rig.lines().size(), 3U);
}

TEST(CallDriverEndTest, AFailedFallbackKeepsTheFailure) {
  CallRig rig(Retrying(2), WithFallback());
  rig.Start();
  rig.End(0, Code::kInternal);
  rig.FallbackEnds(false);
  EXPECT_EQ(rig.lines().back(), "0s finish attempt 0 INTERNAL fallback_failed");
  EXPECT_EQ(rig.counts().end(CallEnd::kFailure), 1);
  EXPECT_EQ(rig.counts().fallbacks, 0);
}

TEST(CallDriverEndTest, AFailedFallbackKeepsTheReasonToo) {
  CallRig rig(Guarded(Retrying(2)), WithFallback());
  rig.Trip();
  rig.Start();
  EXPECT_THAT(rig.lines(), ElementsAre("0s ask the fallback"));
  rig.FallbackEnds(false);
  EXPECT_EQ(rig.lines().back(),
            "0s finish UNAVAILABLE breaker_open, retry after 10s");
  EXPECT_EQ(rig.counts().end(CallEnd::kRejected), 1);
}

TEST(CallDriverEndTest, TheFallbackAnswersARejectedCall) {
  CallRig rig(Guarded(Retrying(2)), WithFallback());
  rig.Trip();
  rig.Start();
  rig.FallbackEnds(true);
  EXPECT_EQ(rig.lines().back(), "0s finish fallback OK");
  EXPECT_EQ(rig.counts().end(CallEnd::kSuccess), 1);
  EXPECT_EQ(rig.counts().end(CallEnd::kRejected), 0);
}

TEST(CallDriverEndTest, TheFallbackAnswersWhenRetriesAreUsedUp) {
  CallRig rig(Retrying(2), WithFallback());
  rig.AnswerAll(2, Ms(5), Code::kUnavailable);
  rig.Run();
  EXPECT_EQ(rig.lines().back(), "110ms ask the fallback");
}

TEST(CallDriverEndTest, TheFallbackAnswersWhenTheRetryIsRefusedAtItsTime) {
  MethodOptions options = Retrying(3);
  options.breaker = TripsAfter(3);
  CallRig rig(options, WithFallback());
  rig.Answer(0, Ms(5), Code::kUnavailable);
  rig.Run(Ms(50));
  rig.Trip();
  rig.Run();
  EXPECT_EQ(rig.lines().back(), "105ms ask the fallback");
  EXPECT_EQ(rig.last().finish->reason, Reason::kBreakerOpen);
}

TEST(CallDriverEndTest, ARetryThatWaitedIsRefundedBeforeTheFallbackRuns) {
  CallRig rig(Hedging(3, Ms(20)), WithFallback());
  rig.Answer(0, Ms(50), Code::kInternal);
  rig.Answer(1, Ms(5), Code::kUnavailable, Ms(300));
  rig.Run(Ms(30));
  EXPECT_DOUBLE_EQ(rig.tokens(), 8);  // a hedge, and a retry that waits
  rig.Run(Ms(60));
  EXPECT_EQ(rig.lines().back(), "50ms ask the fallback");
  EXPECT_DOUBLE_EQ(rig.tokens(), 9);
  rig.FallbackEnds(true);
  EXPECT_DOUBLE_EQ(rig.tokens(), 9);
}

TEST(CallDriverEndTest, TheDeadlineEndsTheFallbackWithTheFailure) {
  CallRig rig(Retrying(2), WithFallback(Ms(80)));
  rig.Answer(0, Ms(5), Code::kInternal);
  rig.Run();
  EXPECT_THAT(rig.lines(), ElementsAre("0s launch 0", "5ms ask the fallback",
                                       "80ms finish attempt 0 INTERNAL"));
  rig.FallbackEnds(true);
  EXPECT_EQ(rig.lines().size(), 3U);
  EXPECT_EQ(rig.counts().fallbacks, 0);
  EXPECT_EQ(rig.counts().end(CallEnd::kFailure), 1);
}

TEST(CallDriverEndTest, AFallbackThatNobodyBeginsIsGivenUp) {
  CallRig::Setup setup = WithFallback();
  setup.fallback_begins = false;
  CallRig rig(Retrying(2), setup);
  rig.Answer(0, Ms(5), Code::kInternal);
  rig.Run();
  EXPECT_THAT(rig.lines(),
              ElementsAre("0s launch 0", "5ms ask the fallback",
                          "1.005s finish attempt 0 INTERNAL fallback_failed"));
  // Its thread begins now, which is too late.
  EXPECT_FALSE(rig.driver().OnLinkBegin(0));
  EXPECT_EQ(rig.driver().wake_at(), kInfiniteFuture);
}

TEST(CallDriverEndTest, AFallbackThatHasBegunHasAllTheTimeThereIs) {
  CallRig::Setup setup = WithFallback(Sec(60));
  setup.fallback_begins = false;
  CallRig rig(Retrying(2), setup);
  rig.Answer(0, Ms(5), Code::kInternal);
  rig.Run(Ms(900));
  EXPECT_TRUE(rig.driver().OnLinkBegin(0));
  rig.MoveTo(Sec(30));
  rig.Timer();
  EXPECT_FALSE(rig.driver().finished());
  EXPECT_EQ(rig.driver().wake_at(), At(Sec(60)));
  rig.FallbackEnds(true);
  EXPECT_EQ(rig.lines().back(), "30s finish fallback OK");
}

// --- A chain of them ------------------------------------------------------

using LinkEnd = CallDriver::LinkEnd;

CallRig::Setup WithChain(std::vector<Duration> times) {
  CallRig::Setup setup = WithFallback(Sec(60));
  setup.fallbacks = std::move(times);
  return setup;
}

std::vector<LinkEnd> EndsOf(CallRig* rig) {
  std::vector<LinkEnd> ends;
  for (const CallDriver::Link& link : rig->driver().links()) {
    ends.push_back(link.end);
  }
  return ends;
}

TEST(CallDriverEndTest, LinksAreAskedInOrderUntilOneAnswers) {
  CallRig rig(Retrying(2),
              WithChain({kInfiniteDuration, kInfiniteDuration, Ms(10)}));
  rig.Answer(0, Ms(5), Code::kInternal);
  rig.Run(Ms(6));
  rig.FallbackEnds(false, 0);
  EXPECT_EQ(rig.last().finish->code, Code::kInternal);
  rig.MoveTo(Ms(8));
  rig.FallbackEnds(true, 1);
  EXPECT_THAT(rig.lines(),
              ElementsAre("0s launch 0", "5ms ask the fallback",
                          "6ms ask fallback 1", "8ms finish fallback OK"));
  EXPECT_THAT(EndsOf(&rig), ElementsAre(LinkEnd::kFailed, LinkEnd::kAnswered));
  EXPECT_EQ(rig.counts().fallbacks, 1);
}

TEST(CallDriverEndTest, ALinkThatIsLateIsGivenUpForTheNext) {
  CallRig rig(Retrying(2), WithChain({Ms(20), kInfiniteDuration}));
  rig.Answer(0, Ms(5), Code::kInternal);
  rig.Run(Ms(30));
  EXPECT_EQ(rig.lines().back(), "25ms ask fallback 1");
  // The first link answers after all, but its answer is ignored.
  rig.FallbackEnds(true, 0);
  EXPECT_FALSE(rig.driver().finished());
  rig.FallbackEnds(true, 1);
  EXPECT_EQ(rig.lines().back(), "30ms finish fallback OK");
  EXPECT_THAT(EndsOf(&rig), ElementsAre(LinkEnd::kLate, LinkEnd::kAnswered));
}

TEST(CallDriverEndTest, ALinkIsLateThoughItsTimerIsLaterStill) {
  CallRig rig(Retrying(2), WithChain({Ms(20), kInfiniteDuration}));
  rig.Answer(0, Ms(5), Code::kInternal);
  rig.Run(Ms(5));
  // The timer has not been reported yet.
  rig.MoveTo(Ms(26));
  rig.FallbackEnds(true, 0);
  EXPECT_EQ(rig.lines().back(), "26ms ask fallback 1");
  rig.FallbackEnds(true, 1);
  EXPECT_THAT(EndsOf(&rig), ElementsAre(LinkEnd::kLate, LinkEnd::kAnswered));
}

TEST(CallDriverEndTest, ALinkThatNobodyBeginsIsGivenUpForTheNext) {
  CallRig::Setup setup = WithChain({kInfiniteDuration, Ms(20)});
  setup.fallback_begins = false;
  CallRig rig(Retrying(2), setup);
  rig.Answer(0, Ms(5), Code::kInternal);
  rig.Run();
  EXPECT_THAT(rig.lines(),
              ElementsAre("0s launch 0", "5ms ask the fallback",
                          "1.005s ask fallback 1",
                          "1.025s finish attempt 0 INTERNAL fallback_failed"));
  EXPECT_THAT(EndsOf(&rig),
              ElementsAre(LinkEnd::kNotBegun, LinkEnd::kNotBegun));
}

TEST(CallDriverEndTest, WhenAllLinksFailTheFailureStands) {
  CallRig rig(Retrying(2), WithChain({Ms(20), Ms(20)}));
  rig.Answer(0, Ms(5), Code::kInternal);
  rig.Run(Ms(5));
  rig.FallbackEnds(false, 0);
  rig.Run();
  EXPECT_EQ(rig.lines().back(),
            "25ms finish attempt 0 INTERNAL fallback_failed");
  EXPECT_THAT(EndsOf(&rig), ElementsAre(LinkEnd::kFailed, LinkEnd::kLate));
  EXPECT_EQ(rig.counts().fallbacks, 0);
  EXPECT_EQ(rig.counts().end(CallEnd::kFailure), 1);
}

TEST(CallDriverEndTest, ACallThatIsCancelledMeanwhileAbandonsItsLink) {
  CallRig rig(Retrying(2), WithChain({Ms(20), Ms(20)}));
  rig.Answer(0, Ms(5), Code::kInternal);
  rig.Run(Ms(7));
  rig.Cancel();
  EXPECT_THAT(EndsOf(&rig), ElementsAre(LinkEnd::kAbandoned));
  EXPECT_EQ(rig.driver().links()[0].ended, At(Ms(7)));
  EXPECT_EQ(rig.driver().wake_at(), kInfiniteFuture);
}

TEST(CallDriverEndTest, NoFallbackAfterTheDeadline) {
  CallRig rig(Retrying(2), WithFallback(Ms(80)));
  rig.Start();
  rig.MoveTo(Ms(80));
  rig.End(0, Code::kInternal);
  EXPECT_EQ(rig.lines().back(), "80ms finish attempt 0 INTERNAL");
}

TEST(CallDriverEndTest, NoFallbackAfterSuccess) {
  CallRig rig(Retrying(2), WithFallback());
  rig.Start();
  rig.End(0, Code::kOk);
  EXPECT_EQ(rig.lines().back(), "0s finish attempt 0 OK");
}

TEST(CallDriverEndTest, AnAnswerOfNoFallbackThatWasNotAskedIsIgnored) {
  CallRig rig(Retrying(2), WithFallback());
  rig.Start();
  rig.FallbackEnds(true);
  EXPECT_THAT(rig.lines(), ElementsAre("0s launch 0"));
  EXPECT_FALSE(rig.driver().finished());
}

// --- After the end -----------------------------------------------------------

TEST(CallDriverEndTest, NothingHappensAfterTheEnd) {
  MethodOptions options = Hedging(3, Ms(20));
  options.breaker = TripsAfter(2);
  CallRig rig(options, WithFallback(Ms(500)));
  rig.Run(Ms(30));
  rig.End(0, Code::kOk);
  const std::vector<std::string> lines = rig.lines();
  const MethodCounts before = rig.counts();
  EXPECT_TRUE(rig.driver().finished());
  rig.Start();
  rig.End(1, Code::kUnavailable);
  rig.End(0, Code::kUnavailable);
  rig.FallbackEnds(true);
  rig.Cancel();
  rig.MoveTo(Ms(500));
  rig.Timer();
  EXPECT_EQ(rig.lines(), lines);
  EXPECT_EQ(rig.counts().ends, before.ends);
  EXPECT_EQ(rig.counts().attributions, before.attributions);
  EXPECT_EQ(rig.breaker().Snapshot(rig.now()).consecutive_failures, 0);
  rig.Destroy();
  EXPECT_EQ(rig.counts().ends, before.ends);
}

// --- Destroyed ---------------------------------------------------------------

TEST(CallDriverEndTest, DestroyedInEveryState) {
  const struct {
    const char* state;
    std::function<void(CallRig*)> lead_there;
    int64_t abandoned_calls;
    int64_t abandoned_attempts;
  } kCases[] = {
      {"before the start", [](CallRig*) {}, 0, 0},
      {"running", [](CallRig* rig) { rig->Start(); }, 1, 1},
      {"hedged", [](CallRig* rig) { rig->Run(Ms(30)); }, 1, 2},
      {"waiting for a retry",
       [](CallRig* rig) {
         rig->Start();
         rig->End(0, Code::kUnavailable, Ms(50));
       },
       1, 0},
      {"in the fallback",
       [](CallRig* rig) {
         rig->Start();
         rig->End(0, Code::kNotFound);
       },
       1, 0},
      {"finished",
       [](CallRig* rig) {
         rig->Start();
         rig->End(0, Code::kOk);
       },
       0, 0},
  };
  for (const auto& c : kCases) {
    SCOPED_TRACE(c.state);
    CallRig rig(Hedging(2, Ms(20)), WithFallback(Sec(5)));
    c.lead_there(&rig);
    const int hedges = rig.driver().launched() > 1 ? 1 : 0;
    rig.Destroy();
    const MethodCounts counts = rig.counts();
    EXPECT_EQ(counts.in_flight, 0);
    EXPECT_EQ(counts.end(CallEnd::kAbandoned), c.abandoned_calls);
    EXPECT_EQ(Ended(rig, Attribution::kAbandoned), c.abandoned_attempts);
    EXPECT_DOUBLE_EQ(rig.tokens(), 10.0 - hedges);
  }
}

TEST(CallDriverEndTest, ADestroyedProbeGivesItsSlotBack) {
  CallRig rig(Guarded(Retrying(2)));
  rig.Trip();
  rig.MoveTo(Sec(10));
  rig.Start();
  EXPECT_EQ(rig.breaker().Snapshot(rig.now()).probes_in_flight, 1);
  rig.Destroy();
  const BreakerSnapshot s = rig.breaker().Snapshot(rig.now());
  EXPECT_EQ(s.probes_in_flight, 0);
  EXPECT_EQ(s.state, BreakerState::kHalfOpen);
}

TEST(CallDriverEndTest, ACancelledProbeDecidesNothing) {
  CallRig rig(Guarded(Retrying(2)));
  rig.Trip();
  rig.MoveTo(Sec(10));
  rig.Start();
  rig.Cancel();
  const BreakerSnapshot s = rig.breaker().Snapshot(rig.now());
  EXPECT_EQ(s.probes_in_flight, 0);
  EXPECT_EQ(s.state, BreakerState::kHalfOpen);
}

}  // namespace
}  // namespace firebreak::core
