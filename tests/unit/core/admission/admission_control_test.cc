// A call passes throttle, rate limit and bulkhead, and returns what it took.
#include "src/core/admission/admission_control.h"

#include <memory>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/core_fixtures.h"

namespace firebreak::core {
namespace {

using Kind = AdmissionControl::Step::Kind;
using Verdict = AdmissionControl::Verdict;

struct Waiter final : Bulkhead::Waiter {
  void OnPlace() override { ++told; }
  int told = 0;
};

// The parts that a test configures.
struct Parts {
  BulkheadOptions* Bulkhead(int max_concurrent, int max_queue, Duration wait) {
    bulkhead.emplace();
    bulkhead->max_concurrent = max_concurrent;
    bulkhead->max_queue = max_queue;
    bulkhead->max_wait = wait;
    return &*bulkhead;
  }
  RateLimitOptions* Rate(double rate, int burst, Duration wait) {
    rate_limit.emplace();
    rate_limit->rate = rate;
    rate_limit->burst = burst;
    rate_limit->max_wait = wait;
    return &*rate_limit;
  }
  AdmissionControl Make() const {
    return AdmissionControl(
        throttle ? std::make_shared<core::Throttle>(*throttle, 1, At(Sec(0)))
                 : nullptr,
        rate_limit ? std::make_shared<RateLimit>(*rate_limit, At(Sec(0)))
                   : nullptr,
        bulkhead ? std::make_shared<core::Bulkhead>(*bulkhead) : nullptr);
  }
  absl::optional<BulkheadOptions> bulkhead;
  absl::optional<RateLimitOptions> rate_limit;
  absl::optional<ThrottleOptions> throttle;
};

AdmissionControl::Step Begin(AdmissionPermit* permit,
                             AdmissionControl* admission, Duration at,
                             Time deadline = kInfiniteFuture,
                             Duration expected = Duration::zero()) {
  return permit->Begin(admission, At(at), deadline, expected);
}

void ExpectOut(const AdmissionControl::Step& step, absl::StatusCode code,
               Reason reason) {
  EXPECT_EQ(step.kind, Kind::kRefused);
  EXPECT_EQ(step.refusal.code, code);
  EXPECT_EQ(step.refusal.reason, reason) << ReasonName(step.refusal.reason);
}

TEST(AdmissionControlTest, AFullBulkheadSaysHowFull) {
  Parts parts;
  parts.Bulkhead(2, 0, Ms(100));
  AdmissionControl admission = parts.Make();
  AdmissionPermit a;
  AdmissionPermit b;
  AdmissionPermit c;
  EXPECT_EQ(Begin(&a, &admission, Sec(0)).kind, Kind::kAdmitted);
  EXPECT_EQ(Begin(&b, &admission, Sec(0)).kind, Kind::kAdmitted);
  const AdmissionControl::Step step = Begin(&c, &admission, Sec(0));
  ExpectOut(step, absl::StatusCode::kResourceExhausted, Reason::kBulkheadFull);
  EXPECT_EQ(step.refusal.in_use, 2);
  EXPECT_EQ(admission.bulkhead()->snapshot().rejected, 1);
  a.End(Verdict::kAccepted, At(Sec(1)));
  a.End(Verdict::kAccepted, At(Sec(1)));  // once
  EXPECT_EQ(admission.bulkhead()->snapshot().active, 1);
  EXPECT_EQ(admission.bulkhead()->snapshot().completed, 1);
}

TEST(AdmissionControlTest, AWaitEndsWithThePlace) {
  Parts parts;
  parts.Bulkhead(1, 1, Ms(100));
  AdmissionControl admission = parts.Make();
  AdmissionPermit a;
  AdmissionPermit b;
  auto waiter = std::make_shared<Waiter>();
  Begin(&a, &admission, Sec(0));
  EXPECT_EQ(Begin(&b, &admission, Sec(0)).kind, Kind::kWait);
  EXPECT_EQ(admission.bulkhead()->snapshot().queued, 0);  // not yet
  const AdmissionControl::Step wait = b.Continue(waiter, At(Sec(0)));
  EXPECT_EQ(wait.kind, Kind::kWait);
  EXPECT_EQ(wait.until, At(Ms(100)));
  EXPECT_EQ(b.Continue(waiter, At(Ms(50))).kind, Kind::kWait);
  a.End(Verdict::kAccepted, At(Ms(60)));
  EXPECT_EQ(waiter->told, 1);
  EXPECT_EQ(b.Continue(waiter, At(Ms(60))).kind, Kind::kAdmitted);
  EXPECT_EQ(b.Continue(waiter, At(Ms(70))).kind, Kind::kAdmitted);
  b.End(Verdict::kAccepted, At(Ms(80)));
  EXPECT_EQ(admission.bulkhead()->snapshot().active, 0);
}

TEST(AdmissionControlTest, AWaitEndsByMaxWaitOrByTheDeadline) {
  Parts parts;
  parts.Bulkhead(1, 9, Ms(100));
  AdmissionControl admission = parts.Make();
  AdmissionPermit a;
  Begin(&a, &admission, Sec(0));
  struct Case {
    Duration deadline;
    Duration expected;
    Duration until;
    Reason reason;
  };
  for (const Case& c : {
           Case{Sec(9), Ms(0), Ms(100), Reason::kQueueTimeout},
           Case{Ms(100), Ms(0), Ms(100), Reason::kDeadlineExceeded},
           Case{Ms(80), Ms(0), Ms(80), Reason::kDeadlineExceeded},
           Case{Ms(80), Ms(30), Ms(50), Reason::kDeadlineExceeded},
           Case{Ms(80), Ms(-30), Ms(80), Reason::kDeadlineExceeded},
       }) {
    AdmissionPermit b;
    auto waiter = std::make_shared<Waiter>();
    Begin(&b, &admission, Sec(0), At(c.deadline), c.expected);
    EXPECT_EQ(b.Continue(waiter, At(Sec(0))).until, At(c.until));
    const AdmissionControl::Step out = b.Continue(waiter, At(c.until));
    ExpectOut(out,
              c.reason == Reason::kQueueTimeout
                  ? absl::StatusCode::kResourceExhausted
                  : absl::StatusCode::kDeadlineExceeded,
              c.reason);
    EXPECT_EQ(out.refusal.wait, c.until);
    EXPECT_EQ(admission.bulkhead()->snapshot().queued, 0);
  }
  EXPECT_EQ(admission.bulkhead()->snapshot().rejected, 5);
}

TEST(AdmissionControlTest, AWaitThatCannotEndWellDoesNotBegin) {
  Parts parts;
  parts.Bulkhead(1, 9, Ms(100));
  AdmissionControl admission = parts.Make();
  AdmissionPermit a;
  AdmissionPermit b;
  Begin(&a, &admission, Sec(0));
  const AdmissionControl::Step out =
      Begin(&b, &admission, Sec(0), At(Ms(50)), Ms(50));
  ExpectOut(out, absl::StatusCode::kDeadlineExceeded,
            Reason::kDeadlineTooClose);
  EXPECT_EQ(out.refusal.wait, Ms(50));
  // A free place is taken nevertheless, since the call need not wait for it.
  a.End(Verdict::kAccepted, At(Ms(1)));
  EXPECT_EQ(Begin(&b, &admission, Ms(1), At(Ms(50)), Ms(50)).kind,
            Kind::kAdmitted);
}

TEST(AdmissionControlTest, APlaceThatComesAfterTheDeadlineIsHandedOn) {
  Parts parts;
  parts.Bulkhead(1, 9, Sec(1));
  AdmissionControl admission = parts.Make();
  AdmissionPermit a;
  AdmissionPermit b;
  AdmissionPermit c;
  auto late = std::make_shared<Waiter>();
  auto next = std::make_shared<Waiter>();
  Begin(&a, &admission, Sec(0));
  Begin(&b, &admission, Sec(0), At(Ms(50)));
  b.Continue(late, At(Sec(0)));
  Begin(&c, &admission, Sec(0));
  c.Continue(next, At(Sec(0)));
  a.End(Verdict::kAccepted, At(Ms(60)));  // before b's timer has rung
  ExpectOut(b.Continue(late, At(Ms(60))), absl::StatusCode::kDeadlineExceeded,
            Reason::kDeadlineExceeded);
  EXPECT_EQ(admission.bulkhead()->snapshot().rejected, 1);
  EXPECT_EQ(next->told, 1);
  EXPECT_EQ(c.Continue(next, At(Ms(60))).kind, Kind::kAdmitted);
}

TEST(AdmissionControlTest, ATokenIsWaitedForAndThenAPlace) {
  Parts parts;
  parts.Rate(10, 1, Ms(100));
  parts.Bulkhead(1, 1, Ms(100));
  AdmissionControl admission = parts.Make();
  AdmissionPermit a;
  AdmissionPermit b;
  auto waiter = std::make_shared<Waiter>();
  EXPECT_EQ(Begin(&a, &admission, Sec(0)).kind, Kind::kAdmitted);
  EXPECT_EQ(Begin(&b, &admission, Sec(0)).until, At(Ms(100)));
  EXPECT_EQ(b.Continue(waiter, At(Ms(99))).until, At(Ms(100)));
  const AdmissionControl::Step wait = b.Continue(waiter, At(Ms(100)));
  EXPECT_EQ(wait.kind, Kind::kWait);
  EXPECT_EQ(wait.until, At(Ms(200)));
  a.End(Verdict::kAccepted, At(Ms(150)));
  EXPECT_EQ(b.Continue(waiter, At(Ms(150))).kind, Kind::kAdmitted);
}

TEST(AdmissionControlTest, NoTokenInTimeSaysWhenToComeBack) {
  Parts parts;
  parts.Rate(10, 1, Ms(60));
  AdmissionControl admission = parts.Make();
  AdmissionPermit a;
  AdmissionPermit b;
  Begin(&a, &admission, Sec(0));
  AdmissionControl::Step step = Begin(&b, &admission, Sec(0));
  ExpectOut(step, absl::StatusCode::kResourceExhausted, Reason::kRateLimited);
  EXPECT_EQ(step.refusal.wait, Ms(100));
  EXPECT_EQ(step.refusal.retry_after, Ms(40));
  step = Begin(&b, &admission, Ms(50), At(Ms(70)), Ms(0));
  ExpectOut(step, absl::StatusCode::kDeadlineExceeded,
            Reason::kDeadlineTooClose);
  EXPECT_EQ(step.refusal.wait, Ms(50));
  EXPECT_EQ(admission.rate_limit()->rejected(), 2);
}

TEST(AdmissionControlTest, WhatTheBulkheadRefusesTheRateLimitGetsBack) {
  Parts parts;
  parts.Rate(1, 5, Ms(0));
  parts.Bulkhead(1, 0, Ms(0));
  AdmissionControl admission = parts.Make();
  AdmissionPermit a;
  Begin(&a, &admission, Sec(0));
  for (int i = 0; i < 10; ++i) {
    AdmissionPermit b;
    ExpectOut(Begin(&b, &admission, Sec(0)),
              absl::StatusCode::kResourceExhausted, Reason::kBulkheadFull);
  }
  EXPECT_DOUBLE_EQ(admission.rate_limit()->tokens(At(Sec(0))), 4);
  // The same for a call that the breaker refuses later.
  a.End(Verdict::kNotSent, At(Sec(0)));
  EXPECT_DOUBLE_EQ(admission.rate_limit()->tokens(At(Sec(0))), 5);
  EXPECT_EQ(admission.bulkhead()->snapshot().completed, 0);
}

TEST(AdmissionControlTest, TheThrottleCountsWhatAServerHasSeen) {
  Parts parts;
  parts.throttle.emplace();
  AdmissionControl admission = parts.Make();
  for (const Verdict verdict : {Verdict::kAccepted, Verdict::kRefused,
                                Verdict::kUnknown, Verdict::kNotSent}) {
    AdmissionPermit a;
    EXPECT_EQ(Begin(&a, &admission, Sec(0)).kind, Kind::kAdmitted);
    a.End(verdict, At(Sec(0)));
  }
  const Throttle::Snapshot s = admission.throttle()->snapshot(At(Sec(0)));
  EXPECT_EQ(s.requests, 2);
  EXPECT_EQ(s.accepts, 1);
}

TEST(AdmissionControlTest, AThrottledCallCostsNoToken) {
  Parts parts;
  parts.throttle.emplace();
  parts.Rate(1, 1'000'000, Ms(0));
  AdmissionControl admission = parts.Make();
  for (int i = 0; i < 100'000; ++i) {
    admission.throttle()->OnEnd(false, At(Sec(0)));
  }
  const double before = admission.rate_limit()->tokens(At(Sec(0)));
  AdmissionPermit a;
  ExpectOut(Begin(&a, &admission, Sec(0)), absl::StatusCode::kResourceExhausted,
            Reason::kThrottledLocally);
  EXPECT_DOUBLE_EQ(admission.rate_limit()->tokens(At(Sec(0))), before);
}

TEST(AdmissionControlTest, ADeadlineThatIsSpentCostsNothing) {
  Parts parts;
  parts.Rate(1, 1, Ms(0));
  AdmissionControl admission = parts.Make();
  AdmissionPermit a;
  ExpectOut(Begin(&a, &admission, Sec(1), At(Sec(1))),
            absl::StatusCode::kDeadlineExceeded, Reason::kDeadlineExceeded);
  EXPECT_DOUBLE_EQ(admission.rate_limit()->tokens(At(Sec(1))), 1);
  // It is not refused either, although it would have been.
  EXPECT_EQ(Begin(&a, &admission, Sec(1)).kind, Kind::kAdmitted);
  AdmissionPermit b;
  ExpectOut(Begin(&b, &admission, Sec(1), At(Sec(1))),
            absl::StatusCode::kDeadlineExceeded, Reason::kDeadlineExceeded);
  EXPECT_EQ(admission.rate_limit()->rejected(), 0);
}

TEST(AdmissionControlTest, ACancelGivesEverythingBackAtEveryStage) {
  Parts parts;
  parts.Rate(10, 3, Ms(500));
  parts.Bulkhead(1, 1, Sec(1));
  AdmissionControl admission = parts.Make();
  AdmissionPermit a;
  Begin(&a, &admission, Sec(0));
  auto waiter = std::make_shared<Waiter>();
  AdmissionPermit b;
  Begin(&b, &admission, Sec(0));
  b.End(Verdict::kNotSent, At(Sec(0)));  // before it has entered
  Begin(&b, &admission, Sec(0));
  b.Continue(waiter, At(Sec(0)));
  EXPECT_EQ(admission.bulkhead()->snapshot().queued, 1);
  b.End(Verdict::kNotSent, At(Sec(0)));  // in the queue
  EXPECT_EQ(admission.bulkhead()->snapshot().queued, 0);
  Begin(&b, &admission, Sec(0));
  b.Continue(waiter, At(Sec(0)));
  a.End(Verdict::kAccepted, At(Sec(0)));
  b.End(Verdict::kNotSent,
        At(Sec(0)));  // with a place that it has not been told about
  EXPECT_EQ(admission.bulkhead()->snapshot().active, 0);
  EXPECT_DOUBLE_EQ(admission.rate_limit()->tokens(At(Sec(0))), 2);
}

TEST(AdmissionControlTest, AVisitThatMovesTakesItsPlaceAlong) {
  Parts parts;
  parts.Bulkhead(1, 0, Ms(0));
  AdmissionControl admission = parts.Make();
  {
    AdmissionPermit outer;
    {
      AdmissionPermit inner;
      Begin(&inner, &admission, Sec(0));
      outer = std::move(inner);
    }
    EXPECT_EQ(admission.bulkhead()->snapshot().active, 1);
    outer = AdmissionPermit();
    EXPECT_EQ(admission.bulkhead()->snapshot().active, 0)
        << "ended by the next";
    Begin(&outer, &admission, Sec(0));
  }
  EXPECT_EQ(admission.bulkhead()->snapshot().active, 0);
}

TEST(AdmissionControlTest, AVisitThatIsDroppedLeavesTheQueue) {
  Parts parts;
  parts.Bulkhead(1, 1, Sec(1));
  AdmissionControl admission = parts.Make();
  AdmissionPermit a;
  for (const bool place_has_come : {false, true}) {
    Begin(&a, &admission, Sec(0));
    auto waiter = std::make_shared<Waiter>();
    auto dropped = std::make_unique<AdmissionPermit>();
    Begin(dropped.get(), &admission, Sec(0));
    dropped->Continue(waiter, At(Sec(0)));
    EXPECT_EQ(admission.bulkhead()->snapshot().queued, 1);
    dropped =
        std::make_unique<AdmissionPermit>(std::move(*dropped));  // it may move
    EXPECT_EQ(admission.bulkhead()->snapshot().queued, 1);
    if (place_has_come) a.End(Verdict::kAccepted, At(Sec(0)));
    dropped = nullptr;
    EXPECT_EQ(admission.bulkhead()->snapshot().queued, 0);
    if (!place_has_come) a.End(Verdict::kAccepted, At(Sec(0)));
    EXPECT_EQ(admission.bulkhead()->snapshot().active, 0);
  }
}

TEST(AdmissionControlTest, AWaiterThatGoesWithItsVisitLeavesNoPlaceBehind) {
  struct Owner final : Bulkhead::Waiter {
    void OnPlace() override {}
    AdmissionPermit permit;
  };
  Parts parts;
  parts.Bulkhead(1, 1, Sec(1));
  AdmissionControl admission = parts.Make();
  AdmissionPermit a;
  Begin(&a, &admission, Sec(0));
  auto owner = std::make_shared<Owner>();
  Begin(&owner->permit, &admission, Sec(0));
  owner->permit.Continue(owner, At(Sec(0)));
  owner = nullptr;  // only the queue keeps it
  a.End(Verdict::kAccepted, At(Sec(0)));
  EXPECT_EQ(admission.bulkhead()->snapshot().active, 0);
  EXPECT_EQ(admission.bulkhead()->snapshot().queued, 0);
  EXPECT_EQ(admission.bulkhead()->snapshot().completed, 1)
      << "only the first ran";
}

TEST(AdmissionControlTest, WhatAMethodLacksItsChannelGivesUnlessItIsOff) {
  auto make = [] {
    return AdmissionControl(
        std::make_shared<Throttle>(ThrottleOptions{}, 1, Time{}),
        std::make_shared<RateLimit>(RateLimitOptions{}, Time{}),
        std::make_shared<Bulkhead>(BulkheadOptions{}));
  };
  const AdmissionControl channel = make();
  const AdmissionControl own = make();
  AdmissionOptions off;
  off.no_throttle = off.no_rate_limit = off.no_bulkhead = true;
  auto expect = [](const AdmissionControl& got, const AdmissionControl& want) {
    EXPECT_EQ(got.throttle(), want.throttle());
    EXPECT_EQ(got.rate_limit(), want.rate_limit());
    EXPECT_EQ(got.bulkhead(), want.bulkhead());
  };
  expect(own.Or(channel, {}), own);
  expect(AdmissionControl{}.Or(channel, {}), channel);
  expect(AdmissionControl{}.Or(channel, off), AdmissionControl{});
}

TEST(AdmissionControlTest, WhatAnEndSaysOfTheServer) {
  using Code = absl::StatusCode;
  using A = Attribution;
  EXPECT_EQ(AdmissionControl::VerdictOf(Code::kOk, A::kSuccess),
            Verdict::kAccepted);
  EXPECT_EQ(AdmissionControl::VerdictOf(Code::kUnavailable, A::kSuccess),
            Verdict::kAccepted);
  EXPECT_EQ(AdmissionControl::VerdictOf(Code::kInternal, A::kServerFailure),
            Verdict::kAccepted);
  EXPECT_EQ(AdmissionControl::VerdictOf(Code::kUnavailable, A::kServerFailure),
            Verdict::kRefused);
  // The same whether gRPC ends a guarded call or firebreak ends a driven one.
  for (const A who : {A::kSuccess, A::kServerFailure, A::kTransportFailure,
                      A::kIgnored, A::kDeadlineTooShort}) {
    EXPECT_EQ(AdmissionControl::VerdictOf(Code::kDeadlineExceeded, who),
              Verdict::kUnknown);
  }
  EXPECT_EQ(AdmissionControl::VerdictOf(Code::kResourceExhausted, A::kOverload),
            Verdict::kRefused);
  EXPECT_EQ(
      AdmissionControl::VerdictOf(Code::kCancelled, A::kCancelledByCaller),
      Verdict::kUnknown);
  EXPECT_EQ(AdmissionControl::VerdictOf(Code::kUnavailable, A::kNotSent),
            Verdict::kNotSent);
  EXPECT_EQ(AdmissionControl::VerdictOf(Code::kUnavailable, A::kLocalError),
            Verdict::kNotSent);
  // It may have been the reply that was too long.
  EXPECT_EQ(
      AdmissionControl::VerdictOf(Code::kResourceExhausted, A::kLocalError),
      Verdict::kUnknown);
}

}  // namespace
}  // namespace firebreak::core
