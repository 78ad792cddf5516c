// A call's way through throttle, rate limit and bulkhead, and back.
#include "src/core/admission/intake.h"

#include <memory>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/core_fixtures.h"

namespace firebreak::core {
namespace {

using Kind = Intake::Step::Kind;
using Verdict = Intake::Verdict;

struct Waiter final : Bulkhead::Waiter {
  void OnPlace() override { ++told; }
  int told = 0;
};

// Each part, where a test sets it.
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
  Intake Make() const {
    return Intake(
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

Intake::Step Begin(Visit* visit, Intake* intake, Duration at,
                   Time deadline = kInfiniteFuture,
                   Duration expected = Duration::zero()) {
  return visit->Begin(intake, At(at), deadline, expected);
}

void ExpectOut(const Intake::Step& step, absl::StatusCode code, Reason reason) {
  EXPECT_EQ(step.kind, Kind::kOut);
  EXPECT_EQ(step.refusal.code, code);
  EXPECT_EQ(step.refusal.reason, reason) << ReasonName(step.refusal.reason);
}

TEST(IntakeTest, AFullBulkheadSaysHowFull) {
  Parts parts;
  parts.Bulkhead(2, 0, Ms(100));
  Intake intake = parts.Make();
  Visit a;
  Visit b;
  Visit c;
  EXPECT_EQ(Begin(&a, &intake, Sec(0)).kind, Kind::kIn);
  EXPECT_EQ(Begin(&b, &intake, Sec(0)).kind, Kind::kIn);
  const Intake::Step step = Begin(&c, &intake, Sec(0));
  ExpectOut(step, absl::StatusCode::kResourceExhausted, Reason::kBulkheadFull);
  EXPECT_EQ(step.refusal.in_use, 2);
  EXPECT_EQ(intake.bulkhead()->snapshot().rejected, 1);
  a.End(Verdict::kAccepted, At(Sec(1)));
  a.End(Verdict::kAccepted, At(Sec(1)));  // once
  EXPECT_EQ(intake.bulkhead()->snapshot().active, 1);
  EXPECT_EQ(intake.bulkhead()->snapshot().completed, 1);
}

TEST(IntakeTest, AWaitEndsWithThePlace) {
  Parts parts;
  parts.Bulkhead(1, 1, Ms(100));
  Intake intake = parts.Make();
  Visit a;
  Visit b;
  auto waiter = std::make_shared<Waiter>();
  Begin(&a, &intake, Sec(0));
  EXPECT_EQ(Begin(&b, &intake, Sec(0)).kind, Kind::kWait);
  EXPECT_EQ(intake.bulkhead()->snapshot().queued, 0);  // not yet
  const Intake::Step wait = b.Continue(waiter, At(Sec(0)));
  EXPECT_EQ(wait.kind, Kind::kWait);
  EXPECT_EQ(wait.until, At(Ms(100)));
  EXPECT_EQ(b.Continue(waiter, At(Ms(50))).kind, Kind::kWait);
  a.End(Verdict::kAccepted, At(Ms(60)));
  EXPECT_EQ(waiter->told, 1);
  EXPECT_EQ(b.Continue(waiter, At(Ms(60))).kind, Kind::kIn);
  EXPECT_EQ(b.Continue(waiter, At(Ms(70))).kind, Kind::kIn);
  b.End(Verdict::kAccepted, At(Ms(80)));
  EXPECT_EQ(intake.bulkhead()->snapshot().active, 0);
}

TEST(IntakeTest, AWaitEndsByMaxWaitOrByTheDeadline) {
  Parts parts;
  parts.Bulkhead(1, 9, Ms(100));
  Intake intake = parts.Make();
  Visit a;
  Begin(&a, &intake, Sec(0));
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
    Visit b;
    auto waiter = std::make_shared<Waiter>();
    Begin(&b, &intake, Sec(0), At(c.deadline), c.expected);
    EXPECT_EQ(b.Continue(waiter, At(Sec(0))).until, At(c.until));
    const Intake::Step out = b.Continue(waiter, At(c.until));
    ExpectOut(out,
              c.reason == Reason::kQueueTimeout
                  ? absl::StatusCode::kResourceExhausted
                  : absl::StatusCode::kDeadlineExceeded,
              c.reason);
    EXPECT_EQ(out.refusal.wait, c.until);
    EXPECT_EQ(intake.bulkhead()->snapshot().queued, 0);
  }
  EXPECT_EQ(intake.bulkhead()->snapshot().rejected, 5);
}

TEST(IntakeTest, AWaitThatCannotEndWellDoesNotBegin) {
  Parts parts;
  parts.Bulkhead(1, 9, Ms(100));
  Intake intake = parts.Make();
  Visit a;
  Visit b;
  Begin(&a, &intake, Sec(0));
  const Intake::Step out = Begin(&b, &intake, Sec(0), At(Ms(50)), Ms(50));
  ExpectOut(out, absl::StatusCode::kDeadlineExceeded,
            Reason::kDeadlineTooClose);
  EXPECT_EQ(out.refusal.wait, Ms(50));
  // A free place is taken all the same: there is nothing to wait for.
  a.End(Verdict::kAccepted, At(Ms(1)));
  EXPECT_EQ(Begin(&b, &intake, Ms(1), At(Ms(50)), Ms(50)).kind, Kind::kIn);
}

TEST(IntakeTest, APlaceThatComesAfterTheDeadlineIsHandedOn) {
  Parts parts;
  parts.Bulkhead(1, 9, Sec(1));
  Intake intake = parts.Make();
  Visit a;
  Visit b;
  Visit c;
  auto late = std::make_shared<Waiter>();
  auto next = std::make_shared<Waiter>();
  Begin(&a, &intake, Sec(0));
  Begin(&b, &intake, Sec(0), At(Ms(50)));
  b.Continue(late, At(Sec(0)));
  Begin(&c, &intake, Sec(0));
  c.Continue(next, At(Sec(0)));
  a.End(Verdict::kAccepted, At(Ms(60)));  // before b's timer has rung
  ExpectOut(b.Continue(late, At(Ms(60))), absl::StatusCode::kDeadlineExceeded,
            Reason::kDeadlineExceeded);
  EXPECT_EQ(intake.bulkhead()->snapshot().rejected, 1);
  EXPECT_EQ(next->told, 1);
  EXPECT_EQ(c.Continue(next, At(Ms(60))).kind, Kind::kIn);
}

TEST(IntakeTest, ATokenIsWaitedForAndThenAPlace) {
  Parts parts;
  parts.Rate(10, 1, Ms(100));
  parts.Bulkhead(1, 1, Ms(100));
  Intake intake = parts.Make();
  Visit a;
  Visit b;
  auto waiter = std::make_shared<Waiter>();
  EXPECT_EQ(Begin(&a, &intake, Sec(0)).kind, Kind::kIn);
  EXPECT_EQ(Begin(&b, &intake, Sec(0)).until, At(Ms(100)));
  EXPECT_EQ(b.Continue(waiter, At(Ms(99))).until, At(Ms(100)));
  const Intake::Step wait = b.Continue(waiter, At(Ms(100)));
  EXPECT_EQ(wait.kind, Kind::kWait);
  EXPECT_EQ(wait.until, At(Ms(200)));
  a.End(Verdict::kAccepted, At(Ms(150)));
  EXPECT_EQ(b.Continue(waiter, At(Ms(150))).kind, Kind::kIn);
}

TEST(IntakeTest, NoTokenInTimeSaysWhenToComeBack) {
  Parts parts;
  parts.Rate(10, 1, Ms(60));
  Intake intake = parts.Make();
  Visit a;
  Visit b;
  Begin(&a, &intake, Sec(0));
  Intake::Step step = Begin(&b, &intake, Sec(0));
  ExpectOut(step, absl::StatusCode::kResourceExhausted, Reason::kRateLimited);
  EXPECT_EQ(step.refusal.wait, Ms(100));
  EXPECT_EQ(step.refusal.retry_after, Ms(40));
  step = Begin(&b, &intake, Ms(50), At(Ms(70)), Ms(0));
  ExpectOut(step, absl::StatusCode::kDeadlineExceeded,
            Reason::kDeadlineTooClose);
  EXPECT_EQ(step.refusal.wait, Ms(50));
  EXPECT_EQ(intake.rate_limit()->rejected(), 2);
}

TEST(IntakeTest, WhatTheBulkheadRefusesTheRateLimitGetsBack) {
  Parts parts;
  parts.Rate(1, 5, Ms(0));
  parts.Bulkhead(1, 0, Ms(0));
  Intake intake = parts.Make();
  Visit a;
  Begin(&a, &intake, Sec(0));
  for (int i = 0; i < 10; ++i) {
    Visit b;
    ExpectOut(Begin(&b, &intake, Sec(0)), absl::StatusCode::kResourceExhausted,
              Reason::kBulkheadFull);
  }
  EXPECT_DOUBLE_EQ(intake.rate_limit()->tokens(At(Sec(0))), 4);
  // And what the breaker refuses after it.
  a.End(Verdict::kNotSent, At(Sec(0)));
  EXPECT_DOUBLE_EQ(intake.rate_limit()->tokens(At(Sec(0))), 5);
  EXPECT_EQ(intake.bulkhead()->snapshot().completed, 0);
}

TEST(IntakeTest, TheThrottleCountsWhatAServerHasSeen) {
  Parts parts;
  parts.throttle.emplace();
  Intake intake = parts.Make();
  for (const Verdict verdict : {Verdict::kAccepted, Verdict::kRefused,
                                Verdict::kUnknown, Verdict::kNotSent}) {
    Visit a;
    EXPECT_EQ(Begin(&a, &intake, Sec(0)).kind, Kind::kIn);
    a.End(verdict, At(Sec(0)));
  }
  const Throttle::Snapshot s = intake.throttle()->snapshot(At(Sec(0)));
  EXPECT_EQ(s.requests, 2);
  EXPECT_EQ(s.accepts, 1);
}

TEST(IntakeTest, AThrottledCallCostsNoToken) {
  Parts parts;
  parts.throttle.emplace();
  parts.Rate(1, 1'000'000, Ms(0));
  Intake intake = parts.Make();
  for (int i = 0; i < 100'000; ++i) {
    intake.throttle()->OnEnd(false, At(Sec(0)));
  }
  const double before = intake.rate_limit()->tokens(At(Sec(0)));
  Visit a;
  ExpectOut(Begin(&a, &intake, Sec(0)), absl::StatusCode::kResourceExhausted,
            Reason::kThrottledLocally);
  EXPECT_DOUBLE_EQ(intake.rate_limit()->tokens(At(Sec(0))), before);
}

TEST(IntakeTest, ADeadlineThatIsSpentCostsNothing) {
  Parts parts;
  parts.Rate(1, 1, Ms(0));
  Intake intake = parts.Make();
  Visit a;
  ExpectOut(Begin(&a, &intake, Sec(1), At(Sec(1))),
            absl::StatusCode::kDeadlineExceeded, Reason::kDeadlineExceeded);
  EXPECT_DOUBLE_EQ(intake.rate_limit()->tokens(At(Sec(1))), 1);
  // Not even a refusal, where it would have had one.
  EXPECT_EQ(Begin(&a, &intake, Sec(1)).kind, Kind::kIn);
  Visit b;
  ExpectOut(Begin(&b, &intake, Sec(1), At(Sec(1))),
            absl::StatusCode::kDeadlineExceeded, Reason::kDeadlineExceeded);
  EXPECT_EQ(intake.rate_limit()->rejected(), 0);
}

TEST(IntakeTest, ACancelGivesEverythingBackAtEveryStage) {
  Parts parts;
  parts.Rate(10, 3, Ms(500));
  parts.Bulkhead(1, 1, Sec(1));
  Intake intake = parts.Make();
  Visit a;
  Begin(&a, &intake, Sec(0));
  auto waiter = std::make_shared<Waiter>();
  Visit b;
  Begin(&b, &intake, Sec(0));
  b.End(Verdict::kNotSent, At(Sec(0)));  // at the door
  Begin(&b, &intake, Sec(0));
  b.Continue(waiter, At(Sec(0)));
  EXPECT_EQ(intake.bulkhead()->snapshot().queued, 1);
  b.End(Verdict::kNotSent, At(Sec(0)));  // in the queue
  EXPECT_EQ(intake.bulkhead()->snapshot().queued, 0);
  Begin(&b, &intake, Sec(0));
  b.Continue(waiter, At(Sec(0)));
  a.End(Verdict::kAccepted, At(Sec(0)));
  b.End(Verdict::kNotSent,
        At(Sec(0)));  // with a place that it does not know of
  EXPECT_EQ(intake.bulkhead()->snapshot().active, 0);
  EXPECT_DOUBLE_EQ(intake.rate_limit()->tokens(At(Sec(0))), 2);
}

TEST(IntakeTest, AVisitThatMovesTakesItsPlaceAlong) {
  Parts parts;
  parts.Bulkhead(1, 0, Ms(0));
  Intake intake = parts.Make();
  {
    Visit outer;
    {
      Visit inner;
      Begin(&inner, &intake, Sec(0));
      outer = std::move(inner);
    }
    EXPECT_EQ(intake.bulkhead()->snapshot().active, 1);
    outer = Visit();
    EXPECT_EQ(intake.bulkhead()->snapshot().active, 0) << "ended by the next";
    Begin(&outer, &intake, Sec(0));
  }
  EXPECT_EQ(intake.bulkhead()->snapshot().active, 0);
}

TEST(IntakeTest, AVisitThatIsDroppedLeavesTheQueue) {
  Parts parts;
  parts.Bulkhead(1, 1, Sec(1));
  Intake intake = parts.Make();
  Visit a;
  for (const bool place_has_come : {false, true}) {
    Begin(&a, &intake, Sec(0));
    auto waiter = std::make_shared<Waiter>();
    auto dropped = std::make_unique<Visit>();
    Begin(dropped.get(), &intake, Sec(0));
    dropped->Continue(waiter, At(Sec(0)));
    EXPECT_EQ(intake.bulkhead()->snapshot().queued, 1);
    dropped = std::make_unique<Visit>(std::move(*dropped));  // it may move
    EXPECT_EQ(intake.bulkhead()->snapshot().queued, 1);
    if (place_has_come) a.End(Verdict::kAccepted, At(Sec(0)));
    dropped = nullptr;
    EXPECT_EQ(intake.bulkhead()->snapshot().queued, 0);
    if (!place_has_come) a.End(Verdict::kAccepted, At(Sec(0)));
    EXPECT_EQ(intake.bulkhead()->snapshot().active, 0);
  }
}

TEST(IntakeTest, AWaiterThatGoesWithItsVisitLeavesNoPlaceBehind) {
  struct Owner final : Bulkhead::Waiter {
    void OnPlace() override {}
    Visit visit;
  };
  Parts parts;
  parts.Bulkhead(1, 1, Sec(1));
  Intake intake = parts.Make();
  Visit a;
  Begin(&a, &intake, Sec(0));
  auto owner = std::make_shared<Owner>();
  Begin(&owner->visit, &intake, Sec(0));
  owner->visit.Continue(owner, At(Sec(0)));
  owner = nullptr;  // only the queue keeps it
  a.End(Verdict::kAccepted, At(Sec(0)));
  EXPECT_EQ(intake.bulkhead()->snapshot().active, 0);
  EXPECT_EQ(intake.bulkhead()->snapshot().queued, 0);
  EXPECT_EQ(intake.bulkhead()->snapshot().completed, 1) << "only the first ran";
}

TEST(IntakeTest, WhatAMethodLacksItsChannelGivesUnlessItIsOff) {
  auto make = [] {
    return Intake(std::make_shared<Throttle>(ThrottleOptions{}, 1, Time{}),
                  std::make_shared<RateLimit>(RateLimitOptions{}, Time{}),
                  std::make_shared<Bulkhead>(BulkheadOptions{}));
  };
  const Intake channel = make();
  const Intake own = make();
  IntakeOptions off;
  off.no_throttle = off.no_rate_limit = off.no_bulkhead = true;
  auto expect = [](const Intake& got, const Intake& want) {
    EXPECT_EQ(got.throttle(), want.throttle());
    EXPECT_EQ(got.rate_limit(), want.rate_limit());
    EXPECT_EQ(got.bulkhead(), want.bulkhead());
  };
  expect(own.Or(channel, {}), own);
  expect(Intake{}.Or(channel, {}), channel);
  expect(Intake{}.Or(channel, off), Intake{});
}

TEST(IntakeTest, WhatAnEndSaysOfTheServer) {
  using Code = absl::StatusCode;
  using A = Attribution;
  EXPECT_EQ(Intake::VerdictOf(Code::kOk, A::kSuccess), Verdict::kAccepted);
  EXPECT_EQ(Intake::VerdictOf(Code::kUnavailable, A::kSuccess),
            Verdict::kAccepted);
  EXPECT_EQ(Intake::VerdictOf(Code::kInternal, A::kServerFailure),
            Verdict::kAccepted);
  EXPECT_EQ(Intake::VerdictOf(Code::kUnavailable, A::kServerFailure),
            Verdict::kRefused);
  // The same whether gRPC ends a guarded call or we end a driven one.
  for (const A who : {A::kSuccess, A::kServerFailure, A::kTransportFailure,
                      A::kIgnored, A::kDeadlineTooShort}) {
    EXPECT_EQ(Intake::VerdictOf(Code::kDeadlineExceeded, who),
              Verdict::kUnknown);
  }
  EXPECT_EQ(Intake::VerdictOf(Code::kResourceExhausted, A::kOverload),
            Verdict::kRefused);
  EXPECT_EQ(Intake::VerdictOf(Code::kCancelled, A::kCancelledByCaller),
            Verdict::kUnknown);
  EXPECT_EQ(Intake::VerdictOf(Code::kUnavailable, A::kNotSent),
            Verdict::kNotSent);
  EXPECT_EQ(Intake::VerdictOf(Code::kUnavailable, A::kLocalError),
            Verdict::kNotSent);
  // It may have been the reply that was too long.
  EXPECT_EQ(Intake::VerdictOf(Code::kResourceExhausted, A::kLocalError),
            Verdict::kUnknown);
}

}  // namespace
}  // namespace firebreak::core
