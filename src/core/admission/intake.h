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
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "src/core/admission/bulkhead.h"
#include "src/core/admission/policy_state.h"
#include "src/core/admission/rate_limit.h"
#include "src/core/admission/throttle.h"
#include "src/core/base/field.h"
#include "src/core/base/outcome.h"
#include "src/core/base/reason.h"
#include "src/core/base/time.h"

namespace firebreak::core {

// Admission: what a call passes once, before its first attempt.
struct IntakeOptions {
  absl::optional<BulkheadOptions> bulkhead;
  absl::optional<RateLimitOptions> rate_limit;
  absl::optional<ThrottleOptions> throttle;
  // The method switches these off, whatever its channel has.
  bool no_bulkhead = false;
  bool no_rate_limit = false;
  bool no_throttle = false;

  // Each policy, with its name in the language and whether it is switched off:
  // visit(name, optional<Options>*, bool*). What is for all of them, such as
  // reading, checking and showing, goes through it. See
  // Intake::ForEachPolicy().
  template <class Visitor>
  void VisitParts(Visitor visit);
  void Check(const std::string& path, FieldErrors* errors) const;
};

class Intake {
 public:
  using Refusal = AdmissionRefusal;

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

  // The list of the admission policies:
  //
  //   visit(name in the language, &Intake::part_, &IntakeOptions::options,
  //         &IntakeOptions::no_part)
  //
  // A policy that decides at once needs no other line than this one: see
  // policy_state.h. One that makes calls wait has a stage of its Visit, too.
  // The metrics come in this order.
  template <class Visitor>
  static void ForEachPolicy(Visitor visit) {
    visit("bulkhead", &Intake::bulkhead_, &IntakeOptions::bulkhead,
          &IntakeOptions::no_bulkhead);
    visit("rate_limit", &Intake::rate_limit_, &IntakeOptions::rate_limit,
          &IntakeOptions::no_rate_limit);
    visit("throttle", &Intake::throttle_, &IntakeOptions::throttle,
          &IntakeOptions::no_throttle);
  }
  // Each part that this intake has: visit(name, part*).
  template <class Visitor>
  void ForEachPart(Visitor visit) const {
    ForEachPolicy([&](const char* name, auto part, auto, auto) {
      if (this->*part) visit(name, (this->*part).get());
    });
  }
  // What each kind of part measures: visit(name, Measures).
  template <class Visitor>
  static void ForEachKind(Visitor visit) {
    ForEachPolicy([&](const char* name, auto part, auto, auto) {
      using Pointer = std::decay_t<decltype(std::declval<Intake>().*part)>;
      visit(name, Pointer::element_type::Kinds());
    });
  }
  // Whether a call may have to wait here.
  bool MayMakeWait() const;
  // Whether one of its parts refuses calls for this reason.
  bool MayRefuse(Reason reason) const;
  // What the part that has refused a call says of it; "" where none has.
  std::string Explain(const Refusal& refusal) const;

  // Null if there is none.
  Throttle* throttle() const { return throttle_.get(); }
  RateLimit* rate_limit() const { return rate_limit_.get(); }
  Bulkhead* bulkhead() const { return bulkhead_.get(); }
  bool empty() const {
    bool has_any = false;
    ForEachPart([&](const char*, auto*) { has_any = true; });
    return !has_any;
  }

 private:
  std::shared_ptr<Throttle> throttle_;
  std::shared_ptr<RateLimit> rate_limit_;
  std::shared_ptr<Bulkhead> bulkhead_;
};

template <class Visitor>
void IntakeOptions::VisitParts(Visitor visit) {
  Intake::ForEachPolicy([&](const char* name, auto, auto options, auto off) {
    visit(name, &(this->*options), &(this->*off));
  });
}

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
