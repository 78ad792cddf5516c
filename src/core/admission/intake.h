// Admission: what a call passes once, before its first attempt. That is the
// throttle, the rate limit and the bulkhead.
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
// There is at most one of each, and several methods may share them. They are
// asked in this order, since a throttled call should not take a token, and a
// call that waits for its token should not take a place. If one of them refuses
// the call, those before it get back what the call has taken: the token is
// there for the next call, and the throttle has not counted it.
//
// Waits have two limits. A call waits for a token up to rate_limit.max_wait,
// and for a place up to bulkhead.max_wait. And it never waits longer than until
// deadline - expected, where `expected` is how long the call itself will take:
// after a longer wait there would be no time for the answer. A call whose wait
// ends by max_wait is RESOURCE_EXHAUSTED, and one whose wait ends by the
// deadline is DEADLINE_EXCEEDED. A wait that would certainly end so does not
// begin.
//
// Thread safety: an Intake is safe from any thread; a Visit belongs to its
// call.
// Ownership: the intake outlives its visits and their waiters. A Visit that is
// destroyed, in whatever stage, gives back what it holds and stops waiting.
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
#include "src/core/options.h"

namespace firebreak::core {

class Intake {
 public:
  // Why a call was refused.
  struct Refusal {
    absl::StatusCode code = absl::StatusCode::kOk;
    Reason reason = Reason::kNone;
    // When to come back; zero if that is not known.
    Duration retry_after = Duration::zero();
    // How long the wait would have been, or was.
    Duration wait = Duration::zero();
    // The state of the bulkhead, if that is the reason.
    int in_use = 0;
    int queued = 0;
  };

  struct Step {
    enum class Kind { kIn, kWait, kOut };
    Kind kind = Kind::kIn;
    Time until = kInfiniteFuture;  // for kWait: when to ask again at the latest
    Refusal refusal;               // for kOut
  };

  // How an admitted call has ended.
  enum class Verdict {
    kAccepted,  // the server accepted it, whatever it answered
    kRefused,   // the server refused it
    kUnknown,   // it was sent, and the rest is not known: cancelled, abandoned
    kNotSent,   // no server has seen it: as if it had never come
  };
  // Servers shed load with UNAVAILABLE as well as with RESOURCE_EXHAUSTED.
  // After DEADLINE_EXCEEDED it is not known whether the server accepted the
  // call: one that was slow and one that ignored it look the same. A call that
  // failed in this process's gRPC has not reached a server, except one with a
  // message over a limit: that may have been the reply.
  static Verdict VerdictOf(absl::StatusCode code, Attribution attribution);

  Intake() = default;
  Intake(std::shared_ptr<Throttle> throttle,
         std::shared_ptr<RateLimit> rate_limit,
         std::shared_ptr<Bulkhead> bulkhead)
      : throttle_(std::move(throttle)),
        rate_limit_(std::move(rate_limit)),
        bulkhead_(std::move(bulkhead)) {}

  // An intake with these options. A part that this intake has too keeps its
  // state: the same bulkhead and throttle, and the tokens of the rate limit.
  // `let_in`: as for Bulkhead::SetOptions().
  Intake With(const IntakeOptions& options, uint64_t seed, Time now,
              std::vector<std::shared_ptr<Bulkhead::Waiter>>* let_in) const;
  // This intake, with the parts of `other` that it lacks, except those that
  // `off` switches off.
  Intake Or(const Intake& other, const IntakeOptions& off) const;

  // Those of its parts, whoever they are from.
  IntakeOptions options() const;

  // Null if there is none.
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

// The way of one call through an intake.
class Visit {
 public:
  using Step = Intake::Step;

  Visit() = default;
  Visit(Visit&& other) noexcept { *this = std::move(other); }
  Visit& operator=(Visit&& other) noexcept;
  ~Visit() { End(Intake::Verdict::kNotSent, seen_); }

  // Begins; to be called once. It allocates nothing. After kWait the call waits
  // at most for the time of its token; Continue() joins the queue.
  Step Begin(const Intake* intake, Time now, Time deadline, Duration expected);
  // Goes on, at `until`, on OnPlace(), or at any time between; each time with
  // the same waiter.
  Step Continue(const std::shared_ptr<Bulkhead::Waiter>& waiter, Time now);
  // Instead of Continue(), when a deadline has passed that Begin() did not
  // know. The result is kOut.
  Step GiveUp(Time now) {
    return Out(absl::StatusCode::kDeadlineExceeded, Reason::kDeadlineExceeded,
               now);
  }
  // Ends the visit: gives the place back, and tells the throttle. A call that
  // was not admitted yet leaves the queue and gives everything back. A second
  // call of End() does nothing. The next waiter is told of its place.
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
  Time seen_;  // the latest `now`, for the destructor
  Time deadline_;
  Duration expected_ = Duration::zero();
  Time began_;    // when the present wait began
  Time give_up_;  // when the present wait ends
};

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_ADMISSION_INTAKE_H_
