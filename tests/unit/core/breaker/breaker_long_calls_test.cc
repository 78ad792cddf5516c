// Healthy calls that take longer than `probe_timeout`: they must not keep a
// breaker open for ever.
#include <map>
#include <memory>
#include <utility>

#include "gtest/gtest.h"
#include "src/core/breaker/breaker.h"
#include "tests/support/core_fixtures.h"

namespace firebreak::core {
namespace {

// Makes calls at an even rate through a breaker with the default options. The
// start of the outage ends the calls in flight, and calls that begin during the
// outage fail at once.
class LongCalls {
 public:
  explicit LongCalls(const BreakerOptions& options, CallKind kind)
      : kind_(kind),
        breaker_(Breaker::Identity{"c", "t", "m", nullptr, nullptr}, options, 1,
                 Time{}) {}

  // Runs until `end`. Each call takes `takes`. The outage is [from, until).
  void Run(Duration takes, Duration from, Duration until, Duration end) {
    constexpr Duration kStep = std::chrono::milliseconds(100);
    for (Duration at = Duration::zero(); at < end; at += kStep) {
      if (at == from) FailAll(At(at));
      SettleUntil(At(at));
      breaker_.Tick(At(at));
      Admission admission = breaker_.Admit(At(at), kInfiniteFuture, kind_);
      if (!admission.permit) {
        last_refusal_ = at;
        ++refused_;
        continue;
      }
      const bool fails = at >= from && at < until;
      under_way_.emplace(At(fails ? at : at + takes),
                         std::make_pair(std::move(admission.permit), fails));
    }
  }

  BreakerSnapshot Snapshot(Duration at) { return breaker_.Snapshot(At(at)); }
  int refused() const { return refused_; }
  Duration last_refusal() const { return last_refusal_; }

 private:
  void FailAll(Time now) {
    for (auto& [at, call] : under_way_) {
      call.first.Settle(Verdict::kFailure, now);
    }
    under_way_.clear();
  }
  void SettleUntil(Time now) {
    while (!under_way_.empty() && under_way_.begin()->first <= now) {
      auto& [at, call] = *under_way_.begin();
      call.first.Settle(call.second ? Verdict::kFailure : Verdict::kSuccess,
                        at);
      under_way_.erase(under_way_.begin());
    }
  }

  const CallKind kind_;
  Breaker breaker_;
  std::multimap<Time, std::pair<Permit, bool>> under_way_;
  int refused_ = 0;
  Duration last_refusal_ = Duration::zero();
};

TEST(BreakerLongCallsTest, CloseItAgainAfterAnOutageOfAMoment) {
  for (const int seconds : {4, 6, 12, 30}) {
    SCOPED_TRACE(seconds);
    LongCalls calls(BreakerOptions{}, CallKind::kUnary);
    calls.Run(Sec(seconds), Sec(40), Sec(42), Sec(240));
    EXPECT_EQ(calls.Snapshot(Sec(240)).state, BreakerState::kClosed);
    // The first probe, at the latest, shows how long a probe may take.
    EXPECT_GE(calls.Snapshot(Sec(240)).times_opened, 1);
    EXPECT_LE(calls.Snapshot(Sec(240)).times_opened, 3);
    EXPECT_GT(calls.refused(), 0);
    EXPECT_LE(calls.last_refusal(), Sec(42) + Sec(15) + 3 * Sec(seconds));
  }
}

// No call was in flight when it opened, so the probe itself has to show it.
TEST(BreakerLongCallsTest, AProbeThatWasTakenForHungIsBelievedLate) {
  BreakerOptions options = TripsAfter(1);
  options.probes = 1;
  Breaker breaker({"c", "t", "m", nullptr, nullptr}, options, 1, Time{});
  breaker.Admit(Time{}, kInfiniteFuture)
      .permit.Settle(Verdict::kFailure, Time{});
  Permit probe = breaker.Admit(At(Sec(10)), kInfiniteFuture).permit;
  ASSERT_TRUE(probe.is_probe());
  EXPECT_EQ(breaker.Snapshot(At(Sec(15))).state, BreakerState::kOpen);
  EXPECT_EQ(breaker.Snapshot(At(Sec(15))).hung_probes, 1);
  probe.Settle(Verdict::kSuccess, At(Sec(16)));
  EXPECT_EQ(breaker.Snapshot(At(Sec(16))).state, BreakerState::kOpen)
      << "late, so it decides nothing";
  EXPECT_EQ(breaker.Snapshot(At(Sec(16))).stale_results, 1);
  // But the next call is a probe, with a lease of nine seconds.
  probe = breaker.Admit(At(Sec(16)), kInfiniteFuture).permit;
  ASSERT_TRUE(probe.is_probe());
  EXPECT_EQ(breaker.Snapshot(At(Sec(24))).state, BreakerState::kHalfOpen);
  probe.Settle(Verdict::kSuccess, At(Sec(24)));
  EXPECT_EQ(breaker.Snapshot(At(Sec(24))).state, BreakerState::kClosed);
}

TEST(BreakerLongCallsTest, AStreamsFirstMessageIsBelievedLate) {
  BreakerOptions options = TripsAfter(1);
  options.probes = 1;
  Breaker breaker({"c", "t", "m", nullptr, nullptr}, options, 1, Time{});
  breaker.Admit(Time{}, kInfiniteFuture)
      .permit.Settle(Verdict::kFailure, Time{});
  Permit probe =
      breaker.Admit(At(Sec(10)), kInfiniteFuture, CallKind::kStream).permit;
  EXPECT_EQ(breaker.Snapshot(At(Sec(15))).state, BreakerState::kOpen);
  probe.NoteProgress(At(Sec(20)));
  Permit next =
      breaker.Admit(At(Sec(20)), kInfiniteFuture, CallKind::kStream).permit;
  ASSERT_TRUE(next.is_probe());
  EXPECT_EQ(breaker.Snapshot(At(Sec(34))).state, BreakerState::kHalfOpen);
}

// A stream that has lasted for an hour does not mean that a probe may hang for
// that long.
TEST(BreakerLongCallsTest, AStreamThatLastsTeachesNothing) {
  BreakerOptions options = TripsAfter(1);
  options.probes = 1;
  Breaker breaker({"c", "t", "m", nullptr, nullptr}, options, 1, Time{});
  breaker.Admit(Time{}, kInfiniteFuture)
      .permit.Settle(Verdict::kFailure, Time{});
  Permit probe =
      breaker.Admit(At(Sec(10)), kInfiniteFuture, CallKind::kStream).permit;
  probe.NoteProgress(At(Sec(11)));
  EXPECT_EQ(breaker.Snapshot(At(Sec(15))).state, BreakerState::kClosed);
  probe.NoteProgress(At(Sec(3'600)));
  breaker.Admit(At(Sec(3'600)), kInfiniteFuture)
      .permit.Settle(Verdict::kFailure, At(Sec(3'600)));
  Permit next = breaker.Admit(At(Sec(3'610)), kInfiniteFuture).permit;
  ASSERT_TRUE(next.is_probe());
  EXPECT_EQ(breaker.Snapshot(At(Sec(3'615))).hung_probes, 1);
}

// If a server hangs for ever, its probes get no more time than earlier calls
// have needed, and soon as little as before.
TEST(BreakerLongCallsTest, ProbesThatHangWearThePatienceOut) {
  BreakerOptions options;
  Probation probation(options);
  probation.NoteSuccessTook(Sec(40));
  EXPECT_EQ(probation.lease_time(), Sec(60));
  probation.NoteSuccessTook(Sec(1));
  EXPECT_EQ(probation.lease_time(), Sec(60));
  Time now = At(Sec(0));
  for (const int seconds : {60, 30, 15, 15 / 2, 5, 5}) {
    probation.Restart(now);
    ASSERT_NE(probation.Begin(now, kInfiniteFuture), 0u);
    EXPECT_GE(probation.next_lease_end() - now, Sec(seconds));
    now = probation.next_lease_end();
    ASSERT_TRUE(probation.EndOverdue(now).has_value());
  }
  EXPECT_EQ(probation.lease_time(), options.probe_timeout);
  probation.NoteSuccessTook(Sec(100'000));
  EXPECT_EQ(probation.lease_time(), options.max_open_duration);
}

}  // namespace
}  // namespace firebreak::core
