// All callers hang, and so make no new calls. Only the calls in flight can show
// that.
#include <chrono>
#include <vector>

#include "gtest/gtest.h"
#include "src/core/breaker/breaker.h"
#include "tests/support/core_fixtures.h"

namespace firebreak::core {
namespace {

// A rule on slow calls, as policy.md has it, and no timeout.
BreakerOptions SlowRule() {
  BreakerOptions options;
  options.slow_call_duration = Sec(2);
  options.slow_call_rate = 0.8;
  options.minimum_calls = 20;
  options.window.kind = WindowOptions::Kind::kTime;
  options.window.duration = Sec(10);
  return options;
}

class BreakerHangTest : public ::testing::Test {
 protected:
  void Make(const BreakerOptions& options) {
    breaker_ = std::make_unique<Breaker>(
        Breaker::Identity{"shop", "t", "m", &log_, nullptr}, options, 1, now_);
  }
  Permit Call() { return breaker_->Admit(now_, kInfiniteFuture).permit; }
  void FastCalls(int n) {
    for (int i = 0; i < n; ++i) Call().Settle(Verdict::kSuccess, now_);
  }
  // Ticks as the engine does, when the breaker has asked for it.
  void Pass(Duration d) {
    const Time end = now_ + d;
    for (Time at = breaker_->next_tick(); at <= end;
         at = breaker_->next_tick()) {
      now_ = std::max(now_, at);
      breaker_->Tick(now_);
    }
    now_ = end;
  }
  BreakerSnapshot Look() { return breaker_->Snapshot(now_); }

  EventLog log_{100};
  Time now_ = At(Sec(1));
  std::unique_ptr<Breaker> breaker_;
};

TEST_F(BreakerHangTest, OpensWhenAllCallersHangAfterABusyTime) {
  Make(SlowRule());
  for (int i = 0; i < 10; ++i) {
    FastCalls(100);
    Pass(Sec(1));
  }
  std::vector<Permit> hung;
  for (int i = 0; i < 20; ++i) hung.push_back(Call());
  // 20 slow calls among 800 fast ones are not enough yet.
  Pass(Sec(3));
  EXPECT_EQ(Look().state, BreakerState::kClosed);
  EXPECT_EQ(Look().slow_in_flight, 20);
  // There are no more calls, and the fast ones leave the window.
  Pass(Sec(10));
  EXPECT_EQ(Look().state, BreakerState::kOpen);
  EXPECT_EQ(Look().cause, "slow-call rate 1.00 over 20 calls (limit 0.8)");
}

TEST_F(BreakerHangTest, ASlowCallStaysInTheWindowAsLongAsItHangs) {
  BreakerOptions options = SlowRule();
  options.minimum_calls = 40;
  Make(options);
  std::vector<Permit> hung;
  for (int i = 0; i < 20; ++i) hung.push_back(Call());
  Pass(Sec(50));
  EXPECT_EQ(Look().window_slow, 20);
  EXPECT_EQ(Look().window_timed, 20);
  EXPECT_EQ(Look().slow_in_flight, 20);
  // A call that ends is a result like any other, and leaves the window.
  for (Permit& each : hung) each.Settle(Verdict::kSuccess, now_);
  EXPECT_EQ(Look().window_slow, 20);
  EXPECT_EQ(Look().slow_in_flight, 0);
  Pass(Sec(11));
  EXPECT_EQ(Look().window_slow, 0);
}

TEST_F(BreakerHangTest, AWindowOfCallsHasThoseInFlightForTheOldest) {
  BreakerOptions options = SlowRule();
  options.window.kind = WindowOptions::Kind::kCalls;
  options.window.calls = 10;
  Make(options);
  FastCalls(10);
  std::vector<Permit> hung;
  for (int i = 0; i < 9; ++i) hung.push_back(Call());
  Pass(Sec(3));
  EXPECT_EQ(Look().window_timed, 10);
  EXPECT_EQ(Look().window_slow, 9);
  for (Permit& each : hung) each = Permit();
  EXPECT_EQ(Look().window_timed, 10);
  EXPECT_EQ(Look().window_slow, 9);
}

TEST_F(BreakerHangTest, WhatHungWhenItOpenedIsForgottenThen) {
  Make(SlowRule());
  std::vector<Permit> hung;
  for (int i = 0; i < 20; ++i) hung.push_back(Call());
  Pass(Sec(3));
  ASSERT_EQ(Look().state, BreakerState::kOpen);
  EXPECT_EQ(Look().slow_in_flight, 0);
  breaker_->Reset(now_);
  EXPECT_EQ(Look().window_slow, 0);
  hung.clear();
  EXPECT_EQ(Look().window_slow, 0);
  EXPECT_EQ(Look().slow_in_flight, 0);
  EXPECT_EQ(Look().stale_results, 20);
}

TEST_F(BreakerHangTest, AnotherLimitForgetsThoseThatWereFound) {
  Make(SlowRule());
  std::vector<Permit> hung;
  for (int i = 0; i < 10; ++i) hung.push_back(Call());
  Pass(Sec(3));
  ASSERT_EQ(Look().slow_in_flight, 10);
  BreakerOptions other = SlowRule();
  other.slow_call_duration = Sec(4);
  breaker_->SetOptions(other, now_);
  EXPECT_EQ(Look().slow_in_flight, 0);
  hung.clear();
  EXPECT_EQ(Look().slow_in_flight, 0);
  EXPECT_EQ(Look().window_slow, 0);
}

TEST_F(BreakerHangTest, TroubleBeginsWithTheFirstTripAndEndsWithClosed) {
  Make(TripsAfter(1));
  EXPECT_FALSE(Look().trouble_since);
  const Time began = now_;
  Call().Settle(Verdict::kFailure, now_);
  EXPECT_EQ(Look().trouble_since, began);
  for (int i = 0; i < 5; ++i) {
    now_ += std::chrono::minutes(2);
    EXPECT_TRUE(Look().waits_for_call);
    Permit probe = Call();
    ASSERT_TRUE(probe.is_probe());
    EXPECT_FALSE(Look().waits_for_call);
    EXPECT_EQ(Look().trouble_since, began);
    probe.Settle(Verdict::kFailure, now_);
    EXPECT_EQ(Look().since, now_);
    EXPECT_EQ(Look().trouble_since, began);
    EXPECT_FALSE(Look().waits_for_call);
  }
  breaker_->ForceOpen(absl::nullopt, now_);
  EXPECT_EQ(Look().trouble_since, began);
  breaker_->ForceClosed(absl::nullopt, now_);
  EXPECT_FALSE(Look().trouble_since);
  breaker_->ForceOpen(absl::nullopt, now_);
  EXPECT_EQ(Look().trouble_since, now_);
  breaker_->ClearOverride(now_);
  EXPECT_EQ(Look().state, BreakerState::kHalfOpen);
  EXPECT_TRUE(Look().waits_for_call);
  breaker_->Reset(now_);
  EXPECT_FALSE(Look().trouble_since);
  EXPECT_FALSE(Look().waits_for_call);
}

}  // namespace
}  // namespace firebreak::core
