// CLOSED and OPEN: when a breaker trips, for how long, and what it reports.
#include "src/core/breaker/breaker.h"

#include <algorithm>
#include <functional>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/core_fixtures.h"

namespace firebreak::core {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr Time kStart = At(Sec(100));

BreakerOptions RateRule(double rate, int minimum_calls, WindowOptions window) {
  BreakerOptions options;
  options.confidence = 0;
  options.consecutive_failures = 0;
  options.failure_rate = rate;
  options.minimum_calls = minimum_calls;
  options.window = window;
  options.open_jitter = 0;
  return options;
}

WindowOptions LastCalls(int n) {
  WindowOptions window;
  window.kind = WindowOptions::Kind::kCalls;
  window.calls = n;
  return window;
}

WindowOptions LastTime(Duration d) {
  WindowOptions window;
  window.duration = d;
  return window;
}

class BreakerTest : public ::testing::Test {
 protected:
  Breaker& Make(absl::optional<BreakerOptions> options,
                BreakerObserver* observer = nullptr, uint64_t seed = 1) {
    breaker_ = std::make_unique<Breaker>(
        Breaker::Identity{"shop", "t", "m", &log_, observer}, options, seed,
        kStart);
    return *breaker_;
  }
  // One call, admitted and ended at `now`.
  void Call(Verdict verdict, Time now = kStart) {
    Admission a = breaker_->Admit(now, kInfiniteFuture);
    ASSERT_TRUE(a.permit) << ReasonName(a.refusal.reason);
    a.permit.Settle(verdict, now);
  }
  void Calls(int n, Verdict verdict, Time now = kStart) {
    for (int i = 0; i < n; ++i) Call(verdict, now);
  }
  BreakerState StateAt(Time now) { return breaker_->Snapshot(now).state; }
  // Fails a probe of the breaker that is due: it opens again.
  void FailProbe(Time now) {
    Admission a = breaker_->Admit(now, kInfiniteFuture);
    ASSERT_TRUE(a.permit.is_probe());
    a.permit.Settle(Verdict::kFailure, now);
  }

  EventLog log_{100};
  std::unique_ptr<Breaker> breaker_;
};

TEST_F(BreakerTest, OpensAtItsThresholdOfConsecutiveFailures) {
  Breaker& breaker = Make(TripsAfter(3));
  Calls(2, Verdict::kFailure);
  EXPECT_EQ(breaker.Snapshot(kStart).consecutive_failures, 2);
  EXPECT_EQ(StateAt(kStart), BreakerState::kClosed);
  Call(Verdict::kFailure);
  EXPECT_EQ(StateAt(kStart), BreakerState::kOpen);
  EXPECT_EQ(breaker.Snapshot(kStart).times_opened, 1);
  EXPECT_THAT(Told(log_),
              ElementsAre("closed -> open: 3 failures in a row (limit 3)"));
}

TEST_F(BreakerTest, ASuccessEndsTheRowAndNeutralResultsDoNot) {
  Make(TripsAfter(3));
  Calls(2, Verdict::kFailure);
  Call(Verdict::kSuccess);
  Calls(2, Verdict::kFailure);
  EXPECT_EQ(StateAt(kStart), BreakerState::kClosed);
  Calls(50, Verdict::kNeutral);
  Call(Verdict::kFailure);
  EXPECT_EQ(StateAt(kStart), BreakerState::kOpen);
}

TEST_F(BreakerTest, RefusesWhileOpenAndSaysWhenToComeBack) {
  Breaker& breaker = Make(TripsAfter(1));  // open for 10 s
  Call(Verdict::kFailure);
  EXPECT_EQ(breaker.Snapshot(kStart).probe_due, kStart + Sec(10));
  EXPECT_EQ(breaker.Snapshot(kStart).since, kStart);
  for (int64_t ms : {0, 1, 7'500, 9'999}) {
    Admission a = breaker.Admit(kStart + Ms(ms), kInfiniteFuture);
    EXPECT_FALSE(a.permit);
    EXPECT_EQ(a.refusal.reason, Reason::kBreakerOpen);
    EXPECT_EQ(a.refusal.retry_after, Sec(10) - Ms(ms));
  }
  Admission a = breaker.Admit(kStart + Sec(10), kInfiniteFuture);
  EXPECT_TRUE(a.permit.is_probe());
  EXPECT_EQ(a.refusal.reason, Reason::kNone);
  EXPECT_EQ(breaker.Snapshot(kStart + Sec(10)).probe_due, absl::nullopt);
}

TEST_F(BreakerTest, RateRuleWaitsForItsMinimumOfCalls) {
  Breaker& breaker = Make(RateRule(0.5, 10, LastCalls(100)));
  Calls(9, Verdict::kFailure);
  EXPECT_EQ(StateAt(kStart), BreakerState::kClosed);
  EXPECT_EQ(breaker.Snapshot(kStart).window_calls, 9);
  EXPECT_EQ(breaker.Snapshot(kStart).window_failures, 9);
  Call(Verdict::kFailure);
  EXPECT_EQ(StateAt(kStart), BreakerState::kOpen);
  EXPECT_THAT(
      Told(log_),
      ElementsAre(
          "closed -> open: failure rate 1.00 over 10 calls (limit 0.5)"));
}

TEST_F(BreakerTest, RateRuleTripsAtItsRateAndNotBelow) {
  Make(RateRule(0.5, 10, LastCalls(100)));
  Calls(6, Verdict::kSuccess);
  Calls(5, Verdict::kFailure);  // 5 of 11
  EXPECT_EQ(StateAt(kStart), BreakerState::kClosed);
  Call(Verdict::kFailure);  // 6 of 12
  EXPECT_EQ(StateAt(kStart), BreakerState::kOpen);
}

TEST_F(BreakerTest, RateRuleOverTheLastCallsForgetsOlderOnes) {
  Make(RateRule(0.6, 10, LastCalls(10)));
  Calls(5, Verdict::kFailure);
  Calls(10, Verdict::kSuccess);
  Calls(5, Verdict::kFailure);
  EXPECT_EQ(StateAt(kStart), BreakerState::kClosed);
  Call(Verdict::kFailure);
  EXPECT_EQ(StateAt(kStart), BreakerState::kOpen);
}

TEST_F(BreakerTest, RateRuleOverTimeForgetsOlderCalls) {
  Make(RateRule(0.5, 10, LastTime(Sec(10))));
  Calls(9, Verdict::kFailure, kStart);
  Calls(9, Verdict::kFailure, kStart + Sec(10));
  EXPECT_EQ(StateAt(kStart + Sec(10)), BreakerState::kClosed);
  Call(Verdict::kFailure, kStart + Sec(19));
  EXPECT_EQ(StateAt(kStart + Sec(19)), BreakerState::kOpen);
}

TEST_F(BreakerTest, ASuccessThatCompletesTheMinimumMayTrip) {
  Make(RateRule(0.5, 4, LastCalls(100)));
  Calls(3, Verdict::kFailure);
  EXPECT_EQ(StateAt(kStart), BreakerState::kClosed);
  Call(Verdict::kSuccess);
  EXPECT_EQ(StateAt(kStart), BreakerState::kOpen);
  EXPECT_EQ(Told(log_).back(),
            "closed -> open: failure rate 0.75 over 4 calls (limit 0.5)");
}

TEST_F(BreakerTest, ASuccessBelowTheRateDoesNot) {
  Make(RateRule(0.5, 4, LastCalls(100)));
  Call(Verdict::kFailure);
  Calls(10, Verdict::kSuccess);
  EXPECT_EQ(StateAt(kStart), BreakerState::kClosed);
}

TEST_F(BreakerTest, EitherRuleTrips) {
  BreakerOptions options = RateRule(0.5, 20, LastCalls(100));
  options.consecutive_failures = 3;
  Make(options);
  Calls(3, Verdict::kFailure);
  EXPECT_EQ(StateAt(kStart), BreakerState::kOpen);
  Make(options);
  for (int i = 0; i < 10; ++i) {
    Call(Verdict::kSuccess);
    Call(Verdict::kFailure);
  }
  EXPECT_EQ(StateAt(kStart), BreakerState::kOpen);
}

TEST_F(BreakerTest, OpenTimeGrowsToItsCapAndStartsOverAfterClosing) {
  BreakerOptions options = TripsAfter(1);  // 10 s, x 2, at most 60 s
  options.probes = 1;
  Breaker& breaker = Make(options);
  Time now = kStart;
  Call(Verdict::kFailure, now);
  for (int64_t want : {10, 20, 40, 60, 60}) {
    const BreakerSnapshot s = breaker.Snapshot(now);
    ASSERT_EQ(s.probe_due, now + Sec(want));
    EXPECT_FALSE(breaker.Admit(*s.probe_due - Duration(1), now).permit);
    now = *s.probe_due;
    FailProbe(now);
  }
  EXPECT_EQ(breaker.Snapshot(now).times_opened, 6);
  now = *breaker.Snapshot(now).probe_due;
  Call(Verdict::kSuccess, now);
  EXPECT_EQ(StateAt(now), BreakerState::kClosed);
  Call(Verdict::kFailure, now);
  EXPECT_EQ(breaker.Snapshot(now).probe_due, now + Sec(10));
}

TEST_F(BreakerTest, ReTripsWithoutEndStayAtTheCap) {
  BreakerOptions options = TripsAfter(1);
  options.open_growth = 10;
  options.open_duration = options.max_open_duration = Sec(1);
  Breaker& breaker = Make(options);
  Time now = kStart;
  Call(Verdict::kFailure, now);
  for (int i = 0; i < 2000; ++i) {
    ASSERT_EQ(breaker.Snapshot(now).probe_due, now + Sec(1)) << i;
    now += Sec(1);
    FailProbe(now);
  }
}

TEST_F(BreakerTest, OpenTimeIsJitteredWithinItsShare) {
  BreakerOptions options = TripsAfter(1);
  options.open_jitter = 0.1;
  Duration least = Duration::max();
  Duration most = Duration::zero();
  for (uint64_t seed = 0; seed < 1000; ++seed) {
    Breaker& breaker = Make(options, nullptr, seed);
    Call(Verdict::kFailure);
    const Duration d = *breaker.Snapshot(kStart).probe_due - kStart;
    least = std::min(least, d);
    most = std::max(most, d);
  }
  EXPECT_GE(least, Sec(9));
  EXPECT_LT(least, Ms(9'050));
  EXPECT_LE(most, Sec(11));
  EXPECT_GT(most, Ms(10'950));
}

TEST_F(BreakerTest, ResultsThatComeWhileOpenMoveNothing) {
  Breaker& breaker = Make(TripsAfter(2));
  Admission late = breaker.Admit(kStart, kInfiniteFuture);
  Admission later = breaker.Admit(kStart, kInfiniteFuture);
  Calls(2, Verdict::kFailure);
  late.permit.Settle(Verdict::kSuccess, kStart + Sec(1));
  later.permit.Settle(Verdict::kFailure, kStart + Sec(9));
  const BreakerSnapshot s = breaker.Snapshot(kStart + Sec(9));
  EXPECT_EQ(s.state, BreakerState::kOpen);
  EXPECT_EQ(s.probe_due, kStart + Sec(10));
  EXPECT_EQ(s.stale_results, 2);
  EXPECT_EQ(s.window_calls, 2);
}

TEST_F(BreakerTest, WouldRefuseLooksAheadAndChangesNothing) {
  Breaker& breaker = Make(TripsAfter(1));
  EXPECT_FALSE(breaker.WouldRefuse(kStart, kStart + Sec(99)).has_value());
  Call(Verdict::kFailure);
  const auto refusal = breaker.WouldRefuse(kStart + Sec(1), kStart + Sec(9));
  ASSERT_TRUE(refusal.has_value());
  EXPECT_EQ(refusal->reason, Reason::kBreakerOpen);
  EXPECT_EQ(refusal->retry_after, Sec(9));
  EXPECT_FALSE(breaker.WouldRefuse(kStart, kStart + Sec(10)).has_value());
  EXPECT_EQ(breaker.Snapshot(kStart + Sec(10)).state, BreakerState::kOpen);
  EXPECT_EQ(breaker.next_tick(), kInfiniteFuture);
}

TEST_F(BreakerTest, TimeThatRunsBackALittleDoesNoHarm) {
  Breaker& breaker = Make(TripsAfter(2));
  Call(Verdict::kFailure, kStart + Sec(5));
  Call(Verdict::kFailure, kStart + Sec(4));
  // Counted, and the open time starts at the latest time seen.
  EXPECT_EQ(breaker.Snapshot(kStart).probe_due, kStart + Sec(15));
  Admission a = breaker.Admit(kStart + Sec(3), kInfiniteFuture);
  EXPECT_FALSE(a.permit);
  EXPECT_EQ(a.refusal.retry_after, Sec(10));
  EXPECT_TRUE(breaker.Admit(kStart + Sec(15), kInfiniteFuture).permit);
  // It was half-open at 15 s, and is not open again at 14 s.
  EXPECT_TRUE(breaker.Admit(kStart + Sec(14), kInfiniteFuture).permit);
}

TEST_F(BreakerTest, WithoutOptionsItIsDisabledAndAdmitsAll) {
  Breaker& breaker = Make(absl::nullopt);
  Calls(10'000, Verdict::kFailure);
  const BreakerSnapshot s = breaker.Snapshot(kStart);
  EXPECT_EQ(s.state, BreakerState::kDisabled);
  EXPECT_EQ(s.window_calls, 0);
  EXPECT_EQ(s.consecutive_failures, 0);
  EXPECT_EQ(s.epoch, 1U);
  EXPECT_THAT(Told(log_), IsEmpty());
}

TEST_F(BreakerTest, APermitIsSettledOnce) {
  Breaker& breaker = Make(TripsAfter(2));
  Admission a = breaker.Admit(kStart, kInfiniteFuture);
  Permit moved = std::move(a.permit);
  EXPECT_TRUE(moved);
  moved.Settle(Verdict::kFailure, kStart);
  EXPECT_FALSE(moved);
  moved.Settle(Verdict::kFailure, kStart);
  a.permit.Settle(Verdict::kFailure, kStart);  // moved from
  Permit().Settle(Verdict::kFailure, kStart);
  EXPECT_EQ(breaker.Snapshot(kStart).consecutive_failures, 1);
}

TEST_F(BreakerTest, EventsSayWhatWhenWhereAndWhy) {
  Make(TripsAfter(1));
  Call(Verdict::kFailure, kStart + Ms(5));
  const std::vector<Event> events = log_.Since(0, 10).events;
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].at, kStart + Ms(5));
  EXPECT_EQ(events[0].kind, Event::Kind::kTransition);
  EXPECT_EQ(events[0].channel, "shop");
  EXPECT_EQ(events[0].target, "t");
  EXPECT_EQ(events[0].method, "m");
}

// Calls the breaker from its callbacks, which would hang if the breaker's lock
// were held.
class Watcher : public BreakerObserver {
 public:
  void OnStateChange(Breaker* breaker) override {
    states.push_back(breaker->Snapshot(kStart).state);
  }
  std::vector<BreakerState> states;
};

TEST_F(BreakerTest, TellsItsObserverOfEachChangeOutsideItsLock) {
  Watcher watcher;
  BreakerOptions options = TripsAfter(1);
  options.probes = 1;
  Breaker& breaker = Make(options, &watcher);
  Call(Verdict::kSuccess);
  Call(Verdict::kFailure);
  EXPECT_THAT(watcher.states, ElementsAre(BreakerState::kOpen));
  watcher.states.clear();

  Admission probe = breaker.Admit(kStart + Sec(10), kInfiniteFuture);
  EXPECT_THAT(watcher.states, ElementsAre(BreakerState::kHalfOpen));
  watcher.states.clear();

  breaker.Tick(kStart + Sec(15));  // the probe hangs
  breaker.Tick(kStart + Sec(15));
  breaker.ForceClosed(Sec(1), kStart + Sec(15));
  breaker.Tick(kStart + Sec(16));
  breaker.ForceOpen(absl::nullopt, kStart + Sec(16));
  EXPECT_TRUE(breaker.ClearOverride(kStart + Sec(16)));
  EXPECT_FALSE(breaker.ClearOverride(kStart + Sec(16)));
  breaker.Reset(kStart + Sec(16));
  EXPECT_THAT(watcher.states,
              ElementsAre(BreakerState::kOpen, BreakerState::kForcedClosed,
                          BreakerState::kClosed, BreakerState::kForcedOpen,
                          BreakerState::kHalfOpen, BreakerState::kClosed));
}

TEST(BreakerStateTest, NamesAreThoseOfTheAdminService) {
  EXPECT_EQ(BreakerStateName(BreakerState::kDisabled), "disabled");
  EXPECT_EQ(BreakerStateName(BreakerState::kClosed), "closed");
  EXPECT_EQ(BreakerStateName(BreakerState::kOpen), "open");
  EXPECT_EQ(BreakerStateName(BreakerState::kHalfOpen), "half_open");
  EXPECT_EQ(BreakerStateName(BreakerState::kForcedOpen), "forced_open");
  EXPECT_EQ(BreakerStateName(BreakerState::kForcedClosed), "forced_closed");
}

}  // namespace
}  // namespace firebreak::core
