// An operator's override has priority over every timer and rule.
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/core/breaker/breaker.h"
#include "tests/support/core_fixtures.h"

namespace firebreak::core {
namespace {

using ::testing::ElementsAre;

class OverrideTest : public ::testing::Test {
 protected:
  Breaker& Make(absl::optional<BreakerOptions> options = TripsAfter(1)) {
    breaker_ = std::make_unique<Breaker>(
        Breaker::Identity{"shop", "t", "m", &log_, nullptr}, options, 1,
        Time{});
    return *breaker_;
  }
  void Trip(Time now) {
    breaker_->Admit(now, kInfiniteFuture).permit.Settle(Verdict::kFailure, now);
    ASSERT_EQ(StateAt(now), BreakerState::kOpen);
  }
  BreakerState StateAt(Time now) { return breaker_->Snapshot(now).state; }

  EventLog log_{100};
  std::unique_ptr<Breaker> breaker_;
};

TEST_F(OverrideTest, ForcedOpenRefusesUntilCleared) {
  Breaker& breaker = Make();
  breaker.ForceOpen(absl::nullopt, At(Sec(1)));
  const Time late = At(Sec(1'000'000));
  Admission a = breaker.Admit(late, kInfiniteFuture);
  EXPECT_FALSE(a.permit);
  EXPECT_EQ(a.refusal.reason, Reason::kForcedOpen);
  EXPECT_EQ(a.refusal.retry_after, kInfiniteDuration);
  EXPECT_EQ(breaker.next_tick(), kInfiniteFuture);
  const BreakerSnapshot s = breaker.Snapshot(late);
  EXPECT_EQ(s.state, BreakerState::kForcedOpen);
  EXPECT_EQ(s.since, At(Sec(1)));
  EXPECT_EQ(s.override_end, absl::nullopt);
  EXPECT_EQ(s.probe_due, absl::nullopt);

  EXPECT_TRUE(breaker.ClearOverride(late));
  EXPECT_EQ(StateAt(late), BreakerState::kHalfOpen);
  EXPECT_TRUE(breaker.Admit(late, kInfiniteFuture).permit.is_probe());
  EXPECT_FALSE(breaker.ClearOverride(late));
  EXPECT_THAT(
      Told(log_),
      ElementsAre("closed -> forced_open: by an operator, until cleared",
                  "forced_open -> half_open: cleared by an operator"));
}

TEST_F(OverrideTest, ForcedOpenForATimeEndsByItself) {
  Breaker& breaker = Make();
  breaker.ForceOpen(Sec(30), At(Sec(1)));
  EXPECT_EQ(breaker.next_tick(), At(Sec(31)));
  EXPECT_EQ(breaker.Snapshot(At(Sec(2))).override_end, At(Sec(31)));
  Admission a = breaker.Admit(At(Sec(11)), kInfiniteFuture);
  EXPECT_EQ(a.refusal.reason, Reason::kForcedOpen);
  EXPECT_EQ(a.refusal.retry_after, Sec(20));
  EXPECT_EQ(StateAt(At(Sec(31)) - Duration(1)), BreakerState::kForcedOpen);
  // The next call notices that the override has ended.
  EXPECT_TRUE(breaker.Admit(At(Sec(31)), kInfiniteFuture).permit.is_probe());
  EXPECT_EQ(StateAt(At(Sec(31))), BreakerState::kHalfOpen);
  EXPECT_EQ(breaker.Snapshot(At(Sec(31))).override_end, absl::nullopt);
  EXPECT_THAT(Told(log_),
              ElementsAre("closed -> forced_open: by an operator, for 30s",
                          "forced_open -> half_open: expired"));
  EXPECT_EQ(log_.Since(0, 9).events[0].kind, Event::Kind::kOverrideSet);
  EXPECT_EQ(log_.Since(0, 9).events[1].kind, Event::Kind::kOverrideEnded);
}

TEST_F(OverrideTest, AnOverrideThatHasExpiredCannotBeCleared) {
  Breaker& breaker = Make();
  breaker.ForceOpen(Sec(5), At(Sec(0)));
  EXPECT_FALSE(breaker.ClearOverride(At(Sec(5))));
  EXPECT_EQ(StateAt(At(Sec(5))), BreakerState::kHalfOpen);
}

TEST_F(OverrideTest, WouldRefuseKnowsWhenAnOverrideEnds) {
  Breaker& breaker = Make();
  breaker.ForceOpen(Sec(30), At(Sec(0)));
  const auto refusal = breaker.WouldRefuse(At(Sec(10)), At(Sec(29)));
  ASSERT_TRUE(refusal.has_value());
  EXPECT_EQ(refusal->reason, Reason::kForcedOpen);
  EXPECT_EQ(refusal->retry_after, Sec(20));
  EXPECT_FALSE(breaker.WouldRefuse(At(Sec(10)), At(Sec(30))).has_value());
}

TEST_F(OverrideTest, ForcedClosedAdmitsWhateverFails) {
  Breaker& breaker = Make();
  Trip(At(Sec(0)));
  breaker.ForceClosed(absl::nullopt, At(Sec(1)));
  EXPECT_FALSE(breaker.WouldRefuse(At(Sec(1)), At(Sec(1))).has_value());
  for (int i = 0; i < 100; ++i) {
    Admission a = breaker.Admit(At(Sec(2)), kInfiniteFuture);
    ASSERT_TRUE(a.permit);
    EXPECT_FALSE(a.permit.is_probe());
    a.permit.Settle(Verdict::kFailure, At(Sec(2)));
  }
  EXPECT_EQ(StateAt(At(Sec(2))), BreakerState::kForcedClosed);
  EXPECT_TRUE(breaker.ClearOverride(At(Sec(3))));
  const BreakerSnapshot s = breaker.Snapshot(At(Sec(3)));
  EXPECT_EQ(s.state, BreakerState::kClosed);
  EXPECT_EQ(s.consecutive_failures, 0);
  EXPECT_EQ(s.window_calls, 0);
}

TEST_F(OverrideTest, ForcedClosedForATimeGoesOnClosed) {
  Breaker& breaker = Make();
  Trip(At(Sec(0)));
  breaker.ForceClosed(Sec(5), At(Sec(1)));
  EXPECT_EQ(breaker.next_tick(), At(Sec(6)));
  breaker.Tick(At(Sec(6)));
  EXPECT_EQ(StateAt(At(Sec(6))), BreakerState::kClosed);
  Trip(At(Sec(6)));  // and obeys its rules again
  // The first open time again, not a longer one.
  EXPECT_EQ(breaker.Snapshot(At(Sec(6))).probe_due, At(Sec(16)));
}

TEST_F(OverrideTest, BeatsTheTimerOfAnOpenBreaker) {
  Breaker& breaker = Make();
  Trip(At(Sec(0)));
  breaker.ForceOpen(absl::nullopt, At(Sec(1)));
  EXPECT_FALSE(breaker.Admit(At(Sec(500)), kInfiniteFuture).permit);
  EXPECT_EQ(StateAt(At(Sec(500))), BreakerState::kForcedOpen);
}

TEST_F(OverrideTest, BeatsTheLeasesOfProbes) {
  for (const bool open : {true, false}) {
    Breaker& breaker = Make();
    Trip(At(Sec(0)));
    Permit probe = breaker.Admit(At(Sec(10)), kInfiniteFuture).permit;
    ASSERT_TRUE(probe.is_probe());
    open ? breaker.ForceOpen(absl::nullopt, At(Sec(11)))
         : breaker.ForceClosed(absl::nullopt, At(Sec(11)));
    const BreakerState want =
        open ? BreakerState::kForcedOpen : BreakerState::kForcedClosed;
    EXPECT_EQ(StateAt(At(Sec(20))), want);
    EXPECT_EQ(breaker.Snapshot(At(Sec(20))).probes_in_flight, 0);
    EXPECT_EQ(breaker.Snapshot(At(Sec(20))).hung_probes, 0);
    probe.Settle(Verdict::kFailure, At(Sec(21)));
    EXPECT_EQ(StateAt(At(Sec(21))), want);
    EXPECT_EQ(breaker.Snapshot(At(Sec(21))).stale_results, 1);
  }
}

TEST_F(OverrideTest, BeatsTheResultsOfCallsThatAreUnderWay) {
  Breaker& breaker = Make();
  Permit call = breaker.Admit(At(Sec(0)), kInfiniteFuture).permit;
  breaker.ForceClosed(Sec(5), At(Sec(1)));
  Permit during = breaker.Admit(At(Sec(1)), kInfiniteFuture).permit;
  breaker.Tick(At(Sec(6)));
  call.Settle(Verdict::kFailure, At(Sec(7)));
  during.Settle(Verdict::kFailure, At(Sec(7)));
  EXPECT_EQ(StateAt(At(Sec(7))), BreakerState::kClosed);
  EXPECT_EQ(breaker.Snapshot(At(Sec(7))).stale_results, 2);
}

TEST_F(OverrideTest, TheLastWordCounts) {
  Breaker& breaker = Make();
  breaker.ForceOpen(Sec(10), At(Sec(0)));
  breaker.ForceClosed(Sec(100), At(Sec(5)));
  EXPECT_EQ(StateAt(At(Sec(50))), BreakerState::kForcedClosed);
  breaker.ForceOpen(absl::nullopt, At(Sec(60)));
  EXPECT_EQ(StateAt(At(Sec(200))), BreakerState::kForcedOpen);
  breaker.ForceOpen(Sec(5), At(Sec(300)));
  EXPECT_EQ(StateAt(At(Sec(305))), BreakerState::kHalfOpen);
}

TEST_F(OverrideTest, AnOverrideForEverIsOne) {
  Breaker& breaker = Make();
  breaker.ForceOpen(kInfiniteDuration, At(Sec(1)));
  EXPECT_EQ(StateAt(At(Sec(1'000'000))), BreakerState::kForcedOpen);
  EXPECT_EQ(breaker.next_tick(), kInfiniteFuture);
}

TEST_F(OverrideTest, AFailedProbeAfterwardsOpensAsEver) {
  Breaker& breaker = Make();
  breaker.ForceOpen(Sec(1), At(Sec(0)));
  Permit probe = breaker.Admit(At(Sec(1)), kInfiniteFuture).permit;
  probe.Settle(Verdict::kFailure, At(Sec(1)));
  EXPECT_EQ(StateAt(At(Sec(1))), BreakerState::kOpen);
  // It was CLOSED before, so this is its first trip, and not a re-trip.
  EXPECT_EQ(breaker.Snapshot(At(Sec(1))).probe_due, At(Sec(11)));
}

TEST_F(OverrideTest, ForcedOpenKeepsTheGrowthOfTheOpenTime) {
  Breaker& breaker = Make();
  auto fail_probe = [&](Time now) {
    Permit probe = breaker.Admit(now, kInfiniteFuture).permit;
    ASSERT_TRUE(probe.is_probe());
    probe.Settle(Verdict::kFailure, now);
  };
  Trip(At(Sec(0)));
  fail_probe(At(Sec(10)));  // open for 20 s now
  breaker.ForceOpen(Sec(1), At(Sec(11)));
  fail_probe(At(Sec(12)));
  EXPECT_EQ(breaker.Snapshot(At(Sec(12))).probe_due, At(Sec(52)));
}

TEST_F(OverrideTest, ResetClosesFromEveryState) {
  BreakerOptions options = TripsAfter(1);
  options.probes = 1;
  Breaker& breaker = Make(options);
  Trip(At(Sec(0)));
  breaker.Reset(At(Sec(1)));
  EXPECT_EQ(StateAt(At(Sec(1))), BreakerState::kClosed);
  EXPECT_EQ(log_.Since(0, 9).events.back().kind, Event::Kind::kReset);

  Trip(At(Sec(1)));
  Permit probe = breaker.Admit(At(Sec(11)), kInfiniteFuture).permit;
  breaker.Reset(At(Sec(11)));
  EXPECT_EQ(StateAt(At(Sec(20))), BreakerState::kClosed);
  probe.Settle(Verdict::kFailure, At(Sec(20)));
  EXPECT_EQ(StateAt(At(Sec(20))), BreakerState::kClosed);

  breaker.ForceOpen(Sec(100), At(Sec(20)));
  breaker.Reset(At(Sec(21)));
  EXPECT_EQ(StateAt(At(Sec(21))), BreakerState::kClosed);
  EXPECT_EQ(breaker.Snapshot(At(Sec(21))).override_end, absl::nullopt);
  EXPECT_EQ(breaker.next_tick(), kInfiniteFuture);
  EXPECT_EQ(StateAt(At(Sec(200))), BreakerState::kClosed);
}

TEST_F(OverrideTest, ResetForgetsTheWindowAndTheGrowthOfTheOpenTime) {
  BreakerOptions options = TripsAfter(2);
  options.probes = 1;
  Breaker& breaker = Make(options);
  auto fail = [&](Time now) {
    breaker.Admit(now, kInfiniteFuture).permit.Settle(Verdict::kFailure, now);
  };
  fail(At(Sec(0)));
  breaker.Reset(At(Sec(0)));
  EXPECT_EQ(breaker.Snapshot(At(Sec(0))).window_calls, 0);
  fail(At(Sec(0)));
  EXPECT_EQ(StateAt(At(Sec(0))), BreakerState::kClosed);
  fail(At(Sec(0)));
  fail(At(Sec(10)));  // the probe
  EXPECT_EQ(breaker.Snapshot(At(Sec(10))).probe_due, At(Sec(30)));
  breaker.Reset(At(Sec(10)));
  fail(At(Sec(10)));
  fail(At(Sec(10)));
  EXPECT_EQ(breaker.Snapshot(At(Sec(10))).probe_due, At(Sec(20)));
}

TEST_F(OverrideTest, EveryChangeGetsANewEpoch) {
  Breaker& breaker = Make();
  uint64_t epoch = breaker.Snapshot(At(Sec(0))).epoch;
  auto expect_next = [&](const char* what) {
    EXPECT_EQ(breaker.Snapshot(At(Sec(0))).epoch, ++epoch) << what;
  };
  breaker.Reset(At(Sec(0)));
  expect_next("reset of a closed breaker");
  breaker.ForceClosed(absl::nullopt, At(Sec(0)));
  expect_next("forced closed");
  breaker.ForceClosed(Sec(1), At(Sec(0)));
  expect_next("the same again");
  breaker.ClearOverride(At(Sec(0)));
  expect_next("cleared");
  breaker.ClearOverride(At(Sec(0)));
  EXPECT_EQ(breaker.Snapshot(At(Sec(0))).epoch, epoch) << "nothing to clear";
}

TEST_F(OverrideTest, ADisabledBreakerObeysAndIsDisabledAgain) {
  Breaker& breaker = Make(absl::nullopt);
  breaker.ForceOpen(Sec(5), At(Sec(0)));
  EXPECT_EQ(breaker.Admit(At(Sec(1)), kInfiniteFuture).refusal.reason,
            Reason::kForcedOpen);
  EXPECT_EQ(StateAt(At(Sec(5))), BreakerState::kDisabled);
  Admission a = breaker.Admit(At(Sec(5)), kInfiniteFuture);
  EXPECT_TRUE(a.permit);
  EXPECT_FALSE(a.permit.is_probe());

  breaker.ForceClosed(absl::nullopt, At(Sec(6)));
  EXPECT_EQ(StateAt(At(Sec(6))), BreakerState::kForcedClosed);
  breaker.ClearOverride(At(Sec(6)));
  EXPECT_EQ(StateAt(At(Sec(6))), BreakerState::kDisabled);
  breaker.ForceOpen(absl::nullopt, At(Sec(7)));
  breaker.Reset(At(Sec(7)));
  EXPECT_EQ(StateAt(At(Sec(7))), BreakerState::kDisabled);
  EXPECT_TRUE(breaker.Admit(At(Sec(7)), kInfiniteFuture).permit);
}

TEST_F(OverrideTest, EveryChangeOfStateIsCountedByItsTwoStates) {
  Breaker& breaker = Make();
  Trip(At(Sec(1)));
  breaker.ForceClosed(Sec(5), At(Sec(2)));
  EXPECT_EQ(StateAt(At(Sec(10))), BreakerState::kClosed);
  Trip(At(Sec(11)));
  breaker.ForceClosed(absl::nullopt, At(Sec(12)));
  const StateChanges changes = breaker.Snapshot(At(Sec(13))).changes;
  const auto times = [&](BreakerState from, BreakerState to) {
    return changes[static_cast<size_t>(from)][static_cast<size_t>(to)];
  };
  EXPECT_EQ(times(BreakerState::kClosed, BreakerState::kOpen), 2);
  EXPECT_EQ(times(BreakerState::kOpen, BreakerState::kForcedClosed), 2);
  EXPECT_EQ(times(BreakerState::kForcedClosed, BreakerState::kClosed), 1);
  int64_t all = 0;
  for (const auto& from : changes) {
    for (const int64_t count : from) all += count;
  }
  EXPECT_EQ(all, 5);
}

}  // namespace
}  // namespace firebreak::core
