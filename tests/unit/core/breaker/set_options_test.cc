// A new policy while calls run: the state that the parts of the core keep.
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/core/admission/admission_control.h"
#include "tests/support/core_fixtures.h"

namespace firebreak::core {
namespace {

using ::testing::ElementsAre;

class BreakerSetOptionsTest : public ::testing::Test {
 protected:
  Breaker& Make(const BreakerOptions& options) {
    breaker_.emplace(Breaker::Identity{"c", "t", "m", &log_}, options, 1,
                     At(Ms(0)));
    return *breaker_;
  }
  Admission Admit(Time now) { return breaker_->Admit(now, kInfiniteFuture); }
  void Call(Verdict verdict, Time now) {
    Admit(now).permit.Settle(verdict, now);
  }
  BreakerSnapshot Look(Time now) { return breaker_->Snapshot(now); }

  EventLog log_{100};
  absl::optional<Breaker> breaker_;
};

TEST_F(BreakerSetOptionsTest, AnOpenOneKeepsItsTimer) {
  Breaker& breaker = Make(TripsAfter(1));
  Call(Verdict::kFailure, At(Sec(1)));
  ASSERT_EQ(Look(At(Sec(2))).state, BreakerState::kOpen);
  BreakerOptions other = TripsAfter(7);
  other.open_duration = Sec(50);
  breaker.SetOptions(other, At(Sec(2)));
  EXPECT_EQ(Look(At(Sec(2))).state, BreakerState::kOpen);
  EXPECT_EQ(*Look(At(Sec(2))).probe_due, At(Sec(11)));
  EXPECT_FALSE(Admit(At(Sec(10))).permit);
  EXPECT_TRUE(Admit(At(Sec(11))).permit.is_probe());
}

// Failures by the old codes say nothing about failures by the new ones.
TEST_F(BreakerSetOptionsTest, WhatIsUsualGoesWithTheCodesThatItIsAbout) {
  BreakerOptions options;
  Breaker& breaker = Make(options);
  Rng rng(1);
  Duration now{};
  for (int i = 0; i < 3'000; ++i) {
    now += Ms(100);
    Call(rng.Uniform() < 0.3 ? Verdict::kFailure : Verdict::kSuccess, At(now));
  }
  ASSERT_EQ(Look(At(now)).state, BreakerState::kClosed);
  EXPECT_NEAR(Look(At(now)).usual_failure_rate, 0.3, 0.05);
  options.probes = 4;
  breaker.SetOptions(options, At(now));
  EXPECT_NEAR(Look(At(now)).usual_failure_rate, 0.3, 0.05);
  EXPECT_GT(Look(At(now)).consecutive_limit, 5);
  options.ignored_codes = {absl::StatusCode::kInternal};
  breaker.SetOptions(options, At(now));
  EXPECT_LT(Look(At(now)).usual_failure_rate, 0.05);
  EXPECT_EQ(Look(At(now)).consecutive_limit, 5);
}

TEST_F(BreakerSetOptionsTest, CountsAndAnEqualWindowStay) {
  BreakerOptions options;
  options.consecutive_failures = 5;
  Breaker& breaker = Make(options);
  for (int i = 0; i < 4; ++i) Call(Verdict::kFailure, At(Sec(1)));
  // The next result is judged by the new limit.
  options.consecutive_failures = 3;
  breaker.SetOptions(options, At(Sec(2)));
  EXPECT_EQ(Look(At(Sec(2))).window_failures, 4);
  EXPECT_EQ(Look(At(Sec(2))).consecutive_failures, 4);
  EXPECT_EQ(Look(At(Sec(2))).state, BreakerState::kClosed);
  Call(Verdict::kFailure, At(Sec(2)));
  EXPECT_EQ(Look(At(Sec(2))).cause, "5 failures in a row (limit 3)");
}

TEST_F(BreakerSetOptionsTest, AnotherWindowStartsAnewAndOnlyThat) {
  BreakerOptions options;
  options.consecutive_failures = 9;
  Breaker& breaker = Make(options);
  for (int i = 0; i < 4; ++i) Call(Verdict::kFailure, At(Sec(1)));
  options.window.duration = Sec(60);
  breaker.SetOptions(options, At(Sec(2)));
  EXPECT_EQ(Look(At(Sec(2))).window_calls, 0);
  EXPECT_EQ(Look(At(Sec(2))).consecutive_failures, 4);
  options.window.kind = WindowOptions::Kind::kCalls;
  Call(Verdict::kFailure, At(Sec(2)));
  breaker.SetOptions(options, At(Sec(3)));
  EXPECT_EQ(Look(At(Sec(3))).window_calls, 0);
  for (int i = 0; i < 150; ++i) Call(Verdict::kSuccess, At(Sec(3)));
  EXPECT_EQ(Look(At(Sec(3))).window_calls, 100);
  // The duration has no effect on a window of calls.
  options.window.duration = Sec(5);
  breaker.SetOptions(options, At(Sec(3)));
  EXPECT_EQ(Look(At(Sec(3))).window_calls, 100);
}

TEST_F(BreakerSetOptionsTest, CallsInFlightCountBesideTheNewLimitForSlow) {
  BreakerOptions options = TripsAfter(100);
  options.slow_call_duration = Ms(100);
  options.leaky_slow_calls = 2;
  Breaker& breaker = Make(options);
  Permit before = Admit(At(Ms(0))).permit;
  options.slow_call_duration = Ms(300);
  breaker.SetOptions(options, At(Ms(50)));
  Permit after = Admit(At(Ms(50))).permit;
  // A call that began under the old limit is watched by no limit.
  breaker.Tick(At(Ms(340)));
  EXPECT_EQ(Look(At(Ms(340))).leaky_slow_calls, 0);
  breaker.Tick(At(Ms(400)));
  EXPECT_EQ(Look(At(Ms(400))).leaky_slow_calls, 1);
  before.Settle(Verdict::kSuccess, At(Ms(400)));
  after.Settle(Verdict::kSuccess, At(Ms(400)));
  EXPECT_EQ(Look(At(Ms(400))).leaky_slow_calls, 1);

  // The rule is switched off and on again while calls are in flight.
  Permit third = Admit(At(Ms(400))).permit;
  options.slow_call_duration = Duration::zero();
  breaker.SetOptions(options, At(Ms(410)));
  EXPECT_EQ(breaker.next_tick(), kInfiniteFuture);
  EXPECT_EQ(Look(At(Ms(410))).leaky_slow_calls, 0);
  Permit fourth = Admit(At(Ms(410))).permit;
  options.slow_call_duration = Ms(300);
  breaker.SetOptions(options, At(Ms(420)));
  third.Settle(Verdict::kSuccess, At(Ms(420)));
  fourth.Settle(Verdict::kSuccess, At(Ms(420)));
  EXPECT_EQ(Look(At(Ms(420))).window_timed, 0);
  Call(Verdict::kSuccess, At(Ms(430)));
  EXPECT_EQ(Look(At(Ms(430))).window_timed, 1);
}

TEST_F(BreakerSetOptionsTest, HalfOpenGoesOnWithTheNewNumbers) {
  Breaker& breaker = Make(TripsAfter(1));
  Call(Verdict::kFailure, At(Sec(0)));
  Permit probe = Admit(At(Sec(10))).permit;
  ASSERT_TRUE(probe.is_probe());
  BreakerOptions options = TripsAfter(1);
  options.probes = 1;
  breaker.SetOptions(options, At(Sec(11)));
  EXPECT_EQ(Look(At(Sec(11))).state, BreakerState::kHalfOpen);
  EXPECT_FALSE(Admit(At(Sec(11))).permit);
  probe.Settle(Verdict::kSuccess, At(Sec(12)));
  EXPECT_EQ(Look(At(Sec(12))).state, BreakerState::kClosed);
}

TEST_F(BreakerSetOptionsTest, ARampThatIsNoMoreIsOver) {
  BreakerOptions options = TripsAfter(1);
  options.probes = 1;
  options.ramp.duration = Sec(100);
  Breaker& breaker = Make(options);
  Call(Verdict::kFailure, At(Sec(0)));
  Call(Verdict::kSuccess, At(Sec(10)));
  ASSERT_EQ(Look(At(Sec(11))).state, BreakerState::kRamp);
  options.ramp.duration = Sec(0);
  breaker.SetOptions(options, At(Sec(11)));
  EXPECT_EQ(Look(At(Sec(11))).state, BreakerState::kClosed);
}

TEST_F(BreakerSetOptionsTest, TakenAwayItClosesWithAnEventAndCountsNothing) {
  Breaker& breaker = Make(TripsAfter(1));
  Call(Verdict::kFailure, At(Sec(0)));
  breaker.SetOptions(absl::nullopt, At(Sec(1)));
  EXPECT_EQ(Look(At(Sec(1))).state, BreakerState::kDisabled);
  Permit disabled = Admit(At(Sec(1))).permit;
  EXPECT_TRUE(disabled);
  breaker.SetOptions(TripsAfter(1), At(Sec(2)));
  EXPECT_EQ(Look(At(Sec(2))).state, BreakerState::kClosed);
  // It began while the breaker was off, so it does not count.
  disabled.Settle(Verdict::kFailure, At(Sec(2)));
  EXPECT_EQ(Look(At(Sec(2))).state, BreakerState::kClosed);
  // The first open time again, and not twice that.
  Call(Verdict::kFailure, At(Sec(3)));
  EXPECT_EQ(*Look(At(Sec(3))).probe_due, At(Sec(13)));
  EXPECT_THAT(Told(log_),
              ElementsAre("closed -> open: 1 failures in a row (limit 1)",
                          "open -> disabled: the policy has it no more",
                          "disabled -> closed: the policy has it now",
                          "closed -> open: 1 failures in a row (limit 1)"));
}

TEST_F(BreakerSetOptionsTest, ALowerLimitWaitsForAResult) {
  Breaker& breaker = Make(TripsAfter(9));
  for (int i = 0; i < 6; ++i) Call(Verdict::kFailure, At(Sec(0)));
  breaker.SetOptions(TripsAfter(5), At(Sec(1)));
  Call(Verdict::kNeutral, At(Sec(1)));
  EXPECT_EQ(Look(At(Sec(1))).state, BreakerState::kClosed);
  Call(Verdict::kFailure, At(Sec(1)));
  EXPECT_EQ(Look(At(Sec(1))).state, BreakerState::kOpen);
}

TEST_F(BreakerSetOptionsTest, AnOverrideStays) {
  Breaker& breaker = Make(TripsAfter(1));
  breaker.ForceOpen(Sec(30), At(Sec(0)));
  breaker.SetOptions(TripsAfter(4), At(Sec(1)));
  EXPECT_EQ(Look(At(Sec(1))).state, BreakerState::kForcedOpen);
  EXPECT_EQ(*Look(At(Sec(1))).override_end, At(Sec(30)));
  breaker.SetOptions(absl::nullopt, At(Sec(2)));
  EXPECT_EQ(Look(At(Sec(2))).state, BreakerState::kForcedOpen);
  EXPECT_FALSE(Admit(At(Sec(2))).permit);
  EXPECT_EQ(Look(At(Sec(30))).state, BreakerState::kDisabled);

  breaker.ForceOpen(absl::nullopt, At(Sec(31)));
  breaker.SetOptions(TripsAfter(1), At(Sec(32)));
  EXPECT_EQ(Look(At(Sec(32))).state, BreakerState::kForcedOpen);
  breaker.ClearOverride(At(Sec(33)));
  EXPECT_EQ(Look(At(Sec(33))).state, BreakerState::kHalfOpen);
}

TEST_F(BreakerSetOptionsTest, ShadowAndBackKeepsTheState) {
  BreakerOptions options = TripsAfter(1);
  Breaker& breaker = Make(options);
  Call(Verdict::kFailure, At(Sec(0)));
  options.mode = BreakerOptions::Mode::kShadow;
  breaker.SetOptions(options, At(Sec(1)));
  EXPECT_EQ(Look(At(Sec(1))).state, BreakerState::kOpen);
  EXPECT_TRUE(Admit(At(Sec(1))).permit);
  options.mode = BreakerOptions::Mode::kEnforce;
  breaker.SetOptions(options, At(Sec(2)));
  EXPECT_FALSE(Admit(At(Sec(2))).permit);
}

// In any order of events there is no crash, there are never more probes than
// allowed, and a target that answers leads back to CLOSED.
TEST(BreakerSetOptionsRandomTest, AnyOptionsAtAnyMoment) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    Dice dice(seed);
    auto some_options = [&] {
      absl::optional<BreakerOptions> options;
      if (dice.Chance(0.15)) return options;
      options = TripsAfter(dice.Int(1, 3));
      options->failure_rate = dice.Chance(0.5) ? 0.5 : 0;
      options->minimum_calls = dice.Int(1, 5);
      options->window.kind = dice.Chance(0.5) ? WindowOptions::Kind::kCalls
                                              : WindowOptions::Kind::kTime;
      options->window.calls = dice.Int(5, 20);
      options->open_duration = Ms(dice.Int(1, 50));
      options->probes = dice.Int(1, 4);
      options->probe_timeout = Ms(dice.Int(1, 50));
      options->half_open_duration = Ms(dice.Int(0, 50));
      options->ramp.duration = Ms(dice.Int(0, 50));
      if (dice.Chance(0.5)) {
        options->slow_call_duration = Ms(dice.Int(1, 40));
        options->leaky_slow_calls = dice.Int(0, 3);
      }
      if (dice.Chance(0.2)) options->mode = BreakerOptions::Mode::kShadow;
      return options;
    };
    Breaker breaker({}, some_options(), seed, At(Ms(0)));
    Time now = At(Ms(0));
    std::vector<Permit> out;
    for (int step = 0; step < 300; ++step) {
      now += dice.Upto(Ms(10));
      if (dice.Chance(0.2)) breaker.SetOptions(some_options(), now);
      if (dice.Chance(0.03)) breaker.ForceOpen(dice.Upto(Ms(20)), now);
      if (dice.Chance(0.03)) breaker.ForceClosed(dice.Upto(Ms(20)), now);
      out.push_back(std::move(
          breaker
              .Admit(now, now + Ms(30),
                     dice.Chance(0.8) ? CallKind::kUnary : CallKind::kStream)
              .permit));
      if (dice.Chance(0.7)) {
        const size_t i = dice.Below(out.size());
        out[i].Settle(static_cast<Verdict>(dice.Int(0, 3)), now);
        out.erase(out.begin() + static_cast<std::ptrdiff_t>(i));
      }
      ASSERT_LE(breaker.Snapshot(now).probes_in_flight, 4);
    }
    out.clear();
    BreakerOptions last = TripsAfter(3);
    last.ramp.duration = Ms(20);
    breaker.SetOptions(last, now);
    for (int i = 0;
         i < 200 && breaker.Snapshot(now).state != BreakerState::kClosed; ++i) {
      now += Ms(100);
      breaker.Admit(now, kInfiniteFuture).permit.Settle(Verdict::kSuccess, now);
    }
    ASSERT_EQ(breaker.Snapshot(now).state, BreakerState::kClosed) << seed;
  }
}

struct Waiter final : Bulkhead::Waiter {
  void OnPlace() override { ++told; }
  int told = 0;
};

TEST(BulkheadSetOptionsTest, MorePlacesGoToThoseWhoWait) {
  BulkheadOptions options;
  options.max_concurrent = 1;
  Bulkhead bulkhead(options);
  ASSERT_EQ(bulkhead.Enter(), Bulkhead::Entry::kAdmitted);
  std::vector<std::shared_ptr<Waiter>> waiters;
  for (int i = 0; i < 3; ++i) {
    waiters.push_back(std::make_shared<Waiter>());
    ASSERT_EQ(bulkhead.Enter(waiters.back()), Bulkhead::Entry::kQueued);
  }
  options.max_concurrent = 3;
  std::vector<std::shared_ptr<Bulkhead::Waiter>> admitted;
  bulkhead.SetOptions(options, &admitted);
  EXPECT_EQ(waiters[0]->told, 1);
  EXPECT_EQ(waiters[1]->told, 1);
  EXPECT_EQ(waiters[2]->told, 0);
  EXPECT_TRUE(bulkhead.TakePlace(waiters[1].get()));
  EXPECT_EQ(bulkhead.snapshot().active, 3);
  EXPECT_EQ(bulkhead.snapshot().queued, 1);
}

TEST(BulkheadSetOptionsTest, FewerPlacesKeepThoseInsideAndTheQueue) {
  BulkheadOptions options;
  options.max_concurrent = 3;
  Bulkhead bulkhead(options);
  for (int i = 0; i < 3; ++i) bulkhead.Enter();
  auto waiter = std::make_shared<Waiter>();
  bulkhead.Enter(waiter);
  options.max_concurrent = 1;
  options.max_queue = 0;
  std::vector<std::shared_ptr<Bulkhead::Waiter>> admitted;
  bulkhead.SetOptions(options, &admitted);
  EXPECT_EQ(bulkhead.snapshot().active, 3);
  EXPECT_EQ(bulkhead.snapshot().available(), 0);
  EXPECT_EQ(bulkhead.snapshot().capacity_left(), 0);
  bulkhead.Leave();
  bulkhead.Leave();
  EXPECT_EQ(waiter->told, 0);
  bulkhead.Leave();  // the place that is left
  EXPECT_EQ(waiter->told, 1);
  EXPECT_EQ(bulkhead.snapshot().active, 1);
}

RateLimitOptions Rate(double rate, int burst) {
  RateLimitOptions options;
  options.rate = rate;
  options.burst = burst;
  return options;
}

class AdmissionWithTest : public ::testing::Test {
 protected:
  std::vector<std::shared_ptr<Bulkhead::Waiter>> nobody_;
};

TEST_F(AdmissionWithTest, TheTokensOfARateLimitGoOver) {
  AdmissionOptions options;
  options.rate_limit = Rate(1, 10);
  const AdmissionControl before =
      AdmissionControl().With(options, 1, At(Ms(0)), &nobody_);
  for (int i = 0; i < 7; ++i) before.rate_limit()->Take(At(Ms(0)), At(Ms(0)));
  const AdmissionControl same = before.With(options, 1, At(Ms(0)), &nobody_);
  EXPECT_EQ(same.rate_limit(), before.rate_limit());
  options.rate_limit = Rate(100, 50);
  const AdmissionControl more = before.With(options, 1, At(Ms(0)), &nobody_);
  EXPECT_NEAR(more.rate_limit()->tokens(At(Ms(0))), 3, 1e-6);
  EXPECT_NEAR(more.rate_limit()->tokens(At(Ms(100))), 13, 1e-6);
  options.rate_limit = Rate(100, 2);
  EXPECT_NEAR(more.With(options, 1, At(Ms(0)), &nobody_)
                  .rate_limit()
                  ->tokens(At(Ms(0))),
              2, 1e-6);
}

TEST_F(AdmissionWithTest, TurnsGivenInAdvanceCountOn) {
  AdmissionOptions options;
  options.rate_limit = Rate(10, 1);
  const AdmissionControl before =
      AdmissionControl().With(options, 1, At(Ms(0)), &nobody_);
  for (int i = 0; i < 4; ++i) before.rate_limit()->Take(At(Ms(0)), At(Sec(1)));
  options.rate_limit = Rate(1, 1);
  const AdmissionControl after = before.With(options, 1, At(Ms(0)), &nobody_);
  EXPECT_NEAR(after.rate_limit()->tokens(At(Ms(0))), -3, 1e-6);
  EXPECT_FALSE(after.rate_limit()->Take(At(Sec(3)), At(Sec(3))).is_ours);
  EXPECT_TRUE(after.rate_limit()->Take(At(Sec(4)), At(Sec(4))).is_ours);
}

TEST_F(AdmissionWithTest,
       BulkheadAndThrottleAreTheSameOnesAndWhatIsNotAskedForGoes) {
  AdmissionOptions options;
  options.bulkhead = BulkheadOptions{};
  options.throttle = ThrottleOptions{};
  const AdmissionControl before =
      AdmissionControl().With(options, 1, At(Ms(0)), &nobody_);
  before.bulkhead()->Enter();
  before.throttle()->OnEnd(false, At(Ms(0)));
  options.bulkhead->max_concurrent = 7;
  options.throttle->k = 3;
  const AdmissionControl after = before.With(options, 1, At(Ms(0)), &nobody_);
  EXPECT_EQ(after.bulkhead(), before.bulkhead());
  EXPECT_EQ(after.bulkhead()->snapshot().active, 1);
  EXPECT_EQ(after.bulkhead()->snapshot().limit, 7);
  EXPECT_EQ(after.throttle()->snapshot(At(Ms(0))).requests, 1);
  EXPECT_EQ(after.throttle()->options().k, 3);
  options.throttle->window = Sec(5);
  EXPECT_EQ(after.With(options, 1, At(Ms(0)), &nobody_)
                .throttle()
                ->snapshot(At(Ms(0)))
                .requests,
            0);
  EXPECT_TRUE(after.With(AdmissionOptions{}, 1, At(Ms(0)), &nobody_).empty());
}

TEST(BudgetSetOptionsTest, ThePurseStaysUpToTheNewBurst) {
  BudgetOptions options = FullBudget();
  options.floor = 0;
  options.burst = 10;
  AttemptBudget budget(options, At(Ms(0)));
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(budget.TryAcquire(At(Ms(0))));
  options.burst = 100;
  budget.SetOptions(options, At(Ms(0)));
  EXPECT_NEAR(budget.tokens(At(Ms(0))), 6, 1e-6);
  options.burst = 5;
  budget.SetOptions(options, At(Ms(0)));
  EXPECT_NEAR(budget.tokens(At(Ms(0))), 5, 1e-6);
}

TEST(BudgetSetOptionsTest, TheThrottleKeepsItsShareAndANewOneIsFull) {
  BudgetOptions options = FullBudget();
  AttemptBudget budget(options, At(Ms(0)));
  options.throttling = ThrottlingOptions{10, 0.1};
  budget.SetOptions(options, At(Ms(0)));
  EXPECT_EQ(budget.throttle_tokens(), 10);
  for (int i = 0; i < 4; ++i) budget.OnAttemptEnd(false);
  EXPECT_FALSE(budget.IsThrottled());
  options.throttling->max_tokens = 100;
  budget.SetOptions(options, At(Ms(0)));
  EXPECT_EQ(budget.throttle_tokens(), 60);
  EXPECT_FALSE(budget.IsThrottled());
  for (int i = 0; i < 10; ++i) budget.OnAttemptEnd(false);
  EXPECT_TRUE(budget.IsThrottled());
  options.throttling->max_tokens = 10;
  budget.SetOptions(options, At(Ms(0)));
  EXPECT_EQ(budget.throttle_tokens(), 5);
  EXPECT_TRUE(budget.IsThrottled());
  options.throttling.reset();
  budget.SetOptions(options, At(Ms(0)));
  EXPECT_FALSE(budget.IsThrottled());
}

}  // namespace
}  // namespace firebreak::core
