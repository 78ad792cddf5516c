// Complaints of users of other breakers, one test each. The name of a test has
// the project and the number of the issue.
#include <atomic>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "src/core/breaker/breaker.h"
#include "tests/support/core_fixtures.h"

namespace firebreak::core {
namespace {

using Code = absl::StatusCode;

constexpr Time kDue = At(Sec(10));

BreakerOptions OneProbe() {
  BreakerOptions options = TripsAfter(1);
  options.probes = 1;
  return options;
}

class ComplaintsTest : public ::testing::Test {
 protected:
  Breaker& Make(const BreakerOptions& options,
                BreakerObserver* observer = nullptr) {
    breaker_ = std::make_unique<Breaker>(
        Breaker::Identity{"c", "t", "m", &log_, observer}, options, 1, Time{});
    return *breaker_;
  }
  // Makes a breaker that opened at time zero and whose probe is due at kDue.
  Breaker& MakeOpen(const BreakerOptions& options) {
    Make(options);
    Permit p = breaker_->Admit(Time{}, kInfiniteFuture).permit;
    p.Settle(Verdict::kFailure, Time{});
    EXPECT_EQ(StateAt(Time{}), BreakerState::kOpen);
    return *breaker_;
  }
  Permit Admit(Time now) {
    return breaker_->Admit(now, kInfiniteFuture).permit;
  }
  bool Call(Verdict verdict, Time now) {
    Permit permit = Admit(now);
    const bool admitted = static_cast<bool>(permit);
    permit.Settle(verdict, now);
    return admitted;
  }
  BreakerState StateAt(Time now) { return breaker_->Snapshot(now).state; }

  EventLog log_{1'000};
  std::unique_ptr<Breaker> breaker_;
};

// --- probes that leak, breakers that stay half-open --------------------------

TEST_F(ComplaintsTest, Resilience4j544LastProbeIgnored) {
  MakeOpen(OneProbe());
  EXPECT_TRUE(Call(Verdict::kNeutral, kDue));
  EXPECT_TRUE(Call(Verdict::kSuccess, kDue));
  EXPECT_EQ(StateAt(kDue), BreakerState::kClosed);
}

TEST_F(ComplaintsTest, Resilience4j903And935PermitNeverSettled) {
  MakeOpen(OneProbe());
  Permit forgotten = Admit(kDue);
  EXPECT_FALSE(Admit(kDue));
  // Its lease ends, which is a failure, so it is open for 20 s. Then it
  // recovers.
  EXPECT_EQ(StateAt(kDue + Sec(5)), BreakerState::kOpen);
  EXPECT_TRUE(Call(Verdict::kSuccess, kDue + Sec(25)));
  EXPECT_EQ(StateAt(kDue + Sec(25)), BreakerState::kClosed);
}

TEST_F(ComplaintsTest, Resilience4j2028And2289TooFewCallsForTheQuota) {
  BreakerOptions options = TripsAfter(1);
  options.probes = 10;
  MakeOpen(options);
  Call(Verdict::kSuccess, kDue);
  EXPECT_EQ(StateAt(kDue + Sec(30)), BreakerState::kClosed);
}

TEST_F(ComplaintsTest, Polly1979UnknownOutcomeDoesNotClose) {
  MakeOpen(OneProbe());
  { Permit unknown = Admit(kDue); }
  EXPECT_EQ(StateAt(kDue), BreakerState::kHalfOpen);
  EXPECT_TRUE(Admit(kDue));
}

TEST_F(ComplaintsTest, Polly311And717CancelledProbeGivesItsPlaceBack) {
  AttemptEnd cancelled;
  cancelled.code = Code::kCancelled;
  cancelled.cancelled_by_caller = true;
  MakeOpen(OneProbe());
  Permit probe = Admit(kDue);
  probe.Settle(EffectsOf(Attribute(cancelled, {})).verdict, kDue);
  EXPECT_EQ(StateAt(kDue), BreakerState::kHalfOpen);
  EXPECT_TRUE(Admit(kDue));
}

TEST_F(ComplaintsTest, Sentinel1638BlockedByALaterRuleAfterAdmission) {
  MakeOpen(OneProbe());
  for (int i = 0; i < 10; ++i) {
    Permit probe = Admit(kDue);
    ASSERT_TRUE(probe);
    probe = Permit();  // another rule refused the call
  }
  EXPECT_TRUE(Call(Verdict::kSuccess, kDue));
  EXPECT_EQ(StateAt(kDue), BreakerState::kClosed);
}

TEST_F(ComplaintsTest, SentinelGo196And2136And3363TwoRulesInARow) {
  // Two equal breakers in a row: if the second refuses a call, the first does
  // not count it.
  BreakerOptions options = OneProbe();
  Breaker& first = MakeOpen(options);
  Breaker second({}, options, 1, Time{});
  second.Admit(At(Sec(1)), kInfiniteFuture)
      .permit.Settle(Verdict::kFailure, At(Sec(1)));
  bool both = false;
  Time now = At(Sec(9));
  for (; now < At(Sec(30)) && !both; now += Ms(100)) {
    Permit a = Admit(now);
    if (!a) continue;
    Permit b = second.Admit(now, kInfiniteFuture).permit;
    if (!b) continue;
    a.Settle(Verdict::kSuccess, now);
    b.Settle(Verdict::kSuccess, now);
    both = true;
  }
  EXPECT_EQ(first.Snapshot(now).state, BreakerState::kClosed);
  EXPECT_EQ(second.Snapshot(now).state, BreakerState::kClosed);
  EXPECT_LE(now, At(Sec(12)));
}

TEST_F(ComplaintsTest, Hystrix1781OpenWithoutATimeToLeaveIt) {
  // One lock guards state and time, so OPEN ends whatever operators do.
  Breaker& breaker = MakeOpen(OneProbe());
  breaker.ForceOpen(Sec(1), Time{});
  breaker.ForceClosed(absl::nullopt, Time{});
  breaker.ForceOpen(Duration::zero(), Time{});
  breaker.Tick(Time{});
  Call(Verdict::kFailure, Time{});
  ASSERT_EQ(StateAt(Time{}), BreakerState::kOpen);
  EXPECT_TRUE(breaker.Snapshot(Time{}).probe_due.has_value());
  EXPECT_TRUE(Call(Verdict::kSuccess, *breaker.Snapshot(Time{}).probe_due));
}

TEST_F(ComplaintsTest, Brpc1874HealthyAgainAndStillBroken) {
  MakeOpen(TripsAfter(1));
  for (int i = 0; i < 50; ++i) Call(Verdict::kFailure, At(Sec(10) * i));
  Time now = At(Sec(500));
  for (int i = 0; i < 120 && StateAt(now) != BreakerState::kClosed; ++i) {
    now += Sec(1);
    Call(Verdict::kSuccess, now);
  }
  EXPECT_EQ(StateAt(now), BreakerState::kClosed);
}

TEST_F(ComplaintsTest, Resilience4j2038NoWaitNoLoop) {
  BreakerOptions options = OneProbe();
  options.open_duration = options.max_open_duration = Duration::zero();
  FieldErrors errors;
  options.Check("breaker", &errors);
  EXPECT_FALSE(errors.empty());
  // A breaker that had such options nevertheless would not loop either.
  Make(options);
  for (int i = 0; i < 1'000; ++i) EXPECT_TRUE(Call(Verdict::kFailure, Time{}));
}

// --- late or foreign results -------------------------------------------------

TEST_F(ComplaintsTest, Polly216OverhangingCallsDecideNothing) {
  Make(OneProbe());
  Permit good = Admit(Time{});
  Permit bad = Admit(Time{});
  Call(Verdict::kFailure, Time{});
  Permit probe = Admit(kDue);
  const int64_t told = log_.last();
  good.Settle(Verdict::kSuccess, kDue);
  bad.Settle(Verdict::kFailure, kDue);
  EXPECT_EQ(StateAt(kDue), BreakerState::kHalfOpen);
  EXPECT_EQ(log_.last(), told);  // and there is no second event
  // gobreaker#122: the results are counted, and not silently dropped.
  EXPECT_EQ(breaker_->Snapshot(kDue).stale_results, 2);
}

TEST_F(ComplaintsTest, Resilience4j1432NeverMoreProbesThanAllowedInARace) {
  BreakerOptions options = TripsAfter(1);
  options.probes = 3;
  MakeOpen(options);
  std::atomic<int> ready{0};
  std::atomic<int> probes{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      std::vector<Permit> held;
      ++ready;
      while (ready < 4) std::this_thread::yield();
      for (int i = 0; i < 100; ++i) {
        held.push_back(Admit(kDue));
        if (held.back()) ++probes;
      }
      // No permit is returned before all threads have asked.
      ++ready;
      while (ready < 8) std::this_thread::yield();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(probes, 3);
}

TEST_F(ComplaintsTest, Resilience4j562And646And674OnlyLegalTransitions) {
  BreakerOptions options = OneProbe();
  options.ramp = {0.5, Sec(5)};
  Make(options);
  Dice dice(3);
  Time now;
  std::vector<Permit> held;
  for (int i = 0; i < 20'000; ++i) {
    now += dice.Upto(Sec(1));
    held.push_back(Admit(now));
    if (dice.Chance(0.7)) {
      held[dice.Below(held.size())].Settle(
          dice.Chance(0.3) ? Verdict::kFailure : Verdict::kSuccess, now);
    }
    if (held.size() > 10) held.erase(held.begin());
  }
  const std::set<std::string> legal = {"closed open",    "open half_open",
                                       "half_open open", "half_open ramp",
                                       "ramp open",      "ramp closed"};
  std::set<std::string> seen;
  for (const Event& e : log_.Since(0, 1'000).events) {
    seen.insert(e.from + " " + e.to);
  }
  EXPECT_EQ(seen, legal);
}

TEST_F(ComplaintsTest, Resilience4j991NoTimerMovesAForcedBreaker) {
  Breaker& breaker = MakeOpen(OneProbe());
  breaker.ForceOpen(absl::nullopt, At(Sec(1)));
  for (int64_t s : {9, 10, 11, 100'000}) {
    breaker.Tick(At(Sec(s)));
    EXPECT_FALSE(Admit(At(Sec(s))));
    EXPECT_EQ(StateAt(At(Sec(s))), BreakerState::kForcedOpen);
  }
}

// --- cancelled, hedged, late calls that count as failures --------------------

Verdict Judge(const AttemptEnd& end) {
  const BlameRules rules;
  return VerdictOn(Attribute(end, rules), end.code, rules);
}

TEST_F(ComplaintsTest, Proposal558AndResilience4j682OwnCancelsAreNeutral) {
  AttemptEnd end;
  end.code = Code::kCancelled;
  end.cancelled_by_caller = true;
  EXPECT_EQ(Judge(end), Verdict::kNeutral);
  EXPECT_EQ(EffectsOf(Attribution::kSuperseded).verdict, Verdict::kNeutral);
}

TEST_F(ComplaintsTest, Proposal558ACallsOwnHedgesDoNotBreakIt) {
  // Two of three attempts lose and are cancelled. One failure would be enough
  // to trip.
  MethodOptions options = Hedging(3, Ms(10));
  options.breaker = TripsAfter(1);
  CallRig rig(options);
  rig.Answer(1, Ms(15));
  rig.Run();
  ASSERT_EQ(rig.driver().launched(), 3);
  rig.End(0, Code::kCancelled);  // gRPC reports this afterwards
  rig.End(2, Code::kCancelled);
  const BreakerSnapshot s = rig.breaker().Snapshot(rig.now());
  EXPECT_EQ(s.state, BreakerState::kClosed);
  EXPECT_EQ(s.window_calls, 1);
  EXPECT_EQ(s.window_failures, 0);
}

TEST_F(ComplaintsTest, Proposal558ADeadlineTooShortForAnybodyIsNeutral) {
  // The method takes 50 ms, but a client grants 5 ms, again and again.
  LatencyModel model;
  for (int s = 0; s < 60; ++s) {
    model.OnAttemptEnd(Code::kOk, Attribution::kSuccess, Ms(50), At(Sec(s)));
  }
  MethodOptions options = Retrying(2);
  options.breaker = TripsAfter(1);
  for (const Duration granted : {Ms(5), Ms(500)}) {
    CallRig::Setup setup;
    setup.latency = &model;
    setup.deadline = Sec(61) + granted;
    CallRig rig(options, setup);
    rig.MoveTo(Sec(61));
    rig.Run();
    EXPECT_EQ(rig.breaker().Snapshot(rig.now()).state,
              granted == Ms(5) ? BreakerState::kClosed : BreakerState::kOpen);
  }
}

TEST_F(ComplaintsTest, Gobreaker107SomeFailuresAreNobodysAffair) {
  BlameRules rules;
  rules.ignored = {Code::kInternal};
  AttemptEnd end;
  end.code = Code::kInternal;
  const Attribution who = Attribute(end, rules);
  EXPECT_EQ(VerdictOn(who, end.code, rules), Verdict::kNeutral);
}

TEST_F(ComplaintsTest, GrpcJava13001AndEnvoy22395TimeoutsCount) {
  AttemptEnd end;
  end.code = Code::kDeadlineExceeded;
  EXPECT_EQ(Judge(end), Verdict::kFailure);
}

TEST_F(ComplaintsTest, Resilience4j1123CallsCutOffByOurOwnLimitCount) {
  MethodOptions options = Retrying(2);
  options.breaker = TripsAfter(2);
  options.breaker->failure_codes = kDefaultFailureCodes;
  CallRig::Setup setup;
  setup.deadline = Ms(100);
  CallRig rig(options, setup);
  rig.Run();  // no answer: the driver cancels the attempt at the deadline
  EXPECT_EQ(rig.breaker().Snapshot(rig.now()).consecutive_failures, 1);
}

TEST_F(ComplaintsTest, Resilience4j1123AttemptsCutOffByTheirTimeoutCount) {
  MethodOptions options = Retrying(2);
  options.retry->attempt_timeout = Ms(50);
  options.retry->codes.Add(Code::kDeadlineExceeded);
  options.breaker = TripsAfter(2);
  CallRig rig(options);
  rig.Start();
  ASSERT_EQ(rig.last().launch.size(), 1u);
  ASSERT_EQ(rig.last().launch[0].deadline, At(Ms(50)));
  rig.MoveTo(Ms(50));
  rig.End(0, Code::kDeadlineExceeded);  // the code that gRPC reports
  rig.MoveTo(Ms(150));
  rig.Timer();
  ASSERT_EQ(rig.driver().launched(), 2);
  rig.MoveTo(Ms(200));
  rig.End(1, Code::kDeadlineExceeded);
  EXPECT_EQ(rig.breaker().Snapshot(rig.now()).state, BreakerState::kOpen);
}

TEST_F(ComplaintsTest, GoService3153SpentDeadlineIsNotTheServersFault) {
  MethodOptions options;
  options.breaker = TripsAfter(1);
  CallRig::Setup setup;
  setup.deadline = Duration::zero();
  CallRig rig(options, setup);
  rig.Run();
  EXPECT_EQ(rig.driver().launched(), 0);
  EXPECT_EQ(rig.breaker().Snapshot(rig.now()).state, BreakerState::kClosed);
}

TEST_F(ComplaintsTest, Brpc1135OverloadDoesNotBreak) {
  AttemptEnd shed;
  shed.code = Code::kResourceExhausted;
  EXPECT_EQ(Judge(shed), Verdict::kNeutral);
  AttemptEnd pushed;
  pushed.code = Code::kUnavailable;
  pushed.pushback = Ms(100);
  EXPECT_EQ(Judge(pushed), Verdict::kNeutral);
}

TEST_F(ComplaintsTest, Freellmapi1183ABlackHoleThatAlwaysLosesIsSeen) {
  MethodOptions options = Hedging(2, Ms(10));
  options.breaker = TripsAfter(5);
  Breaker hole({"c", "hole", "m", &log_, nullptr}, options.breaker, 1, Time{});
  Breaker good({"c", "good", "m", &log_, nullptr}, options.breaker, 1, Time{});
  Breaker* const targets[] = {&hole, &good};
  BudgetOptions rich;
  rich.ratio = 1;
  AttemptBudget budget(rich, Time{});
  MethodStats stats;
  for (int i = 0; i < Breaker::kLossesToWarn; ++i) {
    const Time now = At(Sec(i));
    CallDriver::Plan plan;
    plan.options = &options;
    plan.targets = targets;
    plan.budget = &budget;
    plan.stats = &stats;
    CallDriver driver(plan);
    driver.Start(now);
    driver.OnTimer(now + Ms(10));
    driver.OnAttemptEnd(1, AttemptEnd{}, now + Ms(12));
    ASSERT_TRUE(driver.finished());
  }
  ASSERT_EQ(log_.last(), 1);
  const Event warning = log_.Since(0, 1).events.front();
  EXPECT_EQ(warning.kind, Event::Kind::kWarning);
  EXPECT_EQ(warning.target, "hole");
}

// --- scope, listeners, memory, time ------------------------------------------

class Reentrant : public BreakerObserver {
 public:
  void OnStateChange(Breaker* breaker) override {
    breaker->Snapshot(Time{});
    breaker->next_tick();
    ++told;
  }
  int told = 0;
};

TEST_F(ComplaintsTest, Gobreaker37ListenerMayAskTheBreaker) {
  Reentrant listener;
  Make(OneProbe(), &listener);
  Call(Verdict::kFailure, Time{});  // would hang if told under the lock
  EXPECT_EQ(listener.told, 1);
}

TEST_F(ComplaintsTest, Zanzibar772AndArmeria3134OneHostsFailureIsItsOwn) {
  // And envoy#4203, #20207. Per method: EngineBreakerTest.
  MethodOptions options;
  options.breaker = TripsAfter(1);
  CallRig::Setup setup;
  setup.targets = 2;
  CallRig rig(options, setup);
  rig.Trip(0);
  rig.Answer(0, Ms(5));
  rig.Run();
  EXPECT_EQ(rig.driver().attempt(0).target, 1);
  EXPECT_EQ(rig.breaker(0).Snapshot(rig.now()).state, BreakerState::kOpen);
  EXPECT_EQ(rig.breaker(1).Snapshot(rig.now()).state, BreakerState::kClosed);
}

TEST_F(ComplaintsTest, Envoy2671AllHostsOutIsARefusalThatSaysSo) {
  // There is no panic mode: a target whose breaker is open gets no calls.
  MethodOptions options;
  options.breaker = TripsAfter(1);
  CallRig::Setup setup;
  setup.targets = 2;
  CallRig rig(options, setup);
  rig.Trip(0);
  rig.Trip(1);
  rig.Run();
  EXPECT_EQ(rig.lines(),
            std::vector<std::string>(
                {"0s finish UNAVAILABLE breaker_open, retry after 10s"}));
}

TEST_F(ComplaintsTest, Resilience4j2243And1221NothingPilesUp) {
  EventLog small(10);
  Breaker breaker({"c", "t", "m", &small, nullptr}, OneProbe(), 1, Time{});
  Time now;
  for (int i = 0; i < 1'000; ++i) {
    breaker.Admit(now, kInfiniteFuture)
        .permit.Settle(i % 2 == 0 ? Verdict::kFailure : Verdict::kSuccess, now);
    now += Sec(10);
  }
  EXPECT_GT(small.last(), 1'000);
  EXPECT_EQ(small.Since(0, 1'000'000).events.size(), 10u);
  // This is all of its memory, except for the bits of a window and the leases.
  EXPECT_LE(sizeof(Breaker), size_t{4'096});
}

TEST_F(ComplaintsTest, Resilience4j667SlowAndFailedHaveLimitsOfTheirOwn) {
  BreakerOptions options = TripsAfter(0);
  options.failure_rate = 0.5;
  options.slow_call_rate = 0.9;
  options.slow_call_duration = Sec(1);
  options.minimum_calls = 10;
  options.window.kind = WindowOptions::Kind::kCalls;
  options.window.calls = 10;
  Make(options);
  // Of ten calls four are slow and four fail. Neither is enough.
  Time now;
  for (int i = 0; i < 10; ++i) {
    Permit call = Admit(now);
    if (i < 4) now += Sec(2);
    call.Settle(i >= 6 ? Verdict::kFailure : Verdict::kSuccess, now);
  }
  EXPECT_EQ(StateAt(now), BreakerState::kClosed);
  Call(Verdict::kFailure, now);
  EXPECT_EQ(StateAt(now), BreakerState::kOpen);
}

TEST_F(ComplaintsTest, Resilience4j734And1597SlowByTheGivenClockAndInFlight) {
  BreakerOptions options = TripsAfter(100);
  options.slow_call_duration = Sec(60);
  options.minimum_calls = 1;
  Make(options);
  Permit hangs = Admit(Time{});
  EXPECT_EQ(StateAt(At(Sec(59))), BreakerState::kClosed);
  EXPECT_EQ(StateAt(At(Sec(64))), BreakerState::kOpen);
}

TEST_F(ComplaintsTest, Gobreaker28And63AndPolly2381SomeProbesMayFail) {
  BreakerOptions options = TripsAfter(1);
  options.probes = 1;
  options.probe_samples = 3;
  options.probe_success_ratio = 0.6;
  MakeOpen(options);
  for (Verdict v : {Verdict::kFailure, Verdict::kSuccess, Verdict::kSuccess}) {
    EXPECT_TRUE(Call(v, kDue));
  }
  EXPECT_EQ(StateAt(kDue), BreakerState::kClosed);
}

TEST_F(ComplaintsTest, ExternalService94AfterHowManyCallsAndForHowLong) {
  // Since time is only a number here, this can be tested in a loop.
  Make(TripsAfter(5));
  int calls = 0;
  while (Call(Verdict::kFailure, Time{})) ++calls;
  EXPECT_EQ(calls, 5);
  EXPECT_EQ(breaker_->Snapshot(Time{}).probe_due, kDue);
  // The longest time that a call can take.
  MethodOptions options = Retrying(3);
  CallRig::Setup setup;
  setup.deadline = Sec(2);
  CallRig rig(options, setup);
  rig.Run();
  EXPECT_EQ(rig.now(), At(Sec(2)));
}

TEST_F(ComplaintsTest, Polly496AndMonix1633DryRun) {
  BreakerOptions options = OneProbe();
  options.mode = BreakerOptions::Mode::kShadow;
  MakeOpen(options);
  EXPECT_TRUE(Call(Verdict::kSuccess, At(Sec(1))));
  EXPECT_EQ(breaker_->Snapshot(At(Sec(1))).shadow_refusals, 1);
}

TEST_F(ComplaintsTest, Brpc709AndResilience4j320RecoveredIsNotFlooded) {
  BreakerOptions options = OneProbe();
  options.ramp = {0.1, Sec(10)};
  MakeOpen(options);
  Call(Verdict::kSuccess, kDue);
  int admitted = 0;
  for (int i = 0; i < 1'000; ++i) admitted += Call(Verdict::kSuccess, kDue);
  EXPECT_LE(admitted, 101);
}

TEST_F(ComplaintsTest, Envoy17147And6016TheOpenTimeShrinksAgain) {
  Breaker& breaker = MakeOpen(OneProbe());
  Call(Verdict::kFailure, kDue);
  EXPECT_EQ(breaker.Snapshot(kDue).probe_due, kDue + Sec(20));
  Call(Verdict::kSuccess, kDue + Sec(20));
  Call(Verdict::kFailure, kDue + Sec(20));
  EXPECT_EQ(breaker.Snapshot(kDue + Sec(20)).probe_due, kDue + Sec(30));
}

}  // namespace
}  // namespace firebreak::core
