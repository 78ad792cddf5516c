// HALF_OPEN: a few probes decide, and it never gets stuck.
#include <algorithm>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/core/breaker/breaker.h"
#include "tests/support/core_fixtures.h"

namespace firebreak::core {
namespace {

using ::testing::ElementsAre;

// The moment at which probes are due.
constexpr Time kDue = At(Sec(10));

class HalfOpenTest : public ::testing::Test {
 protected:
  // A breaker that tripped 10 s ago.
  Breaker& Make(int probes, int samples = 0, double ratio = 1.0) {
    BreakerOptions options = TripsAfter(1);
    options.probes = probes;
    options.probe_samples = samples;
    options.probe_success_ratio = ratio;
    old_ = Permit();  // a breaker outlives its permits
    breaker_ = std::make_unique<Breaker>(
        Breaker::Identity{"shop", "t", "m", &log_, nullptr}, options, 1,
        Time{});
    old_ = breaker_->Admit(Time{}, kInfiniteFuture).permit;
    breaker_->Admit(Time{}, kInfiniteFuture)
        .permit.Settle(Verdict::kFailure, Time{});
    return *breaker_;
  }
  Permit Probe(Time now = kDue, Time deadline = kInfiniteFuture) {
    Admission a = breaker_->Admit(now, deadline);
    EXPECT_TRUE(a.permit.is_probe());
    return std::move(a.permit);
  }
  Refusal RefusalAt(Time now) {
    Admission a = breaker_->Admit(now, kInfiniteFuture);
    EXPECT_FALSE(a.permit);
    return a.refusal;
  }
  // A probe that ends at once.
  void Probe(Verdict verdict) { Probe().Settle(verdict, kDue); }
  BreakerState StateAt(Time now = kDue) {
    return breaker_->Snapshot(now).state;
  }
  int InFlight(Time now = kDue) {
    return breaker_->Snapshot(now).probes_in_flight;
  }

  EventLog log_{100};
  std::unique_ptr<Breaker> breaker_;
  Permit old_;  // of a call that started before the trip
};

TEST_F(HalfOpenTest, OpensTheDoorToSoManyProbesAtATime) {
  Make(/*probes=*/2, /*samples=*/5);
  Permit a = Probe();
  EXPECT_EQ(StateAt(), BreakerState::kHalfOpen);
  Permit b = Probe();
  EXPECT_EQ(InFlight(), 2);
  const Refusal refusal = RefusalAt(kDue + Sec(1));
  EXPECT_EQ(refusal.reason, Reason::kProbesTaken);
  EXPECT_EQ(refusal.retry_after, Sec(4));  // when the first lease ends
  a.Settle(Verdict::kSuccess, kDue);
  EXPECT_EQ(InFlight(), 1);
  Permit c = Probe();
  EXPECT_EQ(InFlight(), 2);
}

TEST_F(HalfOpenTest, AsksForNoMoreProbesThanResultsAreMissing) {
  Make(/*probes=*/3, /*samples=*/4);
  Probe(Verdict::kSuccess);
  Probe(Verdict::kSuccess);
  Permit third = Probe();
  Permit fourth = Probe();
  EXPECT_EQ(RefusalAt(kDue).reason, Reason::kProbesTaken);
  // A neutral end decides nothing, and allows another probe.
  third.Settle(Verdict::kNeutral, kDue);
  Permit fifth = Probe();
  fourth.Settle(Verdict::kSuccess, kDue);
  EXPECT_EQ(StateAt(), BreakerState::kHalfOpen);
  fifth.Settle(Verdict::kSuccess, kDue);
  EXPECT_EQ(StateAt(), BreakerState::kClosed);
}

TEST_F(HalfOpenTest, DecidesAsSoonAsTheRatioIsReachedOrOutOfReach) {
  const Verdict S = Verdict::kSuccess;
  const Verdict F = Verdict::kFailure;
  const struct {
    int samples;
    double ratio;
    std::vector<Verdict> results;
    BreakerState want;  // after the last result; HALF_OPEN before it
  } kCases[] = {
      {1, 1.0, {S}, BreakerState::kClosed},
      {1, 1.0, {F}, BreakerState::kOpen},
      {3, 1.0, {S, S, S}, BreakerState::kClosed},
      {3, 1.0, {F}, BreakerState::kOpen},
      {3, 1.0, {S, S, F}, BreakerState::kOpen},
      // 6 of 10 are enough; 5 failures are too many.
      {10, 0.6, {S, S, S, S, S, S}, BreakerState::kClosed},
      {10, 0.6, {F, F, F, F, S, S, S, S, S, S}, BreakerState::kClosed},
      {10, 0.6, {F, F, F, F, F}, BreakerState::kOpen},
      {10, 0.6, {S, S, S, S, S, F, F, F, F, F}, BreakerState::kOpen},
      // 0.5 of 3 means 2.
      {3, 0.5, {S, F, S}, BreakerState::kClosed},
      {3, 0.5, {F, F}, BreakerState::kOpen},
      // 0.07 of 100 means 7, not 8: binary fractions do not count.
      {100, 0.07, {S, S, S, S, S, S, S}, BreakerState::kClosed},
      // However small the ratio, it takes one.
      {3, 1e-12, {F, F, S}, BreakerState::kClosed},
      {3, 1e-12, {F, F, F}, BreakerState::kOpen},
  };
  for (const auto& c : kCases) {
    SCOPED_TRACE(testing::Message() << c.samples << " x " << c.ratio);
    Make(/*probes=*/1, c.samples, c.ratio);
    for (Verdict v : c.results) {
      EXPECT_NE(StateAt(), BreakerState::kClosed);
      Probe(v);
    }
    EXPECT_EQ(StateAt(), c.want);
    EXPECT_EQ(InFlight(), 0);
  }
}

TEST_F(HalfOpenTest, AVerdictEndsTheLeasesOfTheOtherProbes) {
  Make(/*probes=*/3);
  Permit a = Probe();
  Permit b = Probe();
  Permit c = Probe();
  a.Settle(Verdict::kFailure, kDue);
  EXPECT_EQ(StateAt(), BreakerState::kOpen);
  EXPECT_EQ(InFlight(), 0);
  b.Settle(Verdict::kSuccess, kDue);
  c.Settle(Verdict::kFailure, kDue);
  EXPECT_EQ(breaker_->Snapshot(kDue).stale_results, 2);
  EXPECT_EQ(breaker_->Snapshot(kDue).times_opened, 2);
  EXPECT_EQ(breaker_->Snapshot(kDue).probe_due, kDue + Sec(20));
}

TEST_F(HalfOpenTest, CallsFromBeforeTheTripCannotDecide) {
  Make(/*probes=*/1);
  Permit probe = Probe();
  old_.Settle(Verdict::kFailure, kDue);
  EXPECT_EQ(StateAt(), BreakerState::kHalfOpen);
  EXPECT_EQ(breaker_->Snapshot(kDue).stale_results, 1);
  EXPECT_EQ(InFlight(), 1);
  probe.Settle(Verdict::kSuccess, kDue);
  EXPECT_EQ(StateAt(), BreakerState::kClosed);
}

TEST_F(HalfOpenTest, NorCanAProbeOfAnEarlierHalfOpen) {
  Make(/*probes=*/2);
  Permit slow = Probe();
  Probe(Verdict::kFailure);
  const Time again = kDue + Sec(20);
  Permit probe = Probe(again);
  slow.Settle(Verdict::kFailure, again);
  EXPECT_EQ(StateAt(again), BreakerState::kHalfOpen);
  EXPECT_EQ(InFlight(again), 1);
}

TEST_F(HalfOpenTest, AHungProbeFailsWhenItsLeaseEnds) {
  Make(/*probes=*/1);
  Permit hung = Probe();
  EXPECT_EQ(breaker_->next_tick(), kDue + Sec(5));
  EXPECT_EQ(StateAt(kDue + Ms(4'999)), BreakerState::kHalfOpen);
  const Time end = kDue + Sec(5);
  EXPECT_EQ(StateAt(end), BreakerState::kOpen);
  const BreakerSnapshot s = breaker_->Snapshot(end);
  EXPECT_EQ(s.hung_probes, 1);
  EXPECT_EQ(s.probes_in_flight, 0);
  EXPECT_EQ(breaker_->next_tick(), kInfiniteFuture);
  EXPECT_EQ(Told(log_).back(),
            "half_open -> open: a probe hangs (0 of 1 successes needed)");
  hung.Settle(Verdict::kSuccess, end + Sec(1));
  EXPECT_EQ(StateAt(end + Sec(1)), BreakerState::kOpen);
  EXPECT_EQ(breaker_->Snapshot(end).stale_results, 1);
}

TEST_F(HalfOpenTest, AProbeThatEndsWithItsLeaseIsInTime) {
  for (Verdict verdict : {Verdict::kSuccess, Verdict::kFailure}) {
    Make(/*probes=*/1);
    const Time end = kDue + Sec(5);
    Permit probe = Probe();
    probe.Settle(verdict, end);
    const BreakerSnapshot s = breaker_->Snapshot(end);
    EXPECT_EQ(s.state, verdict == Verdict::kSuccess ? BreakerState::kClosed
                                                    : BreakerState::kOpen);
    EXPECT_EQ(s.hung_probes, 0);
    EXPECT_EQ(s.stale_results, 0);
  }
}

TEST_F(HalfOpenTest, AProbeThatEndsAfterItsLeaseIsHungAndThenStale) {
  Make(/*probes=*/1);
  Permit probe = Probe();
  probe.Settle(Verdict::kSuccess, kDue + Sec(5) + Duration(1));
  const BreakerSnapshot s = breaker_->Snapshot(kDue + Sec(6));
  EXPECT_EQ(s.state, BreakerState::kOpen);
  EXPECT_EQ(s.hung_probes, 1);
  EXPECT_EQ(s.stale_results, 1);
}

// The status of a deadline comes a little after it, and may be neutral. A
// client with short deadlines must not prevent the recovery of a target.
TEST_F(HalfOpenTest, AProbeIsJudgedByTheStatusOfItsDeadlineNotByTheClock) {
  for (const Duration deadline : {Ms(1), Ms(200), Ms(-1), Ms(-9'000)}) {
    for (const Duration late : {Duration(1), Ms(50)}) {
      Make(/*probes=*/1);
      Permit probe = Probe(kDue, kDue + deadline);
      const Time end = kDue + std::max(deadline, Ms(0)) + late;
      EXPECT_EQ(StateAt(end), BreakerState::kHalfOpen);
      probe.Settle(Verdict::kNeutral, end);
      const BreakerSnapshot s = breaker_->Snapshot(end);
      EXPECT_EQ(s.state, BreakerState::kHalfOpen);
      EXPECT_EQ(s.hung_probes, 0);
      EXPECT_EQ(s.stale_results, 0);
      EXPECT_EQ(s.probes_in_flight, 0);
    }
  }
}

TEST_F(HalfOpenTest, AProbeWhoseStatusIsLostHangsSoonAfterItsDeadline) {
  Make(/*probes=*/2);
  Permit lost = Probe(kDue, kDue + Ms(200));
  Permit other = Probe(kDue, kInfiniteFuture);
  const Time end = kDue + Ms(200) + Probation::kGrace;
  EXPECT_EQ(breaker_->next_tick(), end);
  EXPECT_EQ(RefusalAt(kDue).retry_after, end - kDue);
  EXPECT_EQ(StateAt(end - Duration(1)), BreakerState::kHalfOpen);
  EXPECT_EQ(StateAt(end), BreakerState::kOpen);
  EXPECT_EQ(breaker_->Snapshot(end).hung_probes, 1);
}

TEST_F(HalfOpenTest, ALeaseEndsNoLaterThanTheTimeout) {
  Make(/*probes=*/1);
  Permit a = Probe(kDue, kDue + Ms(4'500));
  EXPECT_EQ(breaker_->next_tick(), kDue + Sec(5));
}

TEST_F(HalfOpenTest, AHungProbeGivesItsSlotBack) {
  Make(/*probes=*/1, /*samples=*/4, /*ratio=*/0.5);
  Permit hung = Probe();
  EXPECT_EQ(RefusalAt(kDue + Ms(4'999)).reason, Reason::kProbesTaken);
  Permit next = Probe(kDue + Sec(5));  // no Tick() was needed
  EXPECT_EQ(breaker_->Snapshot(kDue + Sec(5)).hung_probes, 1);
  // Its own late end is stale, and does not touch the lease of the next one.
  hung.Settle(Verdict::kSuccess, kDue + Sec(6));
  EXPECT_EQ(InFlight(kDue + Sec(6)), 1);
  EXPECT_EQ(breaker_->Snapshot(kDue + Sec(6)).stale_results, 1);
}

TEST_F(HalfOpenTest, AStreamWithProgressSucceedsWhenItsLeaseEnds) {
  Make(/*probes=*/2);
  Permit stream = Probe();
  Permit other = Probe();
  stream.NoteProgress(kDue + Sec(1));
  other.Settle(Verdict::kSuccess, kDue + Sec(1));
  EXPECT_EQ(StateAt(kDue + Ms(4'999)), BreakerState::kHalfOpen);
  EXPECT_EQ(StateAt(kDue + Sec(5)), BreakerState::kClosed);
  EXPECT_EQ(breaker_->Snapshot(kDue + Sec(5)).hung_probes, 0);
  // Its end an hour later is stale.
  stream.Settle(Verdict::kFailure, kDue + Sec(3600));
  EXPECT_EQ(breaker_->Snapshot(kDue + Sec(3600)).consecutive_failures, 0);
  EXPECT_EQ(breaker_->Snapshot(kDue + Sec(3600)).stale_results, 1);
}

TEST_F(HalfOpenTest, AStreamThatFailsBeforeItsLeaseEndsFailsAllTheSame) {
  Make(/*probes=*/1);
  Permit stream = Probe();
  stream.NoteProgress(kDue + Sec(1));
  stream.Settle(Verdict::kFailure, kDue + Sec(2));
  EXPECT_EQ(StateAt(kDue + Sec(2)), BreakerState::kOpen);
}

TEST_F(HalfOpenTest, ProgressIsThatOfOneProbeOnly) {
  Make(/*probes=*/2);
  Permit moves = Probe();
  Permit hangs = Probe();
  moves.NoteProgress(kDue);
  breaker_->Tick(kDue + Sec(5));
  EXPECT_EQ(breaker_->Snapshot(kDue + Sec(5)).hung_probes, 1);
  EXPECT_EQ(StateAt(kDue + Sec(5)), BreakerState::kOpen);
}

TEST_F(HalfOpenTest, ProgressThatComesAfterTheLeaseIsTooLate) {
  Make(/*probes=*/1);
  Permit stream = Probe();
  stream.NoteProgress(kDue + Sec(5));
  EXPECT_EQ(StateAt(kDue + Sec(5)), BreakerState::kOpen);
  stream.NoteProgress(kDue + Sec(6));
  Permit().NoteProgress(kDue);
}

TEST_F(HalfOpenTest, ANeutralProbeDecidesNothingAndGivesItsSlotBack) {
  Make(/*probes=*/1);
  for (int i = 0; i < 100; ++i) Probe(Verdict::kNeutral);
  EXPECT_EQ(StateAt(), BreakerState::kHalfOpen);
  EXPECT_EQ(InFlight(), 0);
  EXPECT_EQ(breaker_->Snapshot(kDue).stale_results, 0);
  Probe(Verdict::kSuccess);
  EXPECT_EQ(StateAt(), BreakerState::kClosed);
}

TEST_F(HalfOpenTest, ADroppedPermitSettlesItself) {
  Make(/*probes=*/1);
  { Permit dropped = Probe(); }
  EXPECT_EQ(InFlight(), 0);
  Permit kept = Probe();
  kept = Permit();  // assigned over
  EXPECT_EQ(InFlight(), 0);
  std::vector<Permit> many;
  many.push_back(Probe());
  many.clear();
  EXPECT_EQ(InFlight(), 0);
  EXPECT_EQ(StateAt(), BreakerState::kHalfOpen);
}

TEST_F(HalfOpenTest, APermitMovedOntoItselfIsKept) {
  Make(/*probes=*/1);
  Permit probe = Probe();
  Permit& same = probe;
  probe = std::move(same);
  EXPECT_TRUE(probe);
  EXPECT_EQ(InFlight(), 1);
}

TEST_F(HalfOpenTest, AfterClosingTheOldFailuresAreForgotten) {
  Make(/*probes=*/1);
  Probe(Verdict::kSuccess);
  const BreakerSnapshot s = breaker_->Snapshot(kDue);
  EXPECT_EQ(s.window_calls, 0);
  EXPECT_EQ(s.consecutive_failures, 0);
  EXPECT_FALSE(breaker_->Admit(kDue, kInfiniteFuture).permit.is_probe());
}

TEST_F(HalfOpenTest, EachHalfOpenCountsItsProbesAnew) {
  Make(/*probes=*/3);
  Probe(Verdict::kSuccess);
  Probe(Verdict::kSuccess);
  Probe(Verdict::kFailure);
  const Time again = kDue + Sec(20);
  Probe(again).Settle(Verdict::kSuccess, again);
  EXPECT_EQ(StateAt(again), BreakerState::kHalfOpen);
}

TEST_F(HalfOpenTest, TellsTheWholeStoryInOrder) {
  Make(/*probes=*/3);
  Probe(Verdict::kFailure);
  const Time again = kDue + Sec(20);
  for (int i = 0; i < 3; ++i) Probe(again).Settle(Verdict::kSuccess, again);
  EXPECT_THAT(
      Told(log_),
      ElementsAre("closed -> open: 1 failures in a row (limit 1)",
                  "open -> half_open: a call came after the open time",
                  "half_open -> open: a probe failed (0 of 3 successes needed)",
                  "open -> half_open: a call came after the open time",
                  "half_open -> closed: probes succeeded (3 of 3)"));
}

// --- answers whose verdict comes later ---------------------------------------

constexpr Time kSoon = kDue + Ms(5);

TEST_F(HalfOpenTest, AnAnswerThatWaitsForItsVerdictDoesNotHang) {
  Make(/*probes=*/1);
  Permit probe = Probe(kDue, kDue + Ms(300));
  probe.NoteAnswered(kSoon);
  EXPECT_EQ(StateAt(kDue + Sec(1)), BreakerState::kHalfOpen);
  EXPECT_EQ(InFlight(kDue + Sec(1)), 1);
  probe.Settle(Verdict::kSuccess, kDue + Sec(1));
  EXPECT_EQ(StateAt(kDue + Sec(1)), BreakerState::kClosed);
  EXPECT_EQ(breaker_->Snapshot(kDue + Sec(1)).hung_probes, 0);
}

TEST_F(HalfOpenTest, ProgressSaysNothingOnceTheAnswerIsThere) {
  Make(/*probes=*/1);
  for (const bool progress_first : {true, false}) {
    const Time start = breaker_->Snapshot(kDue).since + Sec(60);
    Permit probe = Probe(start, start + Ms(300));
    if (progress_first) probe.NoteProgress(start);
    probe.NoteAnswered(start + Ms(5));
    if (!progress_first) probe.NoteProgress(start + Ms(5));
    EXPECT_EQ(StateAt(start + Sec(1)), BreakerState::kHalfOpen);
    probe.Settle(Verdict::kFailure, start + Sec(1));
    EXPECT_EQ(StateAt(start + Sec(1)), BreakerState::kOpen);
  }
}

TEST_F(HalfOpenTest, AVerdictThatNeverComesFreesTheSlotAndDecidesNothing) {
  Make(/*probes=*/1);
  Permit probe = Probe();
  probe.NoteAnswered(kSoon);
  const Time late = kSoon + Breaker::kJudgedWithin;
  EXPECT_EQ(InFlight(late - Ms(1)), 1);
  EXPECT_EQ(InFlight(late), 0);
  EXPECT_EQ(StateAt(late), BreakerState::kHalfOpen);
  Permit next = Probe(late);
  probe.Settle(Verdict::kFailure, late);
  EXPECT_EQ(StateAt(late), BreakerState::kHalfOpen);
  EXPECT_EQ(breaker_->Snapshot(late).stale_results, 1);
  next.Settle(Verdict::kSuccess, late);
  EXPECT_EQ(StateAt(late), BreakerState::kClosed);
}

TEST_F(HalfOpenTest, AnAnswerAfterTheLeaseIsStillTooLate) {
  Make(/*probes=*/1);
  Permit probe = Probe(kDue, kDue + Ms(300));
  const Time over = kDue + Ms(300) + Probation::kGrace;
  probe.NoteAnswered(over + Ms(1));
  EXPECT_EQ(StateAt(over + Ms(1)), BreakerState::kOpen);
  EXPECT_EQ(breaker_->Snapshot(over + Ms(1)).hung_probes, 1);
  // At the last moment it is still in time.
  const Time again = kDue + Sec(60);
  Permit second = Probe(again, again + Ms(300));
  const Time last = again + Ms(300) + Probation::kGrace;
  second.NoteAnswered(last);
  EXPECT_EQ(StateAt(last), BreakerState::kHalfOpen);
}

TEST_F(HalfOpenTest, AProbeThatFindsNoConnectionReopensUntilThereIsOne) {
  Make(/*probes=*/2);
  Permit probe = Probe();
  Permit other = Probe();
  probe.Settle(Verdict::kNotSent, kDue);
  const BreakerSnapshot open = breaker_->Snapshot(kDue);
  EXPECT_EQ(open.state, BreakerState::kOpen);
  EXPECT_TRUE(open.waits_for_connection);
  EXPECT_EQ(open.cause, "there is no connection for a probe");
  EXPECT_GT(*open.probe_due, kDue + Sec(10)) << "for longer than before";
  other.Settle(Verdict::kNotSent, kDue);  // stale: it reopens nothing anew
  EXPECT_EQ(breaker_->Snapshot(kDue).times_opened, open.times_opened);

  const Time later = kDue + Sec(1);
  breaker_->NoteConnected(later);
  EXPECT_EQ(*breaker_->Snapshot(later).probe_due, later);
  EXPECT_FALSE(breaker_->Snapshot(later).waits_for_connection);
  Probe(later).Settle(Verdict::kSuccess, later);
  Probe(later).Settle(Verdict::kSuccess, later);
  EXPECT_EQ(StateAt(later), BreakerState::kClosed);
}

TEST_F(HalfOpenTest, AConnectionEndsNoOtherWait) {
  Make(/*probes=*/1);
  breaker_->NoteConnected(Time{});
  EXPECT_EQ(*breaker_->Snapshot(Time{}).probe_due, kDue);
  Probe().Settle(Verdict::kFailure, kDue);
  const Time due = *breaker_->Snapshot(kDue).probe_due;
  breaker_->NoteConnected(kDue);
  EXPECT_EQ(*breaker_->Snapshot(kDue).probe_due, due);
}

// While CLOSED it is neutral, since gRPC may just be connecting.
TEST_F(HalfOpenTest, ClosedACallWithoutConnectionCountsForNothing) {
  Make(/*probes=*/1);
  Probe().Settle(Verdict::kSuccess, kDue);
  for (int i = 0; i < 100; ++i) {
    breaker_->Admit(kDue, kInfiniteFuture)
        .permit.Settle(Verdict::kNotSent, kDue);
  }
  EXPECT_EQ(StateAt(kDue), BreakerState::kClosed);
}

}  // namespace
}  // namespace firebreak::core
