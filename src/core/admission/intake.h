// What a call passes once, before its first attempt: throttle, rate limit,
// bulkhead.
//
//   Intake::Step step = visit.Begin(&intake, now, deadline, expected);
//   while (step.kind == Intake::Step::Kind::kWait) {
//     ... at step.until, or when `waiter` is told of its place ...
//     step = visit.Continue(waiter, now);
//   }
//   if (step.kind == Intake::Step::Kind::kOut) return Reject(step.refusal);
//   ... the call runs ...
//   visit.End(Intake::Verdict::kAccepted, now);
//
// One of each at most, and each may be shared by several methods. In this
// order, since a throttled call should not cost a token, nor one that waits for
// its token a place. What one refuses, those before it give back: the token is
// there again for the next call, and the throttle has not counted it.
//
// Waits are bounded twice. A token may be waited for rate_limit.max_wait, a
// place bulkhead.max_wait; and nothing is waited for longer than until
// deadline - expected, `expected` being what the call itself will take: a wait
// that leaves no time for the answer is work for nobody. A wait that ends by
// max_wait is RESOURCE_EXHAUSTED, one that ends by the deadline is
// DEADLINE_EXCEEDED, and one that cannot end well does not begin.
//
// Thread safety: an Intake is safe from any thread, a Visit is its call's own.
// Ownership: the intake outlives its visits and their waiters. A Visit that is
// dropped, wherever it is, gives back what it holds and waits no more.
#ifndef FIREBREAK_SRC_CORE_ADMISSION_INTAKE_H_
#define FIREBREAK_SRC_CORE_ADMISSION_INTAKE_H_

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "src/core/admission/bulkhead.h"
#include "src/core/admission/rate_limit.h"
#include "src/core/admission/throttle.h"
#include "src/core/base/outcome.h"
#include "src/core/base/reason.h"
#include "src/core/base/time.h"

namespace firebreak::core {

class Intake {
 public:
  // Why a call was turned away.
  struct Refusal {
    absl::StatusCode code = absl::StatusCode::kOk;
    Reason reason = Reason::kNone;
    // When to come back; zero when nobody knows.
    Duration retry_after = Duration::zero();
    // Of the wait that would have been needed, or that was in vain.
    Duration wait = Duration::zero();
    // Of the bulkhead, where that is the reason.
    int in_use = 0;
    int queued = 0;
  };

  struct Step {
    enum class Kind { kIn, kWait, kOut };
    Kind kind = Kind::kIn;
    Time until = kInfiniteFuture;  // of kWait: when to ask again at the latest
    Refusal refusal;               // of kOut
  };

  // How a call that got in has ended.
  enum class Verdict {
    kAccepted,  // the server took it on, whatever it answered
    kRefused,   // the server turned it away
    kUnknown,   // sent, and nobody knows: cancelled, abandoned
    kNotSent,   // no server has seen it: as if it had never come
  };
  // UNAVAILABLE is what servers shed load with, beside RESOURCE_EXHAUSTED.
  // After DEADLINE_EXCEEDED nobody knows, whoever said it: neither a server
  // that took a call on and was slow nor one that let it rot has answered.
  // What this process's gRPC failed has met no server, but for a message over a
  // limit: that may have been the reply.
  static Verdict VerdictOf(absl::StatusCode code, Attribution attribution);

  Intake() = default;
  Intake(std::shared_ptr<Throttle> throttle,
         std::shared_ptr<RateLimit> rate_limit,
         std::shared_ptr<Bulkhead> bulkhead)
      : throttle_(std::move(throttle)),
        rate_limit_(std::move(rate_limit)),
        bulkhead_(std::move(bulkhead)) {}

  // One of `options`. A part that this one has as well goes on with its state:
  // the same bulkhead and throttle, the rate limit's tokens. `let_in`: as
  // Bulkhead::SetOptions().
  Intake With(const IntakeOptions& options, uint64_t seed, Time now,
              std::vector<std::shared_ptr<Bulkhead::Waiter>>* let_in) const;
  // Takes from `other` what this one has not, but for what `off` switches off.
  Intake Or(const Intake& other, const IntakeOptions& off) const;

  // Null where there is none.
  Throttle* throttle() const { return throttle_.get(); }
  RateLimit* rate_limit() const { return rate_limit_.get(); }
  Bulkhead* bulkhead() const { return bulkhead_.get(); }
  bool empty() const {
    return throttle_ == nullptr && rate_limit_ == nullptr &&
           bulkhead_ == nullptr;
  }

 private:
  std::shared_ptr<Throttle> throttle_;
  std::shared_ptr<RateLimit> rate_limit_;
  std::shared_ptr<Bulkhead> bulkhead_;
};

// One call's way through an intake.
class Visit {
 public:
  using Step = Intake::Step;

  Visit() = default;
  Visit(Visit&& other) noexcept { *this = std::move(other); }
  Visit& operator=(Visit&& other) noexcept;
  ~Visit() { End(Intake::Verdict::kNotSent, seen_); }

  // Once. Allocates nothing. kWait: nothing is waited for yet, but for the
  // token's time; Continue() joins the queue.
  Step Begin(const Intake* intake, Time now, Time deadline, Duration expected);
  // At `until`, on OnPlace(), and at any time between: each time with the same
  // waiter.
  Step Continue(const std::shared_ptr<Bulkhead::Waiter>& waiter, Time now);
  // Instead: a deadline has passed that Begin() was not told of. kOut.
  Step GiveUp(Time now) {
    return Out(absl::StatusCode::kDeadlineExceeded, Reason::kDeadlineExceeded,
               now);
  }
  // Gives the place back, and tells the throttle. Before it got in: the caller
  // wants it no more, so it leaves the queue and gives everything back. Again:
  // nothing. The next waiter is told of its place.
  void End(Intake::Verdict verdict, Time now);

 private:
  enum class Stage { kOutside, kForToken, kAtDoor, kInQueue, kInside };

  Step TakeToken(Time now);
  Step Enter(const std::shared_ptr<Bulkhead::Waiter>& waiter, Time now);
  Step GetIn(Time now);
  Step Out(absl::StatusCode code, Reason reason, Time now);

  const Intake* intake_ = nullptr;
  Stage stage_ = Stage::kOutside;
  RateLimit::Turn turn_;  // ours: there is a token to give back
  bool has_place_ = false;
  bool ends_by_deadline_ =
      false;  // the wait in the queue, rather than max_wait
  // Of the queue. Weak, since the waiter may be what keeps the visit.
  std::weak_ptr<Bulkhead::Waiter> waiter_;
  Time seen_;  // the latest `now`
  Time deadline_;
  Duration expected_ = Duration::zero();
  Time began_;    // to wait
  Time give_up_;  // the wait that is under way
};

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_ADMISSION_INTAKE_H_
