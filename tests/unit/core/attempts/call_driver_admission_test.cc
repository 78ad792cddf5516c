// Calls that are not admitted yet or not at all, and results that the host
// judges.
#include <memory>
#include <vector>

#include "gtest/gtest.h"
#include "src/core/attempts/call_driver.h"
#include "tests/support/core_fixtures.h"

namespace firebreak::core {
namespace {

struct Rig {
  explicit Rig(MethodOptions method_options, bool has_fallback = false,
               Time deadline = kInfiniteFuture)
      : options(std::move(method_options)),
        breaker({}, options.breaker, 1, At(Sec(0))),
        budget(BudgetOptions{}, At(Sec(0))) {
    plan.options = &options;
    plan.targets = targets;
    plan.budget = &budget;
    plan.stats = &stats;
    if (has_fallback) plan.fallback_times = fallback_times;
    plan.deadline = deadline;
    driver = std::make_unique<CallDriver>(plan);
  }
  int64_t ended(CallEnd end) const { return stats.counts().end(end); }

  const Duration fallback_times[1] = {kInfiniteDuration};
  MethodOptions options;
  Breaker breaker;
  Breaker* const targets[1] = {&breaker};
  AttemptBudget budget;
  MethodStats stats;
  CallDriver::Plan plan;
  std::unique_ptr<CallDriver> driver;
};

MethodOptions TripsAtOnce() {
  MethodOptions options = Retrying(3);
  options.breaker = TripsAfter(1);
  return options;
}

Refusal Full() {
  Refusal refusal;
  refusal.reason = Reason::kBulkheadFull;
  refusal.retry_after = Ms(5);
  return refusal;
}

TEST(CallDriverAdmissionTest, ACallThatWaitsIsCountedOnceAndFromItsArrival) {
  Rig rig(TripsAtOnce());
  rig.driver->Arrive(At(Sec(1)));
  EXPECT_EQ(rig.stats.counts().in_flight, 1);
  EXPECT_EQ(rig.driver->wake_at(), kInfiniteFuture);
  rig.driver->Start(At(Sec(3)));
  rig.driver->OnAttemptEnd(0, AttemptEnd{}, At(Sec(4)));
  EXPECT_EQ(rig.stats.counts().calls, 1);
  EXPECT_EQ(rig.stats.counts().in_flight, 0);
  // The wait is part of what the caller sees.
  EXPECT_NEAR(ToSeconds(rig.stats.latency().Quantile(1)), 3, 0.1);
}

TEST(CallDriverAdmissionTest, OneThatIsRefusedIsCountedSoAndSendsNothing) {
  Rig rig(TripsAtOnce());
  const CallDriver::Actions actions = rig.driver->TurnAway(
      absl::StatusCode::kResourceExhausted, Full(), At(Sec(1)));
  EXPECT_TRUE(actions.launch.empty());
  ASSERT_TRUE(actions.finish.has_value());
  EXPECT_EQ(actions.finish->code, absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(actions.finish->reason, Reason::kBulkheadFull);
  EXPECT_EQ(actions.finish->retry_after, Ms(5));
  EXPECT_EQ(rig.ended(CallEnd::kRejected), 1);
  // Once.
  EXPECT_FALSE(
      rig.driver
          ->TurnAway(absl::StatusCode::kResourceExhausted, Full(), At(Sec(1)))
          .finish.has_value());
  EXPECT_FALSE(rig.driver->Start(At(Sec(1))).finish.has_value());
}

TEST(CallDriverAdmissionTest, TheFallbackIsAskedForOneThatIsRefused) {
  Rig rig(TripsAtOnce(), /*has_fallback=*/true);
  const CallDriver::Actions actions = rig.driver->TurnAway(
      absl::StatusCode::kResourceExhausted, Full(), At(Sec(1)));
  EXPECT_TRUE(actions.ask_link.has_value());
  EXPECT_TRUE(rig.driver->OnLinkEnd(0, true, At(Sec(2))).finish->from_fallback);
  EXPECT_EQ(rig.ended(CallEnd::kSuccess), 1);
}

TEST(CallDriverAdmissionTest, OneThatIsCancelledOrDroppedWhileItWaits) {
  Rig cancelled(TripsAtOnce());
  cancelled.driver->Arrive(At(Sec(0)));
  EXPECT_TRUE(cancelled.driver->OnCallerCancel(At(Sec(1))).finish.has_value());
  EXPECT_EQ(cancelled.ended(CallEnd::kCancelled), 1);
  EXPECT_EQ(cancelled.stats.counts().calls, 1);
  Rig dropped(TripsAtOnce());
  dropped.driver->Arrive(At(Sec(0)));
  dropped.driver = nullptr;
  EXPECT_EQ(dropped.ended(CallEnd::kAbandoned), 1);
  EXPECT_EQ(dropped.stats.counts().in_flight, 0);
}

TEST(CallDriverAdmissionTest, AResultThatIsJudgedLaterIsTheHostsToSettle) {
  Rig rig(TripsAtOnce());
  rig.driver->Start(At(Sec(0)));
  AttemptEnd end;
  end.code = absl::StatusCode::kInternal;
  end.is_judged_later = true;
  rig.driver->OnAttemptEnd(0, end, At(Sec(1)));
  EXPECT_TRUE(rig.driver->finished());
  EXPECT_EQ(rig.breaker.Snapshot(At(Sec(1))).state, BreakerState::kClosed);
  auto unjudged = rig.driver->TakeUnjudged();
  ASSERT_EQ(unjudged.size(), 1U);
  EXPECT_TRUE(rig.driver->TakeUnjudged().empty());
  EXPECT_EQ(unjudged[0].by_default, Verdict::kFailure);
  unjudged[0].permit.Settle(Verdict::kFailure, At(Sec(2)));
  EXPECT_EQ(rig.breaker.Snapshot(At(Sec(2))).state, BreakerState::kOpen);
}

TEST(CallDriverAdmissionTest, AnAnswerThatIsJudgedLaterIsNoSlowOne) {
  MethodOptions options = TripsAtOnce();
  options.breaker->slow_call_duration = Ms(300);
  options.breaker->leaky_slow_calls = 1;
  Rig rig(std::move(options));
  rig.driver->Start(At(Sec(0)));
  AttemptEnd end;
  end.is_judged_later = true;
  rig.driver->OnAttemptEnd(0, end, At(Ms(5)));
  rig.driver->TakeUnjudged().at(0).permit.Settle(Verdict::kSuccess, At(Sec(1)));
  EXPECT_EQ(rig.breaker.Snapshot(At(Sec(1))).state, BreakerState::kClosed);
}

// Ends attempts in these ways, in order, and returns the throttle's verdict.
AdmissionControl::Verdict VerdictAfter(const std::vector<AttemptEnd>& ends,
                                       bool has_fallback = false) {
  Rig rig(Retrying(3), has_fallback);
  Time now = At(Sec(0));
  CallDriver::Actions actions = rig.driver->Start(now);
  for (int n = 0; n < static_cast<int>(ends.size()); ++n) {
    actions = rig.driver->OnAttemptEnd(n, ends[static_cast<size_t>(n)], now);
    if (actions.finish.has_value()) break;
    now = rig.driver->wake_at();
    actions = rig.driver->OnTimer(now);
  }
  if (!actions.finish.has_value()) actions = rig.driver->OnCallerCancel(now);
  if (has_fallback) actions = rig.driver->OnLinkEnd(0, true, now);
  return rig.driver->VerdictOf(*actions.finish);
}

TEST(CallDriverAdmissionTest, ACallIsUnsentOnlyWhenAllItsAttemptsAre) {
  AttemptEnd unsent;
  unsent.code = absl::StatusCode::kUnavailable;
  unsent.origin = Origin::kNowhere;
  unsent.channel_was_not_ready = true;
  AttemptEnd shed;
  shed.code = absl::StatusCode::kUnavailable;
  AttemptEnd ok;
  AttemptEnd fatal;
  fatal.code = absl::StatusCode::kInternal;
  AttemptEnd late;
  late.code = absl::StatusCode::kDeadlineExceeded;
  AttemptEnd local;
  local.code = absl::StatusCode::kUnauthenticated;
  local.origin = Origin::kHere;
  using V = AdmissionControl::Verdict;
  EXPECT_EQ(VerdictAfter({local}), V::kNotSent);
  EXPECT_EQ(VerdictAfter({shed, local}), V::kRefused);
  EXPECT_EQ(VerdictAfter({unsent, unsent, unsent}), V::kNotSent);
  EXPECT_EQ(VerdictAfter({shed, unsent, unsent}), V::kRefused);
  EXPECT_EQ(VerdictAfter({unsent, shed, unsent}), V::kRefused);
  EXPECT_EQ(VerdictAfter({unsent, fatal}), V::kAccepted);
  EXPECT_EQ(VerdictAfter({shed, ok}), V::kAccepted);
  EXPECT_EQ(VerdictAfter({shed, late}), V::kUnknown);
  EXPECT_EQ(VerdictAfter({shed}), V::kUnknown);  // and cancelled after that
  EXPECT_EQ(VerdictAfter({}), V::kUnknown);
  // A fallback's answer does not count as the server's.
  EXPECT_EQ(VerdictAfter({shed, shed, shed}, true), V::kRefused);
}

TEST(CallDriverAdmissionTest, TheAttemptThatDecidedSpeaksForTheCall) {
  Rig rig(Hedging(2, Ms(10)));
  rig.driver->Start(At(Sec(0)));
  rig.driver->OnTimer(At(Ms(10)));
  ASSERT_EQ(rig.driver->launched(), 2);
  // The first attempt answers. The hedge is cancelled, so its verdict is not
  // known.
  const CallDriver::Actions actions =
      rig.driver->OnAttemptEnd(0, AttemptEnd{}, At(Ms(11)));
  EXPECT_EQ(rig.driver->VerdictOf(*actions.finish),
            AdmissionControl::Verdict::kAccepted);
}

TEST(CallDriverAdmissionTest, OneThatWasNeverAdmittedIsUnsent) {
  Rig rig(TripsAtOnce());
  const CallDriver::Actions actions = rig.driver->TurnAway(
      absl::StatusCode::kResourceExhausted, Full(), At(Sec(1)));
  EXPECT_EQ(rig.driver->VerdictOf(*actions.finish),
            AdmissionControl::Verdict::kNotSent);
}

TEST(CallDriverAdmissionTest, WhatSaysNothingOfTheServerIsNotJudged) {
  Rig rig(TripsAtOnce());
  rig.driver->Start(At(Sec(0)));
  AttemptEnd end;
  end.code = absl::StatusCode::kCancelled;
  end.cancelled_by_caller = true;
  end.is_judged_later = true;
  rig.driver->OnAttemptEnd(0, end, At(Sec(1)));
  EXPECT_TRUE(rig.driver->TakeUnjudged().empty());
}

TEST(CallDriverAdmissionTest, WhatTheDeadlineEndsIsJudgedLaterToo) {
  for (const bool is_judged_later : {false, true}) {
    Rig rig(TripsAtOnce(), /*has_fallback=*/false, At(Sec(1)));
    rig.driver->Start(At(Sec(0)));
    rig.driver->OnTimer(At(Sec(1)), is_judged_later);
    EXPECT_TRUE(rig.driver->finished());
    auto unjudged = rig.driver->TakeUnjudged();
    ASSERT_EQ(unjudged.size(), is_judged_later ? 1U : 0U);
    EXPECT_EQ(rig.breaker.Snapshot(At(Sec(1))).state,
              is_judged_later ? BreakerState::kClosed : BreakerState::kOpen);
    if (!is_judged_later) continue;
    EXPECT_EQ(unjudged[0].by_default, Verdict::kFailure);
    unjudged[0].permit.Settle(Verdict::kFailure, At(Sec(2)));
    EXPECT_EQ(rig.breaker.Snapshot(At(Sec(2))).state, BreakerState::kOpen);
  }
}

}  // namespace
}  // namespace firebreak::core
