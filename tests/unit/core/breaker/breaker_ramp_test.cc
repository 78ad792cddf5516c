// RAMP, SHADOW and DISABLED, a HALF_OPEN with few calls, and targets that
// always lose.
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/core/breaker/breaker.h"
#include "tests/support/core_fixtures.h"

namespace firebreak::core {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr Time kDue = At(Sec(10));

class Watcher : public BreakerObserver {
 public:
  void OnStateChange(Breaker* /*breaker*/) override { ++changes; }
  void OnTickWanted(Breaker* breaker) override {
    ++wanted;
    tick = breaker->next_tick();
  }
  int changes = 0;
  int wanted = 0;
  Time tick = kInfiniteFuture;
};

class BreakerModesTest : public ::testing::Test {
 protected:
  Breaker& Make(const BreakerOptions& options) {
    breaker_ = std::make_unique<Breaker>(
        Breaker::Identity{"shop", "t", "m", &log_, &watcher_}, options, 1,
        Time{});
    return *breaker_;
  }
  static BreakerOptions Ramping(Duration duration, double initial) {
    BreakerOptions options = TripsAfter(1);
    options.probes = 1;
    options.ramp = {initial, duration};
    return options;
  }
  // Makes a breaker that enters RAMP at kDue.
  Breaker& MakeRamping(const BreakerOptions& options) {
    Make(options);
    Call(Verdict::kFailure, Time{});
    Call(Verdict::kSuccess, kDue);
    EXPECT_EQ(StateAt(kDue), BreakerState::kRamp);
    return *breaker_;
  }
  // Makes a call, and returns whether it was admitted.
  bool Call(Verdict verdict, Time now) {
    Admission a = breaker_->Admit(now, kInfiniteFuture);
    a.permit.Settle(verdict, now);
    return a.refusal.reason == Reason::kNone;
  }
  int Admitted(int calls, Time now) {
    int n = 0;
    for (int i = 0; i < calls; ++i) n += Call(Verdict::kSuccess, now);
    return n;
  }
  BreakerState StateAt(Time now) { return breaker_->Snapshot(now).state; }

  EventLog log_{100};
  Watcher watcher_;
  std::unique_ptr<Breaker> breaker_;
};

TEST_F(BreakerModesTest, RampAdmitsAGrowingShareAndThenAll) {
  Breaker& breaker = MakeRamping(Ramping(Sec(10), 0.1));
  EXPECT_EQ(Admitted(1, kDue), 1);  // the first call, whatever the share
  EXPECT_EQ(Admitted(100, kDue), 10);
  EXPECT_NEAR(breaker.Snapshot(kDue + Sec(5)).admitted_share, 0.55, 1e-9);
  EXPECT_EQ(Admitted(100, kDue + Sec(5)), 55);
  EXPECT_EQ(breaker.next_tick(), kDue + Sec(10));
  EXPECT_EQ(StateAt(kDue + Sec(10)), BreakerState::kClosed);
  EXPECT_EQ(Admitted(100, kDue + Sec(10)), 100);
  EXPECT_THAT(Told(log_),
              ElementsAre("closed -> open: 1 failures in a row (limit 1)",
                          "open -> half_open: a call came after the open time",
                          "half_open -> ramp: probes succeeded (1 of 1)",
                          "ramp -> closed: the ramp is over"));
}

TEST_F(BreakerModesTest, ARefusalOfTheRampSaysWhenItIsWorthAskingAgain) {
  Breaker& breaker = MakeRamping(Ramping(Sec(3600), 0.1));
  EXPECT_EQ(Admitted(1, kDue), 1);
  const auto refusal_at = [&](Time now) {
    Admission a = breaker.Admit(now, kInfiniteFuture);
    while (a.permit) a = breaker.Admit(now, kInfiniteFuture);
    EXPECT_EQ(a.refusal.reason, Reason::kRamping);
    return a.refusal.retry_after;
  };
  // The wait is as after a trip, and not an hour.
  EXPECT_EQ(refusal_at(kDue + Sec(4)), Sec(10));
  EXPECT_EQ(refusal_at(kDue + Sec(3594)), Sec(6));
}

TEST_F(BreakerModesTest, ATripInTheRampReopensForLonger) {
  Breaker& breaker = MakeRamping(Ramping(Sec(10), 1));
  EXPECT_TRUE(Call(Verdict::kFailure, kDue + Sec(1)));
  EXPECT_EQ(StateAt(kDue + Sec(1)), BreakerState::kOpen);
  EXPECT_EQ(breaker.Snapshot(kDue + Sec(1)).probe_due, kDue + Sec(1) + Sec(20));
}

TEST_F(BreakerModesTest, TheRampJudgesOnlyCallsSinceItsStart) {
  BreakerOptions options = Ramping(Sec(10), 1);
  options.consecutive_failures = 3;
  Make(options);
  Admission before = breaker_->Admit(Time{}, kInfiniteFuture);
  for (int i = 0; i < 3; ++i) Call(Verdict::kFailure, Time{});
  Call(Verdict::kSuccess, kDue);
  ASSERT_EQ(StateAt(kDue), BreakerState::kRamp);
  before.permit.Settle(Verdict::kFailure, kDue);
  EXPECT_EQ(breaker_->Snapshot(kDue).stale_results, 1);
  Call(Verdict::kFailure, kDue);
  Call(Verdict::kFailure, kDue);
  EXPECT_EQ(StateAt(kDue), BreakerState::kRamp);
  // A call that began in the ramp still counts after it.
  Admission during = breaker_->Admit(kDue, kInfiniteFuture);
  EXPECT_EQ(StateAt(kDue + Sec(10)), BreakerState::kClosed);
  during.permit.Settle(Verdict::kFailure, kDue + Sec(10));
  EXPECT_EQ(StateAt(kDue + Sec(10)), BreakerState::kOpen);
  EXPECT_EQ(breaker_->Snapshot(kDue + Sec(10)).stale_results, 1);
}

TEST_F(BreakerModesTest, CallsOfAComingBackAreCareful) {
  MakeRamping(Ramping(Sec(10), 1));
  EXPECT_TRUE(breaker_->Admit(kDue, kInfiniteFuture).permit.is_careful());
  EXPECT_FALSE(
      breaker_->Admit(kDue + Sec(10), kInfiniteFuture).permit.is_careful());
}

TEST_F(BreakerModesTest, HedgesTakeNoTurnOfTheRamp) {
  Breaker& breaker = MakeRamping(Ramping(Sec(10), 0.5));
  for (int i = 0; i < 20; ++i) {
    for (const Hedge hedge : {Hedge::kToUsedTarget, Hedge::kToUnusedTarget}) {
      const Admission a =
          breaker.Admit(kDue, kInfiniteFuture, CallKind::kUnary, hedge);
      EXPECT_EQ(a.refusal.reason, Reason::kRamping);
    }
    EXPECT_EQ(Call(Verdict::kSuccess, kDue), i % 2 == 0);
  }
}

TEST_F(BreakerModesTest, AHedgeProbesOnlyATargetThatItsCallHasNotUsed) {
  BreakerOptions options = TripsAfter(1);
  options.probes = 1;
  Breaker& breaker = Make(options);
  const auto admit = [&](Time now, Hedge hedge) {
    return breaker.Admit(now, kInfiniteFuture, CallKind::kUnary, hedge);
  };
  EXPECT_TRUE(admit(Time{}, Hedge::kToUsedTarget).permit);
  Call(Verdict::kFailure, Time{});
  for (const Hedge hedge : {Hedge::kToUsedTarget, Hedge::kToUnusedTarget}) {
    EXPECT_EQ(admit(kDue - Sec(1), hedge).refusal.reason, Reason::kBreakerOpen);
  }
  EXPECT_EQ(admit(kDue, Hedge::kToUsedTarget).refusal.reason,
            Reason::kProbesTaken);
  EXPECT_EQ(StateAt(kDue), BreakerState::kOpen);
  Permit probe = admit(kDue, Hedge::kToUnusedTarget).permit;
  EXPECT_TRUE(probe.is_probe());
  EXPECT_EQ(admit(kDue, Hedge::kToUsedTarget).refusal.reason,
            Reason::kProbesTaken);
  EXPECT_EQ(breaker.Snapshot(kDue).probes_in_flight, 1);
  probe.Settle(Verdict::kSuccess, kDue);
  EXPECT_EQ(StateAt(kDue), BreakerState::kClosed);
}

TEST_F(BreakerModesTest, ShadowLetsHedgesPassAndDoesNotMoveByThem) {
  BreakerOptions options = TripsAfter(1);
  options.mode = BreakerOptions::Mode::kShadow;
  Breaker& breaker = Make(options);
  Call(Verdict::kFailure, Time{});
  Permit hedge =
      breaker
          .Admit(kDue, kInfiniteFuture, CallKind::kUnary, Hedge::kToUsedTarget)
          .permit;
  EXPECT_TRUE(hedge);
  hedge.Settle(Verdict::kSuccess, kDue);
  EXPECT_EQ(StateAt(kDue), BreakerState::kOpen);
}

// A call with a hedge after 50 ms, over two targets.
CallRig::Setup TwoTargets() {
  CallRig::Setup setup;
  setup.targets = 2;
  return setup;
}

TEST_F(BreakerModesTest, AHedgeDoesNotGoToARampingTarget) {
  MethodOptions options = Hedging(2, Ms(50));
  options.breaker = Ramping(Sec(10), 1);
  options.breaker->open_duration = Ms(1);
  CallRig rig(options, TwoTargets());
  Breaker& second = rig.breaker(1);
  second.Admit(Time{}, kInfiniteFuture)
      .permit.Settle(Verdict::kFailure, Time{});
  second.Admit(At(Ms(1)), kInfiniteFuture)
      .permit.Settle(Verdict::kSuccess, At(Ms(1)));
  ASSERT_EQ(second.Snapshot(At(Ms(1))).state, BreakerState::kRamp);
  rig.Answer(0, Ms(200));
  rig.Run();
  ASSERT_EQ(rig.driver().launched(), 2);
  EXPECT_EQ(rig.driver().attempt(1).target, 0);
}

TEST_F(BreakerModesTest, OnlyWhoLosesWithAHeadStartHasLost) {
  MethodOptions options = Hedging(2, Ms(50));
  options.breaker = TripsAfter(1);
  CallRig hole(options, TwoTargets());
  hole.Answer(1, Ms(10));
  hole.Run();
  EXPECT_EQ(hole.breaker(0).Snapshot(hole.now()).losses, 1);
  EXPECT_EQ(hole.breaker(1).Snapshot(hole.now()).losses, 0);
  CallRig late(options, TwoTargets());
  late.Answer(0, Ms(55));
  late.Run();
  ASSERT_EQ(late.driver().launched(), 2);
  EXPECT_EQ(late.breaker(0).Snapshot(late.now()).losses, 0);
  EXPECT_EQ(late.breaker(1).Snapshot(late.now()).losses, 0);
}

TEST_F(BreakerModesTest, WithoutAnAnswerNobodyHasLost) {
  AttemptEnd fatal;
  fatal.code = absl::StatusCode::kInternal;
  AttemptEnd cancelled;  // the parent call was cancelled; this ends first
  cancelled.code = absl::StatusCode::kCancelled;
  cancelled.cancelled_by_caller = true;
  AttemptEnd no;
  no.code = absl::StatusCode::kNotFound;
  for (const AttemptEnd& end : {fatal, cancelled, no}) {
    MethodOptions options = Hedging(2, Ms(50));
    options.breaker = TripsAfter(5);
    CallRig rig(options, TwoTargets());
    rig.AnswerWith(1, Ms(10), end);
    rig.Run();
    ASSERT_TRUE(rig.driver().finished());
    const bool is_answer = end.code == no.code;
    EXPECT_EQ(rig.breaker(0).Snapshot(rig.now()).losses, is_answer ? 1 : 0);
    EXPECT_EQ(rig.driver().attempt(0).attribution,
              end.cancelled_by_caller ? Attribution::kCancelledByCaller
                                      : Attribution::kSuperseded);
  }
}

TEST_F(BreakerModesTest, ShadowGoesThroughTheStatesAndRefusesNothing) {
  BreakerOptions options = TripsAfter(2);
  options.mode = BreakerOptions::Mode::kShadow;
  options.probes = 1;
  Breaker& breaker = Make(options);
  Call(Verdict::kFailure, Time{});
  Call(Verdict::kFailure, Time{});
  EXPECT_EQ(StateAt(Time{}), BreakerState::kOpen);
  EXPECT_FALSE(breaker.WouldRefuse(Time{}, Time{}).has_value());
  // It would refuse these ten calls. They are sent, and decide nothing.
  EXPECT_EQ(Admitted(10, At(Sec(9))), 10);
  EXPECT_EQ(StateAt(At(Sec(9))), BreakerState::kOpen);
  EXPECT_EQ(breaker.Snapshot(At(Sec(9))).shadow_refusals, 10);
  // A probe, and another call that ENFORCE would have refused.
  Admission probe = breaker.Admit(kDue, kInfiniteFuture);
  Admission other = breaker.Admit(kDue, kInfiniteFuture);
  EXPECT_FALSE(probe.permit.is_careful());
  other.permit.Settle(Verdict::kFailure, kDue);
  EXPECT_EQ(StateAt(kDue), BreakerState::kHalfOpen);
  probe.permit.Settle(Verdict::kSuccess, kDue);
  EXPECT_EQ(StateAt(kDue), BreakerState::kClosed);
  const BreakerSnapshot s = breaker.Snapshot(kDue);
  EXPECT_TRUE(s.shadow);
  EXPECT_EQ(s.shadow_refusals, 11);
  EXPECT_EQ(s.stale_results, 0);
  for (const Event& event : log_.Since(0, 100).events) {
    EXPECT_TRUE(event.shadow);
  }
}

TEST_F(BreakerModesTest, ShadowStillObeysAnOperator) {
  BreakerOptions options = TripsAfter(2);
  options.mode = BreakerOptions::Mode::kShadow;
  Breaker& breaker = Make(options);
  breaker.ForceOpen(Sec(5), Time{});
  EXPECT_EQ(breaker.Admit(Time{}, kInfiniteFuture).refusal.reason,
            Reason::kForcedOpen);
  EXPECT_EQ(Admitted(5, At(Sec(5))), 5);
}

TEST_F(BreakerModesTest, DisabledAdmitsAllAndCountsNothing) {
  BreakerOptions options = TripsAfter(1);
  options.mode = BreakerOptions::Mode::kDisabled;
  Make(options);
  for (int i = 0; i < 9; ++i) EXPECT_TRUE(Call(Verdict::kFailure, Time{}));
  EXPECT_EQ(StateAt(Time{}), BreakerState::kDisabled);
  EXPECT_EQ(breaker_->Snapshot(Time{}).window_calls, 0);
}

TEST_F(BreakerModesTest, FewCallsAreNoReasonToStayHalfOpen) {
  BreakerOptions options = TripsAfter(1);
  options.probe_samples = options.probes = 3;
  options.half_open_duration = Sec(30);
  Breaker& breaker = Make(options);
  Call(Verdict::kFailure, Time{});
  Call(Verdict::kSuccess, kDue);
  EXPECT_EQ(breaker.next_tick(), kDue + Sec(30));
  EXPECT_EQ(StateAt(kDue + Sec(30) - Duration(1)), BreakerState::kHalfOpen);
  EXPECT_EQ(StateAt(kDue + Sec(30)), BreakerState::kClosed);
  EXPECT_EQ(Told(log_).back(), "half_open -> closed: few calls came (1 of 3)");
}

TEST_F(BreakerModesTest, WhileProbesAreOutPatienceDoesNotDecide) {
  BreakerOptions options = TripsAfter(1);
  options.half_open_duration = Sec(3);
  Breaker& breaker = Make(options);
  // One call succeeds fast and two hang, so the breaker must not close.
  Call(Verdict::kFailure, Time{});
  Permit a = breaker.Admit(kDue, kInfiniteFuture).permit;
  Permit b = breaker.Admit(kDue, kInfiniteFuture).permit;
  Call(Verdict::kSuccess, kDue);
  EXPECT_EQ(breaker.next_tick(), kDue + Sec(5));
  EXPECT_EQ(StateAt(kDue + Sec(4)), BreakerState::kHalfOpen);
  // No more probes are admitted; otherwise this could go on for ever.
  b.Settle(Verdict::kNeutral, kDue + Sec(4));
  EXPECT_EQ(breaker.Admit(kDue + Sec(4), kInfiniteFuture).refusal.reason,
            Reason::kProbesTaken);
  EXPECT_EQ(StateAt(kDue + Sec(5)), BreakerState::kOpen);
  EXPECT_EQ(breaker.Snapshot(kDue + Sec(5)).hung_probes, 1);
}

TEST_F(BreakerModesTest, TheLastProbeOutCountsBeforePatienceDecides) {
  for (const Verdict last :
       {Verdict::kSuccess, Verdict::kFailure, Verdict::kNeutral}) {
    BreakerOptions options = TripsAfter(1);
    options.half_open_duration = Sec(3);
    Breaker& breaker = Make(options);
    Call(Verdict::kFailure, Time{});
    Permit out = breaker.Admit(kDue, kInfiniteFuture).permit;
    Call(Verdict::kSuccess, kDue);
    out.Settle(last, kDue + Sec(4));
    EXPECT_EQ(StateAt(kDue + Sec(4)), last == Verdict::kFailure
                                          ? BreakerState::kOpen
                                          : BreakerState::kClosed);
    EXPECT_EQ(breaker.Snapshot(kDue + Sec(4)).stale_results, 0);
  }
}

TEST_F(BreakerModesTest, LeasesThatAreOverTogetherAreJudgedByWhenTheyEnded) {
  BreakerOptions options = TripsAfter(1);
  options.probe_samples = 3;
  options.probe_success_ratio = 0.5;  // two of three
  Breaker& breaker = Make(options);
  Call(Verdict::kFailure, Time{});
  // The permit of a stream that made progress. It is the first probe, but its
  // lease ends last.
  Permit stream = breaker.Admit(kDue, kInfiniteFuture).permit;
  stream.NoteProgress(kDue);
  Permit a = breaker.Admit(kDue, kDue + Sec(1)).permit;
  Permit b = breaker.Admit(kDue, kDue + Sec(2)).permit;
  // Nothing called the breaker meanwhile. Two probes hung before the stream's
  // lease ended.
  EXPECT_EQ(StateAt(kDue + Sec(9)), BreakerState::kOpen);
  EXPECT_EQ(Told(log_).back(),
            "half_open -> open: a probe hangs (0 of 2 successes needed)");
}

TEST_F(BreakerModesTest, WithoutAnyResultHalfOpenWaitsForOne) {
  BreakerOptions options = TripsAfter(1);
  options.half_open_duration = Sec(30);
  Breaker& breaker = Make(options);
  Call(Verdict::kFailure, Time{});
  Call(Verdict::kNeutral, kDue);
  EXPECT_EQ(breaker.next_tick(), kInfiniteFuture);
  EXPECT_EQ(StateAt(kDue + Sec(999)), BreakerState::kHalfOpen);
  // The first one decides, at once.
  Call(Verdict::kSuccess, kDue + Sec(1'000));
  EXPECT_EQ(StateAt(kDue + Sec(1'000)), BreakerState::kClosed);
}

TEST_F(BreakerModesTest, TheRatioHoldsForFewResultsToo) {
  BreakerOptions options = TripsAfter(1);
  options.probes = 1;
  options.probe_samples = 10;
  options.probe_success_ratio = 0.6;
  Make(options);
  Call(Verdict::kFailure, Time{});
  Call(Verdict::kSuccess, kDue);
  Call(Verdict::kFailure, kDue);
  EXPECT_EQ(StateAt(kDue), BreakerState::kHalfOpen);
  EXPECT_EQ(StateAt(kDue + Sec(30)), BreakerState::kOpen);  // 1 of 2
}

TEST_F(BreakerModesTest, HalfOpenWaitsForEverWhereThePolicySaysSo) {
  BreakerOptions options = TripsAfter(1);
  options.half_open_duration = Duration::zero();
  Make(options);
  Call(Verdict::kFailure, Time{});
  Call(Verdict::kSuccess, kDue);
  EXPECT_EQ(StateAt(kDue + Sec(100'000)), BreakerState::kHalfOpen);
}

TEST_F(BreakerModesTest, SlowProbesDoNotClose) {
  BreakerOptions options = TripsAfter(1);
  options.slow_call_duration = Sec(1);
  options.probes = 2;
  Make(options);
  Call(Verdict::kFailure, Time{});
  Admission slow = breaker_->Admit(kDue, kInfiniteFuture);
  Call(Verdict::kSuccess, kDue);
  slow.permit.Settle(Verdict::kSuccess, kDue + Sec(1));
  EXPECT_EQ(StateAt(kDue + Sec(1)), BreakerState::kOpen);
  EXPECT_EQ(Told(log_).back(), "half_open -> open: probes were slow (1 of 2)");
}

TEST_F(BreakerModesTest, TheTimeAVerdictTakesIsNotTheServers) {
  BreakerOptions options = TripsAfter(1);
  options.slow_call_duration = Sec(1);
  options.leaky_slow_calls = 1;
  options.probes = 1;
  Make(options);
  Admission fast = breaker_->Admit(Time{}, kInfiniteFuture);
  fast.permit.NoteAnswered(At(Ms(5)));
  EXPECT_EQ(breaker_->next_tick(), kInfiniteFuture);
  EXPECT_EQ(StateAt(At(Sec(2))), BreakerState::kClosed);
  EXPECT_EQ(breaker_->Snapshot(At(Sec(2))).window_timed, 0);
  fast.permit.Settle(Verdict::kSuccess, At(Sec(2)));
  EXPECT_EQ(breaker_->Snapshot(At(Sec(2))).window_timed, 1);
  EXPECT_EQ(breaker_->Snapshot(At(Sec(2))).window_slow, 0);
  // The same for a probe.
  Call(Verdict::kFailure, At(Sec(2)));
  const Time due = At(Sec(12));
  Admission probe = breaker_->Admit(due, kInfiniteFuture);
  probe.permit.NoteAnswered(due + Ms(5));
  probe.permit.Settle(Verdict::kSuccess, due + Sec(1));
  EXPECT_EQ(StateAt(due + Sec(1)), BreakerState::kClosed);
}

TEST_F(BreakerModesTest, ASlowAnswerCountsBeforeItsVerdict) {
  BreakerOptions options = TripsAfter(1);
  options.slow_call_duration = Sec(1);
  options.leaky_slow_calls = 1;
  Make(options);
  Admission slow = breaker_->Admit(Time{}, kInfiniteFuture);
  slow.permit.NoteAnswered(At(Sec(1)));
  EXPECT_EQ(StateAt(At(Sec(1))), BreakerState::kOpen);
  // A second and a late report change nothing.
  slow.permit.NoteAnswered(At(Sec(2)));
  slow.permit.Settle(Verdict::kFailure, At(Sec(2)));
  slow.permit.NoteAnswered(At(Sec(3)));
  EXPECT_EQ(breaker_->Snapshot(At(Sec(3))).times_opened, 1);
}

TEST_F(BreakerModesTest, ATripCarriesTheNumbersBehindIt) {
  BreakerOptions options = TripsAfter(3);
  options.slow_call_duration = Sec(1);
  options.slow_call_rate = 0;
  options.leaky_slow_calls = 100;
  options.probes = 1;
  Make(options);
  auto last = [&] { return log_.Since(0, 100).events.back(); };
  auto call = [&](Verdict verdict, Time start, Duration took, CallKind kind) {
    breaker_->Admit(start, kInfiniteFuture, kind)
        .permit.Settle(verdict, start + took);
  };
  call(Verdict::kSuccess, At(Sec(0)), Sec(2), CallKind::kUnary);
  call(Verdict::kSuccess, At(Sec(3)), Sec(60), CallKind::kStream);
  // The verdict comes later, but its duration is known before.
  Admission judged = breaker_->Admit(At(Sec(63)), kInfiniteFuture);
  judged.permit.NoteAnswered(At(Sec(66)));
  judged.permit.Settle(Verdict::kSuccess, At(Sec(70)));
  for (int i = 0; i < 3; ++i) {
    call(Verdict::kFailure, At(Sec(70)), Ms(1), CallKind::kUnary);
  }
  ASSERT_EQ(last().to, "open");
  ASSERT_TRUE(last().trip.has_value());
  EXPECT_EQ(last().trip->calls, 5);  // of the last 30 s, the stream too
  EXPECT_EQ(last().trip->failures, 3);
  EXPECT_EQ(last().trip->timed, 4);
  EXPECT_EQ(last().trip->slow, 1);
  EXPECT_EQ(last().trip->slowest, Sec(3));
  // During recovery none of these rules decides. Then the window is empty.
  Call(Verdict::kSuccess, At(Sec(100)));
  EXPECT_EQ(last().to, "closed");
  EXPECT_FALSE(last().trip.has_value());
  std::vector<Permit> hang;
  for (int i = 0; i < 100; ++i) {
    hang.push_back(breaker_->Admit(At(Sec(101)), kInfiniteFuture).permit);
  }
  breaker_->Tick(At(Sec(103)));
  ASSERT_EQ(last().to, "open");
  EXPECT_EQ(last().trip->calls, 0);
  EXPECT_EQ(last().trip->slow, 100);
  EXPECT_EQ(last().trip->slowest, Sec(1));
}

TEST_F(BreakerModesTest, AnAnswerThatIsIgnoredSaysNothingOfSpeed) {
  BreakerOptions options = TripsAfter(1);
  options.slow_call_duration = Sec(1);
  Make(options);
  Admission call = breaker_->Admit(Time{}, kInfiniteFuture);
  call.permit.NoteAnswered(At(Ms(5)));
  call.permit.Settle(Verdict::kNeutral, At(Ms(6)));
  EXPECT_EQ(breaker_->Snapshot(At(Ms(6))).window_timed, 0);
}

TEST_F(BreakerModesTest, ABlackHoleTripsBeforeAnyCallHasEnded) {
  BreakerOptions options = TripsAfter(5);
  options.slow_call_duration = Sec(1);
  options.minimum_calls = 3;
  Breaker& breaker = Make(options);
  std::vector<Permit> calls;
  for (int i = 0; i < 3; ++i) {
    calls.push_back(breaker.Admit(At(Ms(i)), At(Sec(30))).permit);
  }
  EXPECT_EQ(watcher_.wanted, 1);  // the first call in flight asks for it
  // No call begins or ends, so the timer finds it.
  while (watcher_.tick != kInfiniteFuture) {
    ASSERT_LE(watcher_.tick, At(Ms(1'066)));
    breaker.Tick(watcher_.tick);
    watcher_.tick = breaker.next_tick();
  }
  EXPECT_EQ(StateAt(At(Ms(1'066))), BreakerState::kOpen);
  EXPECT_EQ(Told(log_).back(),
            "closed -> open: slow-call rate 1.00 over 3 calls (limit 0.5)");
}

TEST_F(BreakerModesTest, TheObserverIsAskedForATickOncePerRun) {
  BreakerOptions options = TripsAfter(5);
  options.slow_call_duration = Sec(1);
  Breaker& breaker = Make(options);
  for (int i = 0; i < 100; ++i) Call(Verdict::kSuccess, At(Ms(i)));
  EXPECT_EQ(watcher_.wanted, 1);
  EXPECT_EQ(breaker.next_tick(), kInfiniteFuture);
  Call(Verdict::kSuccess, At(Sec(5)));
  EXPECT_EQ(watcher_.wanted, 2);
}

TEST_F(BreakerModesTest, ASlowCallInTheRampIsFoundBeforeTheRampEnds) {
  BreakerOptions options = Ramping(Sec(60), 1);
  options.slow_call_duration = Sec(1);
  options.leaky_slow_calls = 1;
  Breaker& breaker = MakeRamping(options);
  EXPECT_EQ(breaker.next_tick(), kDue + Sec(60));
  watcher_ = Watcher{};
  Permit hangs = breaker.Admit(kDue, kInfiniteFuture).permit;
  EXPECT_EQ(watcher_.wanted, 1);
  EXPECT_LE(watcher_.tick, kDue + Ms(1'066));
  Permit later = breaker.Admit(kDue + Ms(500), kInfiniteFuture).permit;
  EXPECT_EQ(watcher_.wanted, 1);  // what is due after that can wait
  breaker.Tick(watcher_.tick);
  EXPECT_EQ(StateAt(watcher_.tick), BreakerState::kOpen);
}

TEST_F(BreakerModesTest, AProbeWithAShorterLeaseIsFoundBeforeTheOthers) {
  BreakerOptions options = TripsAfter(1);
  options.half_open_duration = Sec(3);
  Breaker& breaker = Make(options);
  Call(Verdict::kFailure, Time{});
  const int changes = watcher_.changes;
  Permit first = breaker.Admit(kDue, kInfiniteFuture).permit;
  EXPECT_EQ(watcher_.changes, changes + 1);
  EXPECT_EQ(watcher_.wanted, 0);  // the change of state reports that, too
  EXPECT_EQ(breaker.next_tick(), kDue + Sec(5));
  Permit second = breaker.Admit(kDue, kDue + Sec(1)).permit;
  EXPECT_EQ(watcher_.wanted, 1);
  EXPECT_EQ(watcher_.tick, kDue + Sec(1) + Probation::kGrace);
  // It asks for a timer again when only half_open_duration can end the state.
  second.Settle(Verdict::kSuccess, kDue);
  EXPECT_EQ(breaker.next_tick(), kDue + Sec(5));
  first.Settle(Verdict::kNeutral, kDue);
  EXPECT_EQ(watcher_.wanted, 2);
  EXPECT_EQ(watcher_.tick, kDue + Sec(3));
}

TEST_F(BreakerModesTest, WhoeverMovesTimeDoesWhatIsDueThen) {
  BreakerOptions options = TripsAfter(5);
  options.failure_rate = 0.5;
  options.slow_call_duration = Sec(1);
  options.leaky_slow_calls = 1;
  Breaker& breaker = Make(options);
  Permit hangs = breaker.Admit(Time{}, kInfiniteFuture).permit;
  // A hedge asks, since nothing else would find the black hole earlier.
  EXPECT_FALSE(breaker.IsStrained(At(Sec(2))));
  EXPECT_EQ(log_.last(), 1);
  EXPECT_EQ(watcher_.changes, 1);
}

TEST_F(BreakerModesTest, ATargetThatAlwaysLosesIsWarnedOf) {
  Breaker& breaker = Make(TripsAfter(1));
  auto warnings = [&] {
    int n = 0;
    for (const Event& e : log_.Since(0, 100).events) {
      n += e.kind == Event::Kind::kWarning;
    }
    return n;
  };
  for (int i = 0; i < Breaker::kLossesToWarn - 1; ++i) {
    Call(Verdict::kLost, Time{});
  }
  EXPECT_EQ(warnings(), 0);
  Call(Verdict::kNeutral, Time{});
  Call(Verdict::kLost, Time{});
  EXPECT_EQ(warnings(), 1);
  EXPECT_THAT(log_.Since(0, 9).events.back().cause, HasSubstr("20 times"));
  EXPECT_EQ(log_.Since(0, 9).events.back().from, "");
  for (int i = 0; i < 100; ++i) Call(Verdict::kLost, Time{});
  EXPECT_EQ(warnings(), 1);
  EXPECT_EQ(breaker.Snapshot(Time{}).losses, 120);
  EXPECT_EQ(StateAt(Time{}), BreakerState::kClosed);
  // After an answer there may be another warning.
  Call(Verdict::kSuccess, Time{});
  EXPECT_EQ(breaker.Snapshot(Time{}).losses_in_a_row, 0);
  for (int i = 0; i < 20; ++i) Call(Verdict::kLost, Time{});
  EXPECT_EQ(warnings(), 2);
}

// Times and durations at the ends of their ranges.
TEST_F(BreakerModesTest, NoClockMakesItOverflowOrHang) {
  const Time kTimes[] = {
      Time::min(),   Time::min() + Duration(1), Time{} - Sec(1), Time{},
      At(Sec(3600)), Time::max() - Duration(1), Time::max()};
  for (const Time first : kTimes) {
    for (const Time second : kTimes) {
      for (const Time third : kTimes) {
        BreakerOptions options = Ramping(Sec(3600), 1e-300);
        options.slow_call_duration = Duration(1);
        options.window.duration = Ms(100);
        options.open_duration = options.max_open_duration = Sec(3600);
        Breaker breaker({"c", "t", "m", nullptr, nullptr}, options, 1, first);
        for (const Time now : {second, third, second}) {
          Admission a = breaker.Admit(now, third);
          breaker.WouldRefuse(now, second);
          breaker.ForceOpen(Duration::max(), now);
          breaker.ForceClosed(Duration::min(), third);
          breaker.ForceOpen(Duration(-1), now);
          breaker.Tick(third);
          a.permit.Settle(Verdict::kFailure, second);
          breaker.Reset(now);
          Permit b = breaker.Admit(third, now).permit;
          b.Settle(Verdict::kFailure, now);
          breaker.next_tick();
          breaker.Snapshot(third);
        }
      }
    }
  }
}

TEST_F(BreakerModesTest, AfterAJumpFarAheadAllGoesOnFromThere) {
  constexpr Duration kYear = std::chrono::hours(24 * 365);
  BreakerOptions options = Ramping(Sec(10), 0.5);
  options.slow_call_duration = Sec(1);
  Breaker& breaker = Make(options);
  Time now;
  for (int i = 0; i < 6; ++i) {
    Permit hangs = breaker.Admit(now, kInfiniteFuture).permit;
    Call(Verdict::kFailure, now);
    EXPECT_EQ(StateAt(now), BreakerState::kOpen);
    now += 10 * kYear;
    EXPECT_TRUE(Call(Verdict::kSuccess, now));
    EXPECT_EQ(StateAt(now), BreakerState::kRamp);
    EXPECT_FALSE(Call(Verdict::kSuccess, now) && Call(Verdict::kSuccess, now));
    now += kYear;
    EXPECT_EQ(StateAt(now), BreakerState::kClosed);
    EXPECT_EQ(breaker.Snapshot(now).window_calls, 0);
  }
}

TEST_F(BreakerModesTest, AClockThatStandsStillChangesNothingByItself) {
  BreakerOptions options = Ramping(Sec(10), 0.5);
  Make(options);
  Call(Verdict::kFailure, Time{});
  for (int i = 0; i < 1'000; ++i) {
    EXPECT_FALSE(Call(Verdict::kSuccess, Time{}));
    breaker_->Tick(Time{});
  }
  Call(Verdict::kSuccess, kDue);
  EXPECT_EQ(Admitted(1'000, kDue), 500);
  EXPECT_EQ(StateAt(kDue), BreakerState::kRamp);
}

}  // namespace
}  // namespace firebreak::core
