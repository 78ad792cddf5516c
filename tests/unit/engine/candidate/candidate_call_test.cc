// What a candidate policy counts of calls, in virtual time.
#include "src/engine/candidate/candidate_call.h"

#include "tests/unit/engine/candidate/candidate_call_fixture.h"

namespace firebreak::engine {
namespace {

using candidate_calls::CandidateCallTest;
using candidate_calls::kLive;
using std::chrono::milliseconds;
using std::chrono::seconds;

TEST_F(CandidateCallTest, ItsBreakerWouldRefuseAndTheLiveOneIsJudged) {
  Start("method { name {} breaker { consecutive_failures: 3 } }");
  for (int i = 0; i < 3; ++i) Call(kUnavailable);
  EXPECT_EQ(Breaker().state, core::BreakerState::kOpen);
  EXPECT_EQ(Counts().of(Would::kRefuse), 0);
  Call(kUnavailable);
  Call(kOk);
  Call(kOk);
  Under cancelled = Begin();
  cancelled.call.end = core::CallEnd::kCancelled;
  cancelled.candidate->End(cancelled.call, clock_->Now());
  Begin();  // and abandoned, before it was sent
  EXPECT_EQ(Count(Would::kRefuse, Live::kSucceeded), 2);
  EXPECT_EQ(Count(Would::kRefuse, Live::kFailed), 1);
  EXPECT_EQ(Count(Would::kRefuse, Live::kUnknown), 1);
  EXPECT_EQ(Refused(core::Reason::kBreakerOpen), 4);
  // What it would have refused has taught it nothing.
  EXPECT_EQ(Breaker().state, core::BreakerState::kOpen);
  EXPECT_EQ(Counts().calls(), 8);
}

TEST_F(CandidateCallTest, WhatItRefusesTeachesItNothing) {
  Start("method { name {} breaker { consecutive_failures: 1 } }");
  Call(kUnavailable);
  for (int i = 0; i < 50; ++i) Call(kOk);
  EXPECT_EQ(Count(Would::kRefuse, Live::kSucceeded), 50);
  EXPECT_EQ(Breaker().state, core::BreakerState::kOpen);
  // One call a second looks.
  clock_->Advance(seconds(2));
  Call(kOk);
  EXPECT_EQ(Count(Would::kRefuse, Live::kSucceeded), 50);
  EXPECT_NE(Breaker().state, core::BreakerState::kOpen);
}

TEST_F(CandidateCallTest, WhatTheLivePolicyRefusesIsNotKnown) {
  Start("method { name {} breaker { consecutive_failures: 1 } }");
  RefuseLive();
  RefuseLive();
  EXPECT_EQ(Count(Would::kNothingElse, Live::kRefused), 2);
  EXPECT_EQ(Counts().let_in(), 2);
  // A refusal is no failure of the server.
  EXPECT_EQ(Breaker().state, core::BreakerState::kClosed);
  EXPECT_EQ(Breaker().window_calls, 0);
  Call(kUnavailable);
  RefuseLive();
  EXPECT_EQ(Counts().let_in(), 2);
  EXPECT_EQ(Count(Would::kRefuse, Live::kRefused), 1);
}

TEST_F(CandidateCallTest, ItsTimeoutWouldHaveEndedTheCall) {
  Start("method { name {} timeout: \"100ms\" }");
  Call(kOk, milliseconds(99));
  Call(kOk, milliseconds(101));
  Call(kUnavailable, milliseconds(500));
  EXPECT_EQ(Count(Would::kTimeOut, Live::kSucceeded), 1);
  EXPECT_EQ(Count(Would::kTimeOut, Live::kFailed), 1);
  // A caller with an earlier deadline of its own is not its doing.
  Under hasty = Begin(milliseconds(50));
  End(&hasty, {{kLate, milliseconds(120)}});
  EXPECT_EQ(Counts().of(Would::kTimeOut), 2);
  // A stream has no timeout.
  Under stream = Begin(core::kInfiniteDuration, core::CallKind::kStream);
  End(&stream, {{kOk, seconds(5)}});
  EXPECT_EQ(Counts().of(Would::kTimeOut), 2);
}

TEST_F(CandidateCallTest, WhatItCutsOffIsAFailureToItsBreaker) {
  Start(
      "method { name {} timeout: \"100ms\" "
      "breaker { consecutive_failures: 2 } }");
  Call(kOk, milliseconds(150));
  Call(kOk, milliseconds(150));
  EXPECT_EQ(Breaker().state, core::BreakerState::kOpen);
}

TEST_F(CandidateCallTest, ATimeoutThatIsTooShortForTheMethodOpensNoBreaker) {
  Start(
      "method { name {} timeout: \"100ms\" "
      "breaker { consecutive_failures: 2 } }");
  // Its baseline is 150 ms.
  core::LatencyModel& latency = Find()->runtime->latency;
  for (int i = 0; i < 2000; ++i) {
    clock_->Advance(milliseconds(150));
    latency.OnAttemptEnd(kOk, core::Attribution::kSuccess, milliseconds(150),
                         clock_->Now());
  }
  ASSERT_TRUE(latency.Baseline(clock_->Now()).has_value());
  for (int i = 0; i < 10; ++i) Call(kOk, milliseconds(150));
  EXPECT_EQ(Breaker().state, core::BreakerState::kClosed);
  EXPECT_EQ(Count(Would::kTimeOut, Live::kSucceeded), 10);
  EXPECT_EQ(Counts().of(Would::kRefuse), 0);
}

TEST_F(CandidateCallTest, ALongerTimeoutWouldHaveWaitedOn) {
  live_timeout_ = seconds(1);
  Start(
      "method { name {} timeout: \"5s\" breaker { consecutive_failures: 3 } "
      "retry { codes: UNAVAILABLE codes: DEADLINE_EXCEEDED } }");
  for (int i = 0; i < 10; ++i) Call(kOk, seconds(1));
  EXPECT_EQ(Counts().live_timeouts, 10);
  EXPECT_EQ(Count(Would::kGoOn, Live::kFailed), 10);
  EXPECT_EQ(Counts().of(Would::kTimeOut), 0);
  // What would have come of them it does not know.
  EXPECT_EQ(Counts().of(Would::kRetry), 0);
  EXPECT_EQ(Counts().of(Would::kRefuse), 0);
  EXPECT_EQ(Breaker().window_calls, 0);
}

TEST_F(CandidateCallTest, TheSameTimeoutEndsTheSameCalls) {
  live_timeout_ = seconds(1);
  Start("method { name {} timeout: \"1s\" }");
  Call(kOk, seconds(1));
  EXPECT_EQ(Counts().live_timeouts, 1);
  EXPECT_EQ(Counts().of(Would::kTimeOut), 1);
  EXPECT_EQ(Counts().of(Would::kGoOn), 0);
}

TEST_F(CandidateCallTest, AWaitBetweenAttemptsIsNotASlowCall) {
  Start(
      "method { name {} timeout: \"10s\" breaker { slow_call_duration: "
      "\"500ms\" slow_call_rate: 0.5 minimum_calls: 5 } "
      "retry { max_attempts: 2 } }");
  for (int i = 0; i < 20; ++i) {
    Under under = Begin();
    clock_->Advance(seconds(2));  // in a queue of the live policy
    End(&under, {{kOk}});
  }
  EXPECT_EQ(Breaker().state, core::BreakerState::kClosed);
}

TEST_F(CandidateCallTest, AttemptsThatItWouldNotMakeTeachItNothing) {
  Start("method { name {} breaker { consecutive_failures: 6 } }");
  const Sent retry{kUnavailable, milliseconds(10)};
  for (int i = 0; i < 5; ++i) Call({{kUnavailable}, retry, retry, retry});
  EXPECT_EQ(Breaker().state, core::BreakerState::kClosed);
  EXPECT_EQ(Breaker().window_calls, 5);
  Call(kUnavailable);
  EXPECT_EQ(Breaker().state, core::BreakerState::kOpen);
  EXPECT_EQ(Count(Would::kGiveUp, Live::kFailed), 5);
}

TEST_F(CandidateCallTest, CallsThatTheLivePolicyRefusesSpendNoCanary) {
  Start(
      "method { name {} breaker { consecutive_failures: 1 "
      "probe_interval: \"1s\" } }");
  Call(kUnavailable);
  clock_->Advance(seconds(3));
  for (int i = 0; i < 100; ++i) RefuseLive();
  Call(kOk);  // the canary
  EXPECT_EQ(Counts().of(Would::kRefuse), 0);
  EXPECT_NE(Breaker().state, core::BreakerState::kOpen);
}

TEST_F(CandidateCallTest, ItsAdaptiveRetriesLearnThatTheyDoNotHelp) {
  Start(
      "method { name {} timeout: \"60s\" idempotent: true "
      "retry { max_attempts: 2 adaptive {} } } "
      "channel { budget { ratio: 1 floor: 100 burst: 1000 } }");
  const Sent in_vain{kUnavailable, milliseconds(10)};
  for (int i = 0; i < 100; ++i) Call({{kUnavailable}, in_vain});
  // It gives up on most of them once it has seen that.
  EXPECT_GT(Count(Would::kGiveUp, Live::kFailed), 50);
}

TEST_F(CandidateCallTest, AServerThatForbidsRetriesIsObeyed) {
  Start("method { name {} timeout: \"60s\" retry { max_attempts: 2 } }");
  Call({{kUnavailable, milliseconds(10), milliseconds(-1)}});
  EXPECT_EQ(Counts().of(Would::kRetry), 0);
  Call(kUnavailable);
  EXPECT_EQ(Counts().of(Would::kRetry), 1);
}

TEST_F(CandidateCallTest, ATokenThatIsThereIsNotWaitedForInTheQueue) {
  Start(
      "method { name {} rate_limit { rate: 1000 burst: 100 } "
      "bulkhead { max_concurrent: 1 max_queue: 5 max_wait: \"50ms\" } }");
  Under first = Begin();
  Under second = Begin(milliseconds(40));  // queues, and is not refused
  EXPECT_EQ(Counts().of(Would::kRefuse), 0);
  End(&first, {{kOk, milliseconds(1)}});
  End(&second, {{kOk, milliseconds(1)}});
  EXPECT_EQ(Counts().of(Would::kRefuse), 0);
  Under third = Begin();
  Under fourth = Begin();
  End(&fourth, {{kOk, milliseconds(60)}});
  EXPECT_EQ(Refused(core::Reason::kQueueTimeout), 1);
}

TEST_F(CandidateCallTest, ACallThatIsCancelledUnsentGivesItsPlaceBack) {
  Start("method { name {} bulkhead { max_concurrent: 1 max_queue: 0 } }");
  Under cancelled = Begin();
  cancelled.call.end = core::CallEnd::kCancelled;
  cancelled.candidate->End(cancelled.call, clock_->Now());
  Call(kOk);  // while `cancelled` is still there
  EXPECT_EQ(Counts().of(Would::kRefuse), 0);
}

TEST_F(CandidateCallTest, AStreamThatProbesAndIsSilentDecidesNothing) {
  Start("method { name {} breaker { consecutive_failures: 1 } }");
  Call(kUnavailable);
  clock_->Advance(seconds(2));
  Under stream = Begin(core::kInfiniteDuration, core::CallKind::kStream);
  stream.candidate->OnLaunch({0, 0, core::AttemptKind::kFirst,
                              core::kInfiniteFuture, /*is_probe=*/false},
                             clock_->Now());
  clock_->Advance(seconds(3600));
  EXPECT_EQ(Breaker().hung_probes, 0);
  Call(kOk);
  EXPECT_NE(Breaker().state, core::BreakerState::kOpen);
}

// A second more than its attempt has, as in force, and not `probe_timeout`.
TEST_F(CandidateCallTest, AProbeThatOutlivesItsAttemptHangs) {
  Start(
      "method { name {} retry { attempt_timeout: \"100ms\" } breaker { "
      "consecutive_failures: 1 open_duration: \"5s\" probe_timeout: \"60s\" } "
      "}");
  Call(kUnavailable);
  ASSERT_EQ(Breaker().state, core::BreakerState::kOpen);
  clock_->Advance(seconds(30));
  Under probe = Begin();
  probe.candidate->OnLaunch({0, 0, Kind::kFirst, core::kInfiniteFuture,
                             /*is_probe=*/false},
                            clock_->Now());
  clock_->Advance(milliseconds(1'050));
  EXPECT_EQ(Breaker().hung_probes, 0);
  clock_->Advance(milliseconds(100));
  EXPECT_EQ(Breaker().hung_probes, 1);
}

TEST_F(CandidateCallTest, ItsBulkheadIsFull) {
  Start("method { name {} bulkhead { max_concurrent: 1 max_queue: 0 } }");
  Under first = Begin();
  Call(kOk);
  EXPECT_EQ(Refused(core::Reason::kBulkheadFull), 1);
  EXPECT_EQ(Count(Would::kRefuse, Live::kSucceeded), 1);
  End(&first, {{kOk}});
  Call(kOk);
  EXPECT_EQ(Counts().of(Would::kRefuse), 1);
}

TEST_F(CandidateCallTest, AQueueIsWaitedInForMaxWaitAtMost) {
  Start(
      "method { name {} bulkhead { max_concurrent: 1 max_queue: 5 "
      "max_wait: \"50ms\" } }");
  Under first = Begin();
  Under hopeless = Begin();
  Under lucky = Begin();
  End(&hopeless, {{kOk, milliseconds(60)}});
  EXPECT_EQ(Refused(core::Reason::kQueueTimeout), 1);
  End(&first, {{kOk, milliseconds(1)}});
  End(&lucky, {{kUnavailable, milliseconds(1)}});
  EXPECT_EQ(Counts().of(Would::kRefuse), 1);
  EXPECT_EQ(Counts().of(Would::kWait), 2);
  Call(kOk);
  EXPECT_EQ(Counts().of(Would::kWait), 2);  // there is a place again
}

TEST_F(CandidateCallTest, ItsRateLimit) {
  Start("method { name {} rate_limit { rate: 10 burst: 2 max_wait: \"0s\" } }");
  for (int i = 0; i < 3; ++i) Call(kOk, core::Duration::zero());
  EXPECT_EQ(Refused(core::Reason::kRateLimited), 1);
  EXPECT_EQ(Counts().of(Would::kRefuse), 1);
}

TEST_F(CandidateCallTest, ItWouldRetryWhatTheLivePolicyGaveUpOn) {
  Start(
      "method { name {} idempotent: true retry { max_attempts: 3 } } "
      "channel { budget { ratio: 0 floor: 0 burst: 4 } }");
  Call(kUnavailable);
  Call(absl::StatusCode::kNotFound);                       // not retryable
  Call({{kUnavailable}, {kUnavailable}, {kUnavailable}});  // none is left
  EXPECT_EQ(Count(Would::kRetry, Live::kFailed), 1);
  EXPECT_EQ(Counts().of(Would::kGiveUp), 0);
  // The budget has four tokens, of which one is left for this.
  Call(kUnavailable);
  Call(kUnavailable);
  EXPECT_EQ(Count(Would::kRetry, Live::kFailed), 2);
}

TEST_F(CandidateCallTest, ItWouldGiveUpWhereTheLivePolicyRetried) {
  Start("method { name {} }");
  const Sent retry{kOk, milliseconds(10)};
  const Sent in_vain{kUnavailable, milliseconds(10)};
  Call({{kUnavailable}, retry});
  Call({{kUnavailable}, in_vain, in_vain});
  EXPECT_EQ(Count(Would::kGiveUp, Live::kSucceeded), 1);
  EXPECT_EQ(Count(Would::kGiveUp, Live::kFailed), 1);
  EXPECT_EQ(Counts().live_retried, 2);
}

TEST_F(CandidateCallTest, ItWouldHedgeWhatIsSlowerThanItsDelay) {
  Start(
      "method { name {} idempotent: true hedging { delay: \"50ms\" } } "
      "channel { budget { ratio: 1 burst: 2 } }");
  Call(kOk, milliseconds(50));
  Call(kOk, milliseconds(51));
  Call(kUnavailable, milliseconds(80));
  EXPECT_EQ(Count(Would::kHedge, Live::kSucceeded), 1);
  EXPECT_EQ(Count(Would::kHedge, Live::kFailed), 1);
}

TEST_F(CandidateCallTest, NothingThatMayNotRunTwiceIsHedgedOrRetried) {
  Start(
      "method { name {} idempotent: false retry {} "
      "hedging { delay: \"5ms\" max_attempts: 3 } }");
  Call(kUnavailable);
  Call(kOk);
  EXPECT_EQ(Counts().of(Would::kHedge), 0);
  EXPECT_EQ(Counts().of(Would::kRetry), 0);
}

TEST_F(CandidateCallTest, AGuardedCallGoesToItsFirstTargetOnly) {
  Start("method { name {} breaker { consecutive_failures: 1 } }", kLive,
        {"a", "b"});
  Call(kUnavailable);  // at "a"
  Call(kOk);
  EXPECT_EQ(Count(Would::kRefuse, Live::kSucceeded), 1);
  const auto& targets = Find()->candidate->binding.targets;
  EXPECT_EQ(targets[1]->Snapshot(clock_->Now()).window_calls, 0);
}

TEST_F(CandidateCallTest, ADrivenCallMayGoToAnotherTarget) {
  Start(
      "method { name {} timeout: \"1s\" breaker { consecutive_failures: 1 } }",
      kLive, {"a", "b"});
  Call(kUnavailable);  // at "a"
  Call(kOk);           // at "a" too, where the candidate would have used "b"
  EXPECT_EQ(Counts().of(Would::kRefuse), 0);
  const auto& targets = Find()->candidate->binding.targets;
  EXPECT_EQ(targets[0]->Snapshot(clock_->Now()).state,
            core::BreakerState::kOpen);
  EXPECT_EQ(targets[1]->Snapshot(clock_->Now()).window_calls, 0);
}

TEST_F(CandidateCallTest, WithoutAnEntryNothingIsCounted) {
  Start("method { name { service: \"p.Other\" } timeout: \"1s\" }");
  EXPECT_EQ(Find()->candidate, nullptr);
  EXPECT_EQ(Counts().calls(), 0);
}

}  // namespace
}  // namespace firebreak::engine
