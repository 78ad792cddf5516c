// Retry inside the deadline, on a timeline.
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/core/attempts/backoff.h"
#include "src/core/attempts/call_driver.h"
#include "tests/support/core_fixtures.h"

namespace firebreak::core {
namespace {

using Code = absl::StatusCode;
using ::testing::ElementsAre;

int64_t Stops(const CallRig& rig, Reason reason) {
  return rig.counts().stops[static_cast<size_t>(reason)];
}

CallRig::Setup Within(Duration deadline) {
  CallRig::Setup setup;
  setup.deadline = deadline;
  return setup;
}

TEST(CallDriverRetryTest, SucceedsAfterTwoFailures) {
  CallRig rig(Retrying(3));
  rig.Answer(0, Ms(5), Code::kUnavailable);
  rig.Answer(1, Ms(5), Code::kUnavailable);
  rig.Answer(2, Ms(5));
  rig.Run();
  EXPECT_THAT(rig.lines(),
              ElementsAre("0s launch 0", "105ms launch 1 retry",
                          "310ms launch 2 retry", "315ms finish attempt 2 OK"));
  EXPECT_EQ(rig.counts().end(CallEnd::kSuccess), 1);
  EXPECT_EQ(rig.counts().attempts_of(AttemptKind::kRetry), 2);
  EXPECT_NEAR(ToSeconds(rig.stats().latency().Quantile(0.5)), 0.315, 0.005);
}

TEST(CallDriverRetryTest, WaitsExactlyTheJitteredBackoff) {
  MethodOptions options = Retrying(4);
  options.retry->backoff.jitter = BackoffOptions::Jitter::kFull;
  CallRig rig(options);
  rig.AnswerAll(4, Duration::zero(), Code::kUnavailable);
  rig.Run();
  Rng rng(1);  // the rig's seed
  Time at{};
  std::vector<std::string> want = {"0s launch 0"};
  for (int retry = 1; retry < 4; ++retry) {
    at += BackoffDelay(options.retry->backoff, retry, &rng);
    want.push_back(
        absl::StrCat(FormatDuration(at - Time{}), " launch ", retry, " retry"));
  }
  want.push_back(
      absl::StrCat(FormatDuration(at - Time{}),
                   " finish attempt 3 UNAVAILABLE attempts_exhausted"));
  EXPECT_EQ(rig.lines(), want);
}

TEST(CallDriverRetryTest, EndsWithTheLastFailureWhenAttemptsAreUsedUp) {
  CallRig rig(Retrying(2));
  rig.AnswerAll(2, Ms(5), Code::kUnavailable);
  rig.Run();
  EXPECT_THAT(rig.lines(), ElementsAre("0s launch 0", "105ms launch 1 retry",
                                       "110ms finish attempt 1 UNAVAILABLE "
                                       "attempts_exhausted"));
  EXPECT_EQ(rig.counts().end(CallEnd::kFailure), 1);
  EXPECT_EQ(Stops(rig, Reason::kAttemptsExhausted), 1);
}

TEST(CallDriverRetryTest, ACodeThatIsNotListedEndsTheCall) {
  for (Code code : {Code::kInternal, Code::kNotFound, Code::kCancelled,
                    Code::kDeadlineExceeded, static_cast<Code>(42)}) {
    CallRig rig(Retrying(3));
    rig.Answer(0, Ms(5), code);
    rig.Run();
    EXPECT_THAT(
        rig.lines(),
        ElementsAre("0s launch 0", "5ms finish attempt 0 " + CodeName(code)));
    EXPECT_EQ(rig.counts().end(CallEnd::kFailure), 1);
  }
}

TEST(CallDriverRetryTest, AListedCodeIsRetriedThoughItIsNoFailure) {
  MethodOptions options = Retrying(2);
  options.retry->codes = {Code::kAborted, Code::kResourceExhausted};
  options.breaker = TripsAfter(1);
  for (Code code : {Code::kAborted, Code::kResourceExhausted}) {
    CallRig rig(options);
    rig.Answer(0, Ms(5), code);
    rig.Answer(1, Ms(5));
    rig.Run();
    EXPECT_THAT(rig.lines(), ElementsAre("0s launch 0", "105ms launch 1 retry",
                                         "110ms finish attempt 1 OK"));
  }
}

TEST(CallDriverRetryTest, WithoutRetryTheFirstAnswerIsTheLast) {
  MethodOptions options;
  options.timeout = Sec(1);
  CallRig rig(options);
  rig.Answer(0, Ms(5), Code::kUnavailable);
  rig.Run();
  EXPECT_THAT(rig.lines(),
              ElementsAre("0s launch 0", "5ms finish attempt 0 UNAVAILABLE"));
}

TEST(CallDriverRetryTest, ADeadlineOf80MsEndsAt80Ms) {
  CallRig rig(Retrying(3), Within(Ms(80)));
  EXPECT_EQ(rig.driver().wake_at(), kInfiniteFuture);
  rig.Run();
  EXPECT_THAT(rig.lines(),
              ElementsAre("0s launch 0", "80ms cancel 0",
                          "80ms finish DEADLINE_EXCEEDED deadline_exceeded"));
  EXPECT_EQ(rig.counts().end(CallEnd::kFailure), 1);
  EXPECT_EQ(rig.driver().wake_at(), kInfiniteFuture);
}

TEST(CallDriverRetryTest, ATimerThatComesEarlyDoesNothing) {
  CallRig rig(Retrying(3), Within(Ms(80)));
  rig.Start();
  EXPECT_EQ(rig.driver().wake_at(), At(Ms(80)));
  rig.MoveTo(Ms(80) - Duration(1));
  rig.Timer();
  EXPECT_THAT(rig.lines(), ElementsAre("0s launch 0"));
}

TEST(CallDriverRetryTest, NoBackoffBeginsThatTheDeadlineCannotPayFor) {
  // The retry would start at 105 ms.
  const struct {
    int64_t deadline_ms;
    std::vector<std::string> want;
  } kCases[] = {
      {104,
       {"0s launch 0", "5ms finish attempt 0 UNAVAILABLE deadline_too_close"}},
      {105,
       {"0s launch 0", "5ms finish attempt 0 UNAVAILABLE deadline_too_close"}},
      {106,
       {"0s launch 0", "105ms launch 1 retry", "106ms cancel 1",
        "106ms finish DEADLINE_EXCEEDED deadline_exceeded"}},
  };
  for (const auto& c : kCases) {
    CallRig rig(Retrying(3), Within(Ms(c.deadline_ms)));
    rig.Answer(0, Ms(5), Code::kUnavailable);
    rig.Run();
    EXPECT_EQ(rig.lines(), c.want);
    EXPECT_EQ(Stops(rig, Reason::kDeadlineTooClose),
              c.deadline_ms > 105 ? 0 : 1);
  }
}

TEST(CallDriverRetryTest, ATimerThatComesAfterTheDeadlineLaunchesNothing) {
  CallRig rig(Retrying(3), Within(Ms(200)));
  rig.Start();
  rig.MoveTo(Ms(5));
  rig.End(0, Code::kUnavailable);
  EXPECT_EQ(rig.driver().wake_at(), At(Ms(105)));
  EXPECT_DOUBLE_EQ(rig.tokens(), 9);
  rig.MoveTo(Ms(200));
  rig.Timer();
  EXPECT_THAT(rig.lines(), ElementsAre("0s launch 0",
                                       "200ms finish attempt 0 UNAVAILABLE "
                                       "deadline_too_close"));
  EXPECT_DOUBLE_EQ(rig.tokens(), 10);
}

TEST(CallDriverRetryTest, AFailureThatComesAfterTheDeadlineIsTheLast) {
  MethodOptions options = Retrying(3);
  options.retry->backoff.initial = Duration::zero();
  CallRig rig(options, Within(Ms(80)));
  rig.Start();
  rig.MoveTo(Ms(80));
  rig.End(0, Code::kUnavailable);
  EXPECT_THAT(rig.lines(), ElementsAre("0s launch 0",
                                       "80ms finish attempt 0 UNAVAILABLE "
                                       "deadline_too_close"));
}

TEST(CallDriverRetryTest, EachAttemptHasItsOwnDeadline) {
  MethodOptions options = Retrying(3);
  options.retry->attempt_timeout = Ms(100);
  options.retry->codes = {Code::kDeadlineExceeded};
  CallRig rig(options, Within(Ms(250)));
  rig.Start();
  EXPECT_EQ(rig.last().launch[0].deadline, At(Ms(100)));
  rig.MoveTo(Ms(100));
  rig.End(0, Code::kDeadlineExceeded);
  rig.Run(Ms(200));
  ASSERT_EQ(rig.last().launch.size(), 1U);
  EXPECT_EQ(rig.last().launch[0].deadline, At(Ms(250)));
}

// gRFC A6: the wait is exactly the pushback, whether it is longer or shorter
// than the backoff (100 ms here). After it the backoff starts from the first
// wait again.
TEST(CallDriverRetryTest, PushbackIsExactAndStartsTheBackoffAnew) {
  for (const int64_t ms : {0, 99, 100, 101, 3000}) {
    CallRig rig(Retrying(4));
    rig.Answer(0, Ms(5), Code::kUnavailable);
    rig.Answer(1, Ms(5), Code::kUnavailable, Ms(ms));
    rig.Answer(2, Ms(5), Code::kUnavailable);
    rig.Answer(3, Ms(5));
    rig.Run();
    const Duration second = Ms(105 + 5 + ms);
    EXPECT_THAT(
        rig.lines(),
        ElementsAre(
            "0s launch 0", "105ms launch 1 retry",
            absl::StrCat(FormatDuration(second), " launch 2 retry"),
            absl::StrCat(FormatDuration(second + Ms(105)), " launch 3 retry"),
            absl::StrCat(FormatDuration(second + Ms(110)),
                         " finish attempt 3 OK")));
  }
}

TEST(CallDriverRetryTest, PushbackThatTheDeadlineCannotPayForEndsTheCall) {
  CallRig rig(Retrying(3), Within(Sec(1)));
  rig.Answer(0, Ms(5), Code::kUnavailable, Ms(995));
  rig.Run();
  EXPECT_THAT(rig.lines(), ElementsAre("0s launch 0",
                                       "5ms finish attempt 0 UNAVAILABLE "
                                       "deadline_too_close"));
}

TEST(CallDriverRetryTest, PushbackForEverEndsTheCallEvenWithoutADeadline) {
  CallRig rig(Retrying(3));
  rig.Answer(0, Ms(5), Code::kUnavailable, kInfiniteDuration);
  rig.Run();
  EXPECT_THAT(rig.lines(), ElementsAre("0s launch 0",
                                       "5ms finish attempt 0 UNAVAILABLE "
                                       "pushback"));
}

// The server works and sheds load, so the breaker must not open.
TEST(CallDriverRetryTest, AServerThatPushesBackTripsNoBreaker) {
  MethodOptions options = Retrying(4);
  options.breaker = TripsAfter(2);
  CallRig rig(options);
  rig.Answer(0, Ms(5), Code::kUnavailable, Ms(10));
  rig.Answer(1, Ms(5), Code::kUnavailable, Ms(10));
  rig.Answer(2, Ms(5));
  rig.Run();
  EXPECT_THAT(rig.lines(),
              ElementsAre("0s launch 0", "15ms launch 1 retry",
                          "30ms launch 2 retry", "35ms finish attempt 2 OK"));
}

TEST(CallDriverRetryTest, NegativePushbackMeansNoRetry) {
  for (const char* text : {"-1", "-5000", "garbage", ""}) {
    CallRig rig(Retrying(3));
    rig.Answer(0, Ms(5), Code::kUnavailable, ParsePushback(text));
    rig.Run();
    EXPECT_THAT(rig.lines(), ElementsAre("0s launch 0",
                                         "5ms finish attempt 0 UNAVAILABLE "
                                         "pushback"));
    EXPECT_EQ(Stops(rig, Reason::kPushback), 1);
  }
}

TEST(CallDriverRetryTest, AnEmptyBudgetStopsRetriesAndNothingElse) {
  CallRig::Setup setup;
  setup.budget.burst = 1;
  setup.budget.floor = 0;
  setup.budget.ratio = 0;
  CallRig rig(Retrying(3), setup);
  ASSERT_TRUE(rig.budget().TryAcquire(rig.now()));
  rig.Answer(0, Ms(5), Code::kUnavailable);
  rig.Run();
  EXPECT_THAT(rig.lines(),
              ElementsAre("0s launch 0",
                          "5ms finish attempt 0 UNAVAILABLE budget_exhausted"));
  EXPECT_EQ(Stops(rig, Reason::kBudgetExhausted), 1);
}

TEST(CallDriverRetryTest, ARetryIsPaidForWhenItIsScheduled) {
  CallRig::Setup setup;
  setup.budget.floor = 0;
  setup.budget.ratio = 0;
  CallRig rig(Retrying(3), setup);
  rig.Start();
  EXPECT_DOUBLE_EQ(rig.tokens(), 10);
  rig.End(0, Code::kUnavailable);
  EXPECT_DOUBLE_EQ(rig.tokens(), 9);
  rig.Run(Ms(100));
  EXPECT_DOUBLE_EQ(rig.tokens(), 9);
}

TEST(CallDriverRetryTest, AnAdmittedCallPaysIntoTheBudget) {
  CallRig::Setup setup;
  setup.budget.ratio = 0.5;
  setup.budget.floor = 0;
  MethodOptions options = Retrying(3);
  options.breaker = TripsAfter(1);
  CallRig admitted(options, setup);
  while (admitted.budget().TryAcquire(admitted.now())) {
  }
  admitted.Start();
  EXPECT_DOUBLE_EQ(admitted.tokens(), 0.5);

  CallRig rejected(options, setup);
  while (rejected.budget().TryAcquire(rejected.now())) {
  }
  rejected.Trip();
  rejected.Start();
  EXPECT_DOUBLE_EQ(rejected.tokens(), 0);
}

TEST(CallDriverRetryTest, ABreakerThatStaysOpenStopsTheRetryBeforeTheWait) {
  MethodOptions options = Retrying(3);
  options.breaker = TripsAfter(1);
  CallRig rig(options);
  rig.Answer(0, Ms(5), Code::kUnavailable);
  rig.Run();
  EXPECT_THAT(rig.lines(),
              ElementsAre("0s launch 0",
                          "5ms finish attempt 0 UNAVAILABLE breaker_open"));
  EXPECT_EQ(Stops(rig, Reason::kBreakerOpen), 1);
  EXPECT_GE(rig.tokens(), 10);
}

TEST(CallDriverRetryTest, ABreakerThatIsDueByThenLetsTheRetryProbe) {
  MethodOptions options = Retrying(3);
  options.breaker = TripsAfter(1);
  options.breaker->open_duration = Ms(100);
  options.breaker->probes = 1;
  CallRig rig(options);
  rig.Answer(0, Ms(5), Code::kUnavailable);
  rig.Answer(1, Ms(5));
  rig.Run();
  EXPECT_THAT(rig.lines(),
              ElementsAre("0s launch 0", "105ms launch 1 retry probe",
                          "110ms finish attempt 1 OK"));
  EXPECT_EQ(rig.breaker().Snapshot(rig.now()).state, BreakerState::kClosed);
}

TEST(CallDriverRetryTest, ABreakerThatTripsDuringTheWaitStopsTheRetry) {
  MethodOptions options = Retrying(3);
  options.breaker = TripsAfter(3);
  CallRig rig(options);
  rig.Answer(0, Ms(5), Code::kUnavailable);
  rig.Run(Ms(50));
  rig.Trip();
  rig.Run();
  EXPECT_THAT(rig.lines(),
              ElementsAre("0s launch 0",
                          "105ms finish attempt 0 UNAVAILABLE breaker_open"));
  EXPECT_EQ(Stops(rig, Reason::kBreakerOpen), 1);
  EXPECT_DOUBLE_EQ(rig.tokens(), 10);  // never launched: refunded
}

TEST(CallDriverRetryTest, EveryFailedAttemptCountsForTheBreaker) {
  MethodOptions options = Retrying(3);
  options.breaker = TripsAfter(10);
  CallRig rig(options);
  rig.AnswerAll(3, Ms(5), Code::kUnavailable);
  rig.Run();
  EXPECT_EQ(rig.breaker().Snapshot(rig.now()).consecutive_failures, 3);
}

TEST(CallDriverRetryTest, TheEndOfAnAttemptIsHeardOnce) {
  MethodOptions options = Retrying(3);
  options.breaker = TripsAfter(10);
  CallRig rig(options);
  rig.Start();
  rig.End(0, Code::kUnavailable);
  rig.End(0, Code::kUnavailable);
  rig.End(0, Code::kOk);
  rig.End(-1, Code::kOk);
  rig.End(1, Code::kOk);  // not launched yet
  EXPECT_THAT(rig.lines(), ElementsAre("0s launch 0"));
  EXPECT_EQ(rig.breaker().Snapshot(rig.now()).consecutive_failures, 1);
  EXPECT_EQ(rig.driver().launched(), 1);
  EXPECT_EQ(rig.driver().wake_at(), At(Ms(100)));
}

// --- gRFC A6's throttling, and what may not run twice ------------------------

TEST(CallDriverRetryTest, ThrottledAtHalfOfTheTokens) {
  CallRig::Setup setup;
  setup.budget.throttling = ThrottlingOptions{4, 0.1};
  CallRig rig(Retrying(4), setup);
  rig.AnswerAll(4, Ms(5), Code::kUnavailable);
  rig.Run();
  // 4 tokens: the first failure leaves 3, the second 2, which is half.
  EXPECT_THAT(rig.lines(), ElementsAre("0s launch 0", "105ms launch 1 retry",
                                       "110ms finish attempt 1 UNAVAILABLE "
                                       "throttled"));
  EXPECT_EQ(Stops(rig, Reason::kThrottled), 1);
}

TEST(CallDriverRetryTest, OnlyWhatMightBeSentAgainCountsForTheThrottle) {
  CallRig::Setup setup;
  setup.budget.throttling = ThrottlingOptions{10, 0.1};
  const struct {
    Code code;
    absl::optional<Duration> pushback;
    double left;
  } kCases[] = {{Code::kNotFound, {}, 10},
                {Code::kNotFound, Ms(-1), 9},
                {Code::kNotFound, Ms(5), 10},
                {Code::kUnavailable, Ms(-1), 9}};
  for (const auto& c : kCases) {
    CallRig rig(Retrying(3), setup);
    rig.Answer(0, Ms(5), c.code, c.pushback);
    rig.Run();
    EXPECT_EQ(rig.budget().throttle_tokens(), c.left);
  }
}

TEST(CallDriverRetryTest, WhatMayNotRunTwiceIsNotSentAgain) {
  MethodOptions options = Retrying(3);
  options.idempotent = false;
  CallRig rig(options);
  rig.AnswerAll(3, Ms(5), Code::kUnavailable);
  rig.Run();
  EXPECT_THAT(rig.lines(),
              ElementsAre("0s launch 0",
                          "5ms finish attempt 0 UNAVAILABLE not_idempotent"));
}

TEST(CallDriverRetryTest, UnlessItCannotHaveRun) {
  MethodOptions options = Retrying(3);
  options.idempotent = false;
  CallRig rig(options);
  rig.Start();
  AttemptEnd unsent;
  unsent.code = Code::kUnavailable;
  unsent.origin = Origin::kNowhere;
  rig.EndWith(0, unsent);
  rig.Answer(1, Ms(5), Code::kUnavailable, Ms(20));
  rig.Answer(2, Ms(5));
  rig.Run();
  EXPECT_THAT(rig.lines(),
              ElementsAre("0s launch 0", "100ms launch 1 retry",
                          "125ms launch 2 retry", "130ms finish attempt 2 OK"));
}

TEST(CallDriverRetryTest, WhatFailedInThisProcessWouldFailAgain) {
  MethodOptions options = Retrying(3);
  options.retry->codes.Add(Code::kResourceExhausted);
  for (const Code code : {Code::kUnavailable, Code::kResourceExhausted}) {
    CallRig rig(options);
    rig.Start();
    AttemptEnd local;
    local.code = code;
    local.origin = Origin::kHere;
    rig.EndWith(0, local);
    rig.Run();
    EXPECT_THAT(rig.lines(), ElementsAre("0s launch 0", "0s finish attempt 0 " +
                                                            CodeName(code)));
    EXPECT_EQ(rig.driver().attempt(0).attribution, Attribution::kLocalError);
  }
}

TEST(CallDriverRetryTest, ACancelThatAServerSentIsRetriedWhereListed) {
  MethodOptions options = Retrying(2);
  options.retry->codes.Add(Code::kCancelled);
  for (const Origin origin : {Origin::kPeer, Origin::kHere}) {
    CallRig rig(options);
    rig.Start();
    AttemptEnd end;
    end.code = Code::kCancelled;
    end.origin = origin;
    rig.EndWith(0, end);
    rig.Answer(1, Ms(5));
    rig.Run();
    if (origin == Origin::kPeer) {
      EXPECT_THAT(rig.lines(),
                  ElementsAre("0s launch 0", "100ms launch 1 retry",
                              "105ms finish attempt 1 OK"));
    } else {
      EXPECT_THAT(rig.lines(),
                  ElementsAre("0s launch 0",
                              "0s finish attempt 0 CANCELLED cancelled"));
    }
  }
}

TEST(CallDriverRetryTest, AttemptsMayBeGivenMoreAndMoreTime) {
  MethodOptions options = Retrying(4);
  options.retry->codes.Add(Code::kDeadlineExceeded);
  options.retry->backoff.initial = Duration::zero();
  options.retry->attempt_timeout = Ms(100);
  options.retry->attempt_timeout_growth = 2;
  CallRig rig(options, Within(Ms(600)));
  rig.Start();
  EXPECT_EQ(rig.last().launch[0].deadline, At(Ms(100)));
  rig.MoveTo(Ms(100));
  rig.End(0, Code::kDeadlineExceeded);
  ASSERT_EQ(rig.last().launch.size(), 1U);
  EXPECT_EQ(rig.last().launch[0].deadline, At(Ms(300)));
  rig.MoveTo(Ms(300));
  rig.End(1, Code::kDeadlineExceeded);
  ASSERT_EQ(rig.last().launch.size(), 1U);
  EXPECT_EQ(rig.last().launch[0].deadline, At(Ms(600))) << "the call's own";
}

TEST(CallDriverRetryTest, EachAttemptIsOnRecord) {
  CallRig rig(Retrying(2));
  rig.AnswerAll(2, Ms(5), Code::kUnavailable);
  rig.Run();
  const CallDriver::Attempt& first = rig.driver().attempt(0);
  EXPECT_EQ(first.started, At(Ms(0)));
  EXPECT_EQ(first.ended, At(Ms(5)));
  EXPECT_EQ(first.code, Code::kUnavailable);
  EXPECT_EQ(first.attribution, Attribution::kServerFailure);
  EXPECT_EQ(first.stopped, Reason::kNone);
  const CallDriver::Attempt& second = rig.driver().attempt(1);
  EXPECT_EQ(second.kind, AttemptKind::kRetry);
  EXPECT_EQ(second.started, At(Ms(105)));
  EXPECT_EQ(second.stopped, Reason::kAttemptsExhausted);
}

}  // namespace
}  // namespace firebreak::core
