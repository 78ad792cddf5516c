// Hedging that learns: the live delay, the pauses, and the effect on many
// calls. Also the deadline gate, which uses the same model.
#include "src/core/attempts/hedging.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/core/attempts/deadline_gate.h"
#include "tests/support/core_fixtures.h"
#include "tests/support/latencies.h"

namespace firebreak::core {
namespace {

using Code = absl::StatusCode;
using ::testing::ElementsAre;

double ToMs(Duration d) { return 1e3 * ToSeconds(d); }

int64_t Stops(const MethodCounts& counts, Reason reason) {
  return counts.stops[static_cast<size_t>(reason)];
}

int64_t Ended(const CallRig& rig, Attribution a) {
  return rig.counts().attributions[static_cast<size_t>(a)];
}

MethodOptions HedgingAt(double quantile, int max_attempts = 2) {
  MethodOptions options = Hedging(max_attempts, Ms(100));
  options.hedging->quantile = quantile;
  return options;
}

// A model of a method that has taken 10 ms for the last minute, and 16 ms one
// time in ten. The time is 64 s, so that no window ends for a while.
constexpr Duration kLearned = Sec(64);
void Learn(LatencyModel* model) {
  for (int i = 0; i < 640; ++i) {
    model->Record(i % 10 == 0 ? Us(16'100) : Us(10'100), At(i * Ms(100)));
  }
}

CallRig::Setup Knowing(LatencyModel* model,
                       Duration deadline = kInfiniteDuration) {
  CallRig::Setup setup;
  setup.latency = model;
  setup.deadline = deadline;
  return setup;
}

// --- the delay ---------------------------------------------------------------

TEST(HedgeDelayTest, IsTheFixedOneWithoutAQuantile) {
  LatencyModel model;
  model.Record(Ms(10), At(Sec(1)), 1000);
  const HedgingOptions options;
  EXPECT_EQ(HedgeDelay(options, &model, At(Sec(1))), Ms(100));
  EXPECT_EQ(HedgeDelay(options, nullptr, At(Sec(1))), Ms(100));
}

TEST(HedgeDelayTest, IsTheLiveQuantileOnceEnoughIsKnown) {
  HedgingOptions options;
  options.quantile = 0.9;
  LatencyModel model;
  EXPECT_EQ(HedgeDelay(options, nullptr, At(Sec(1))), Sec(1));
  model.Record(Ms(10), At(Sec(1)), 99);
  // An attempt that was given up is not a sample.
  model.RecordAtLeast(Ms(3), At(Sec(1)), 1000);
  EXPECT_EQ(HedgeDelay(options, &model, At(Sec(1))), Sec(1));
  model.Record(Ms(10), At(Sec(1)));
  const Duration delay = HedgeDelay(options, &model, At(Sec(2)));
  EXPECT_EQ(delay, *model.Quantile(0.9, At(Sec(2))));
  EXPECT_NEAR(ToMs(delay), 10, 0.2);
}

TEST(HedgeDelayTest, KeepsItsBounds) {
  HedgingOptions options;
  options.quantile = 0.9;
  options.min_delay = Ms(20);
  options.max_delay = Ms(30);
  LatencyModel fast;
  fast.Record(Ms(1), At(Sec(1)), 100);
  EXPECT_EQ(HedgeDelay(options, &fast, At(Sec(1))), Ms(20));
  LatencyModel slow;
  slow.Record(Sec(1), At(Sec(1)), 100);
  EXPECT_EQ(HedgeDelay(options, &slow, At(Sec(1))), Ms(30));
}

TEST(HedgingModelTest, EachHedgeWaitsTheQuantileFromTheLaunchBefore) {
  LatencyModel model;
  Learn(&model);
  const Duration p95 = *model.Quantile(0.95, At(kLearned));
  CallRig rig(HedgingAt(0.95, 3), Knowing(&model));
  rig.MoveTo(kLearned);
  rig.Start();
  EXPECT_EQ(rig.driver().wake_at(), At(kLearned + p95));
  rig.MoveTo(kLearned + p95);
  rig.Timer();
  EXPECT_EQ(rig.last().launch.size(), 1u);
  EXPECT_EQ(rig.driver().wake_at(), At(kLearned + 2 * p95));
}

TEST(HedgingModelTest, AColdClientHedgesAtTheMaximum) {
  LatencyModel model;
  CallRig rig(HedgingAt(0.95), Knowing(&model));
  rig.Answer(1, Ms(5));
  rig.Run();
  EXPECT_THAT(rig.lines(),
              ElementsAre("0s launch 0", "1s launch 1 hedge", "1.005s cancel 0",
                          "1.005s finish attempt 1 OK"));
}

TEST(HedgingModelTest, TheDriverTeachesTheModel) {
  LatencyModel model;
  CallRig rig(Hedging(2, Ms(20)), Knowing(&model));
  rig.Answer(1, Ms(5));
  rig.Run();
  const Time later = rig.now() + Ms(100);
  EXPECT_EQ(model.samples(later), 1);
  EXPECT_NEAR(ToMs(*model.Quantile(0.5, later)), 5, 0.1);
  // The loser took at least 25 ms.
  EXPECT_NEAR(ToMs(*model.Quantile(1, later)), 25, 2.5);
}

// --- pauses ------------------------------------------------------------------

TEST(HedgingPauseTest, NoHedgeWhileTheMethodIsTwiceAsSlowAsUsual) {
  for (const bool is_slow : {false, true}) {
    LatencyModel model;
    Learn(&model);
    const Duration later = kLearned + Sec(30);
    model.Record(is_slow ? Us(21'000) : Us(19'500), At(later),
                 LatencyModel::kFew);
    EXPECT_EQ(IsSlowerThanUsual(&model, At(later)), is_slow);
    CallRig rig(Hedging(2, Ms(20)), Knowing(&model));
    rig.MoveTo(later);
    rig.Answer(0, Ms(50));
    rig.Run();
    EXPECT_EQ(rig.counts().attempts_of(AttemptKind::kHedge), is_slow ? 0 : 1);
    EXPECT_EQ(Stops(rig.counts(), Reason::kHedgingPaused), is_slow ? 1 : 0);
    EXPECT_EQ(rig.driver().attempt(0).stopped,
              is_slow ? Reason::kHedgingPaused : Reason::kNone);
    // Nothing was paid.
    EXPECT_DOUBLE_EQ(rig.tokens(), is_slow ? 10 : rig.tokens());
  }
}

TEST(HedgingPauseTest, FewSuccessesOrNoBaselineDoNotPause) {
  EXPECT_FALSE(IsSlowerThanUsual(nullptr, At(Sec(1))));
  LatencyModel young;
  young.Record(Sec(1), At(Sec(1)), 1000);
  EXPECT_FALSE(IsSlowerThanUsual(&young, At(Sec(2))));
  LatencyModel model;
  Learn(&model);
  model.Record(Sec(1), At(kLearned + Sec(30)), LatencyModel::kFew - 1);
  EXPECT_FALSE(IsSlowerThanUsual(&model, At(kLearned + Sec(30))));
}

// Timeouts are not successes, but they raise the median of the successes.
TEST(HedgingPauseTest, DeadlinesThatPassMakeItSlower) {
  LatencyModel model;
  Learn(&model);
  const Time later = At(kLearned + Sec(30));
  model.Record(Us(10'100), later, 40);
  EXPECT_FALSE(IsSlowerThanUsual(&model, later));
  for (int i = 0; i < 60; ++i) {
    model.OnAttemptEnd(Code::kDeadlineExceeded, Attribution::kServerFailure,
                       Ms(100), later);
  }
  EXPECT_TRUE(IsSlowerThanUsual(&model, later + Ms(100)));
}

MethodOptions HedgingWithBreaker() {
  MethodOptions options = Hedging(2, Ms(20));
  options.breaker = BreakerOptions{};
  options.breaker->consecutive_failures = 0;
  options.breaker->failure_rate = 0.4;
  options.breaker->minimum_calls = 20;
  return options;
}

void Strain(Breaker* breaker, int failures_of_20) {
  for (int i = 0; i < 20; ++i) {
    breaker->Admit(Time{}, kInfiniteFuture)
        .permit.Settle(
            i < failures_of_20 ? Verdict::kFailure : Verdict::kSuccess, Time{});
  }
}

TEST(HedgingPauseTest, NoHedgeOnATargetHalfWayToItsLimit) {
  for (const int failures : {4, 5}) {
    CallRig rig(HedgingWithBreaker());
    Strain(&rig.breaker(), failures);
    EXPECT_EQ(rig.breaker().IsStrained(rig.now()), failures == 5);
    rig.Answer(0, Ms(50));
    rig.Run();
    EXPECT_EQ(rig.counts().attempts_of(AttemptKind::kHedge),
              failures == 5 ? 0 : 1);
    EXPECT_EQ(Stops(rig.counts(), Reason::kHedgingPaused), failures == 5);
    // Refunded.
    EXPECT_DOUBLE_EQ(rig.tokens(), failures == 5 ? 10 : rig.tokens());
  }
}

TEST(HedgingPauseTest, AnUnstrainedTargetTakesTheHedge) {
  CallRig::Setup setup;
  setup.targets = 3;
  CallRig rig(HedgingWithBreaker(), setup);
  Strain(&rig.breaker(0), 7);
  Strain(&rig.breaker(1), 7);
  rig.Answer(1, Ms(5));
  rig.Run();
  EXPECT_THAT(rig.lines(),
              ElementsAre("0s launch 0", "20ms launch 1 hedge on 2",
                          "25ms cancel 0", "25ms finish attempt 1 OK"));
}

TEST(HedgingPauseTest, ABreakerOnlyStrainsByTheRateItTripsOn) {
  CallRig disabled(Hedging(2, Ms(20)));
  Strain(&disabled.breaker(), 20);
  EXPECT_FALSE(disabled.breaker().IsStrained(disabled.now()));
  MethodOptions options = Hedging(2, Ms(20));
  options.breaker = TripsAfter(100);
  CallRig by_count(options);
  Strain(&by_count.breaker(), 20);
  EXPECT_FALSE(by_count.breaker().IsStrained(by_count.now()));
  CallRig few(HedgingWithBreaker());
  for (int i = 0; i < 19; ++i) {
    few.breaker()
        .Admit(Time{}, kInfiniteFuture)
        .permit.Settle(Verdict::kFailure, Time{});
  }
  EXPECT_FALSE(few.breaker().IsStrained(few.now()));
}

// --- the budget --------------------------------------------------------------

TEST(HedgingBudgetTest, ACallThatIsStillSlowAsksAgain) {
  CallRig::Setup setup;
  setup.budget.ratio = 0;
  setup.budget.floor = 10;  // a token each 100 ms
  setup.budget.burst = 1;
  CallRig rig(Hedging(2, Ms(20)), setup);
  ASSERT_TRUE(rig.budget().TryAcquire(rig.now()));
  rig.Answer(1, Ms(5));
  rig.Run();
  // The budget refused the hedge at 20, 40 and 80 ms.
  EXPECT_THAT(rig.lines(),
              ElementsAre("0s launch 0", "160ms launch 1 hedge",
                          "165ms cancel 0", "165ms finish attempt 1 OK"));
  EXPECT_EQ(Stops(rig.counts(), Reason::kBudgetExhausted), 1) << "once";
  EXPECT_EQ(rig.driver().attempt(0).stopped, Reason::kBudgetExhausted);
}

TEST(HedgingBudgetTest, TheFirstHedgeOfACallLeavesHalfOfIt) {
  CallRig::Setup setup;
  setup.budget.ratio = setup.budget.floor = 0;
  setup.budget.burst = 5;
  for (const bool is_half_left : {true, false}) {
    CallRig rig(Hedging(3, Ms(20)), setup);
    for (int i = 0; i < (is_half_left ? 2 : 3); ++i) {
      ASSERT_TRUE(rig.budget().TryAcquire(rig.now()));
    }
    rig.Run(Ms(60));
    EXPECT_EQ(rig.lines()[1],
              is_half_left ? "20ms launch 1 hedge" : "40ms launch 1 hedge");
    EXPECT_EQ(rig.lines()[2],
              is_half_left ? "40ms launch 2 hedge" : "60ms launch 2 hedge");
  }
}

TEST(HedgingBudgetTest, AsksAgainOnlyBeforeTheDeadline) {
  CallRig::Setup setup;
  setup.budget.ratio = setup.budget.floor = 0;
  setup.budget.burst = 1;
  setup.deadline = Ms(100);
  for (const Duration delay : {Duration::zero(), Ms(20)}) {
    CallRig rig(Hedging(2, delay), setup);
    ASSERT_TRUE(rig.budget().TryAcquire(rig.now()));
    rig.Run();
    EXPECT_THAT(rig.lines(), ElementsAre("0s launch 0", "100ms cancel 0",
                                         "100ms finish DEADLINE_EXCEEDED "
                                         "deadline_exceeded"));
    EXPECT_EQ(Stops(rig.counts(), Reason::kBudgetExhausted), 1);
  }
}

// --- a crowd -----------------------------------------------------------------

// Four million random draws of these latencies, without any of this code, give
// a p99 of 15.5 ms and a p99.9 of 22.6 ms for 10.5 % more load.
TEST(CrowdTest, TwoHedgesAtTheLiveP90ReachTheOptimum) {
  Crowd::Setup setup;
  setup.options = HedgingAt(0.9, 3);
  setup.budget.ratio = 0.2;
  Crowd crowd(setup);
  crowd.Run(2'000);  // learns
  const int64_t before = crowd.counts().attempts_of(AttemptKind::kHedge);
  crowd.Run(60'000);
  const double extra =
      static_cast<double>(crowd.counts().attempts_of(AttemptKind::kHedge) -
                          before) /
      60'000;
  EXPECT_NEAR(ToMs(*crowd.model().Quantile(0.9, crowd.now())), 8.67, 0.4);
  EXPECT_NEAR(extra, 0.105, 0.01);
  EXPECT_NEAR(ToMs(crowd.Quantile(0.99)), 15.5, 0.8);
  EXPECT_NEAR(ToMs(crowd.Quantile(0.999)), 22.6, 2.5);
  EXPECT_EQ(Stops(crowd.counts(), Reason::kHedgingPaused), 0);
}

// One token per ten calls is not enough for all hedges, and the default burst
// is ten. Without tokens that are reserved for late hedges it would be 40 ms.
TEST(CrowdTest, AShortBudgetGoesToTheSlowestCalls) {
  Crowd::Setup setup;
  setup.options = HedgingAt(0.9, 3);
  Crowd crowd(setup);
  crowd.Run(62'000);
  EXPECT_LE(ToMs(crowd.Quantile(0.99)), 23);
  EXPECT_LE(ToMs(crowd.Quantile(0.999)), 30);
  const double ratio =
      static_cast<double>(crowd.counts().attempts_of(AttemptKind::kHedge)) /
      62'000;
  EXPECT_LE(ratio, 0.101);
}

// A dangerous feedback: each round of hedges cuts off the slow attempts, and
// the next delay is learned from the others.
TEST(CrowdTest, TheLearnedDelayDoesNotCreep) {
  Crowd::Setup setup;
  setup.options = HedgingAt(0.9);
  setup.budget.ratio = 1;
  setup.concurrency = 2;
  Crowd crowd(setup);
  while (crowd.now() < At(std::chrono::minutes(4))) {
    crowd.Run(10'000);
    EXPECT_NEAR(ToMs(*crowd.model().Quantile(0.9, crowd.now())), 8.67, 0.5)
        << FormatDuration(crowd.now().time_since_epoch());
  }
}

TEST(CrowdTest, AColdStartSendsNoStormAndDoesNotSleep) {
  Crowd::Setup setup;
  setup.options = HedgingAt(0.9);
  Crowd crowd(setup);
  crowd.Run(100);
  EXPECT_EQ(crowd.counts().attempts_of(AttemptKind::kHedge), 0);
  crowd.Run(3'000);
  EXPECT_GT(crowd.counts().attempts_of(AttemptKind::kHedge), 100);
}

// --- the deadline gate -------------------------------------------------------

MethodOptions Gated(double quantile, bool first_attempt = false) {
  MethodOptions options = Retrying(3);
  options.retry->backoff.initial = Ms(20);
  options.deadline_gate = DeadlineGateOptions{quantile, first_attempt};
  return options;
}

TEST(DeadlineGateTest, WhatIsNotKnownIsFeasible) {
  const absl::optional<DeadlineGateOptions> gate = DeadlineGateOptions{};
  LatencyModel model;
  const Time now = At(Sec(1));
  EXPECT_TRUE(IsFeasible(absl::nullopt, &model, Ms(1), now));
  EXPECT_TRUE(IsFeasible(gate, nullptr, Ms(1), now));
  EXPECT_TRUE(IsFeasible(gate, &model, Duration::zero(), now));
  model.Record(Ms(10), now, LatencyModel::kFew - 1);
  // At this time the earlier result is no longer cached.
  const Time later = now + Sec(1);
  ASSERT_TRUE(model.Quantile(0.5, later).has_value());
  EXPECT_TRUE(IsFeasible(gate, &model, Ms(1), later));
  EXPECT_TRUE(model.TakePass(later, Ms(10))) << "none was taken";
}

TEST(DeadlineGateTest, NeedsAsMuchAsTheQuantileButForOneASecond) {
  const absl::optional<DeadlineGateOptions> gate =
      DeadlineGateOptions{0.5, false};
  LatencyModel model;
  const Time now = At(Sec(1));
  model.Record(Ms(10), now, 100);
  const Duration p50 = *model.Quantile(0.5, now);
  EXPECT_TRUE(IsFeasible(gate, &model, p50, now));
  EXPECT_TRUE(IsFeasible(gate, &model, kInfiniteDuration, now));
  EXPECT_TRUE(IsFeasible(gate, &model, p50 - Duration(1), now)) << "the pass";
  EXPECT_FALSE(IsFeasible(gate, &model, p50 - Duration(1), now));
  EXPECT_FALSE(IsFeasible(gate, &model, p50 - Duration(1), now + Ms(999)));
  EXPECT_TRUE(IsFeasible(gate, &model, p50 - Duration(1), now + Sec(1)));
}

// The attempts that timed out stay in the window for half a minute.
TEST(DeadlineGateTest, IsOutOfTheWaySecondsAfterAnOutage) {
  const absl::optional<DeadlineGateOptions> gate =
      DeadlineGateOptions{0.17, true};
  for (const int outage : {2, 10, 20, 30, 60, 300}) {
    LatencyModel model;
    const Time begin = At(Sec(60));
    const Time end = begin + Sec(outage);
    absl::optional<Time> first_refused;  // after it
    Time last_refused{};
    int sent_in_outage = 0;
    for (Time now = At(Sec(1)); now < end + Sec(60); now += Ms(20)) {
      const bool is_out = now >= begin && now < end;
      if (!IsFeasible(gate, &model, Ms(100), now)) {
        if (now < end) continue;
        if (!first_refused) first_refused = now;
        last_refused = now;
      } else if (is_out) {
        ++sent_in_outage;
        model.RecordAtLeast(Ms(100), now);
      } else {
        model.Record(Ms(5), now);
      }
    }
    EXPECT_LE(last_refused - first_refused.value_or(last_refused), Sec(4))
        << outage;
    if (outage == 300) {
      EXPECT_LE(sent_in_outage, 2'000);
    }
  }
}

// A tenth of the calls is answered in time by chance, which is no recovery.
TEST(DeadlineGateTest, StaysOnAServerThatAnswersFewInTime) {
  const absl::optional<DeadlineGateOptions> gate =
      DeadlineGateOptions{0.17, true};
  LatencyModel model;
  Rng rng(3);
  int sent = 0;
  for (Time now = At(Sec(1)); now < At(Sec(1'801)); now += Ms(20)) {
    if (!IsFeasible(gate, &model, Ms(100), now)) continue;
    ++sent;
    if (rng.Uniform() < 0.1) {
      model.Record(Ms(5), now);
    } else {
      model.RecordAtLeast(Ms(100), now);
    }
  }
  // One of fifty a second, and a few more when chance makes the gate forget.
  EXPECT_GE(sent, 1'800);
  EXPECT_LE(sent, 3'000);
}

// No call is answered. The gate learns from the attempts that were given up.
TEST(DeadlineGateTest, SeesAServerThatAnswersNobodyInTime) {
  const absl::optional<DeadlineGateOptions> gate = DeadlineGateOptions{};
  LatencyModel model;
  const Time now = At(Sec(1));
  model.RecordAtLeast(Ms(50), now, LatencyModel::kFew - 1);
  EXPECT_FALSE(model.Quantile(0.5, now).has_value());
  EXPECT_TRUE(IsFeasible(gate, &model, Ms(10), now)) << "a few may be chance";
  EXPECT_TRUE(IsFeasible(gate, &model, Ms(10), now));
  model.RecordAtLeast(Ms(50), now);
  const Time later = now + Sec(2);
  EXPECT_TRUE(IsFeasible(gate, &model, Ms(10), later)) << "one a second";
  EXPECT_FALSE(IsFeasible(gate, &model, Ms(10), later));
  EXPECT_TRUE(IsFeasible(gate, &model, Ms(60), later)) << "nobody has tried";
  EXPECT_EQ(model.samples(later), 0);
  EXPECT_EQ(model.evidence(later), LatencyModel::kFew);
  // As soon as the server answers some of them, both kinds count.
  model.Record(Ms(5), later, 10);
  const Time after = later + Sec(2);
  EXPECT_TRUE(IsFeasible(gate, &model, Ms(10), after));
  EXPECT_TRUE(IsFeasible(gate, &model, Ms(10), after));
}

TEST(DeadlineGateTest, NoRetryThatTheRestOfTheTimeDoesNotPayFor) {
  // A failure at 5 ms, a backoff of 20 ms: what is left then, and 1 ns less.
  for (const bool is_enough : {true, false}) {
    LatencyModel model;
    Learn(&model);
    EXPECT_TRUE(model.TakePass(At(kLearned)));
    const Duration p50 = *model.Quantile(0.5, At(kLearned));
    CallRig rig(Gated(0.5), Knowing(&model, kLearned + Ms(25) + p50 -
                                                Duration(is_enough ? 0 : 1)));
    rig.MoveTo(kLearned);
    rig.Answer(0, Ms(5), Code::kUnavailable);
    rig.Answer(1, Ms(1));
    rig.Run();
    EXPECT_EQ(rig.last().finish->code,
              is_enough ? Code::kOk : Code::kUnavailable);
    EXPECT_EQ(rig.last().finish->reason,
              is_enough ? Reason::kNone : Reason::kDeadlineInfeasible);
    EXPECT_EQ(rig.now(), At(kLearned + (is_enough ? Ms(26) : Ms(5))));
    EXPECT_EQ(Stops(rig.counts(), Reason::kDeadlineInfeasible), !is_enough);
  }
}

TEST(DeadlineGateTest, NoHedgeThatTheRestOfTheTimeDoesNotPayFor) {
  LatencyModel model;
  Learn(&model);
  EXPECT_TRUE(model.TakePass(At(kLearned)));
  MethodOptions options = Hedging(2, Ms(20));
  options.deadline_gate = DeadlineGateOptions{};
  CallRig rig(options, Knowing(&model, kLearned + Ms(28)));
  rig.MoveTo(kLearned);
  rig.Answer(0, Ms(25));
  rig.Run();
  EXPECT_EQ(rig.counts().attempts_of(AttemptKind::kHedge), 0);
  EXPECT_EQ(rig.driver().attempt(0).stopped, Reason::kDeadlineInfeasible);
  EXPECT_EQ(rig.tokens(), 10);
}

TEST(DeadlineGateTest, TheFirstAttemptIsOnlyGatedIfAskedFor) {
  for (const bool first : {true, false}) {
    LatencyModel model;
    Learn(&model);
    EXPECT_TRUE(model.TakePass(At(kLearned)));
    CallRig rig(Gated(0.5, first), Knowing(&model, kLearned + Ms(9)));
    rig.MoveTo(kLearned);
    rig.Answer(0, Ms(5));
    rig.Run();
    if (first) {
      EXPECT_THAT(rig.lines(), ElementsAre("64s finish DEADLINE_EXCEEDED "
                                           "deadline_infeasible"));
      EXPECT_EQ(rig.counts().end(CallEnd::kRejected), 1);
    } else {
      EXPECT_EQ(rig.last().finish->code, Code::kOk);
    }
  }
}

// --- too short a deadline ----------------------------------------------------

TEST(TooShortDeadlineTest, IsNoFaultOfTheServer) {
  for (const bool is_short : {true, false}) {
    LatencyModel model;
    Learn(&model);
    MethodOptions options = Retrying(2);
    options.breaker = TripsAfter(1);
    CallRig rig(options,
                Knowing(&model, kLearned + (is_short ? Ms(9) : Ms(11))));
    rig.MoveTo(kLearned);
    rig.Run();
    EXPECT_EQ(rig.last().finish->code, Code::kDeadlineExceeded);
    EXPECT_EQ(Ended(rig, Attribution::kDeadlineTooShort), is_short ? 1 : 0);
    EXPECT_EQ(Ended(rig, Attribution::kServerFailure), is_short ? 0 : 1);
    EXPECT_EQ(rig.breaker().Snapshot(rig.now()).state,
              is_short ? BreakerState::kClosed : BreakerState::kOpen);
  }
}

TEST(TooShortDeadlineTest, IsJudgedByWhatTheAttemptWasGranted) {
  LatencyModel model;
  Learn(&model);
  // The server says so itself; by then the hedge has had 5 ms.
  CallRig rig(Hedging(2, Ms(20)), Knowing(&model, kLearned + Ms(25)));
  rig.MoveTo(kLearned);
  rig.Run();
  EXPECT_EQ(rig.driver().attempt(0).attribution, Attribution::kServerFailure);
  EXPECT_EQ(rig.driver().attempt(1).attribution,
            Attribution::kDeadlineTooShort);
}

// Within seconds everything takes 300 ms, and no caller waits that long.
TEST(TooShortDeadlineTest, AServerThatHasGrownSlowIsToBlame) {
  LatencyModel model;
  Learn(&model);
  MethodOptions options = Retrying(2);
  options.breaker = TripsAfter(5);
  const Duration later = kLearned + Sec(30);
  model.Record(Ms(300), At(later), 200);
  CallRig rig(options, Knowing(&model, later + Ms(100)));
  rig.MoveTo(later);
  rig.Run();
  EXPECT_EQ(Ended(rig, Attribution::kServerFailure), 1);
}

TEST(TooShortDeadlineTest, WithoutABaselineTheServerIsToBlame) {
  EXPECT_FALSE(IsTooShort(Duration::zero(), nullptr, At(Sec(1))));
  LatencyModel model;
  model.Record(Ms(10), At(Sec(1)), 1000);
  EXPECT_FALSE(IsTooShort(Ms(1), &model, At(Sec(1))));
  EXPECT_TRUE(IsTooShort(Ms(1), &model, At(Sec(31))));
  EXPECT_FALSE(IsTooShort(Ms(11), &model, At(Sec(31))));
}

}  // namespace
}  // namespace firebreak::core
