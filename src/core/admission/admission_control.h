// The admission of a call, once, before its first attempt: the throttle, the
// rate limit and the bulkhead.
//
//   using Step = AdmissionControl::Step;
//   Step step = permit.Begin(&admission, now, deadline, expected);
//   if (step.kind == Step::Kind::kWait) step = permit.Continue(waiter, now);
//   while (step.kind == Step::Kind::kWait) {
//     ... at step.until, or when `waiter` gets its place ...
//     step = permit.Continue(waiter, now);
//   }
//   if (step.kind == Step::Kind::kRefused) return Reject(step.refusal);
//   ... the call runs ...
//   permit.End(AdmissionControl::Verdict::kAccepted, now);
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
// deadline is DEADLINE_EXCEEDED. A wait that is certain to end in either way
// does not begin.
//
// Thread safety: an AdmissionControl is safe from any thread; an
// AdmissionPermit belongs to its call. Ownership: an AdmissionControl outlives
// its permits and their waiters. An AdmissionPermit that is destroyed, in
// whatever stage, gives back what it holds and stops waiting.
#ifndef FIREBREAK_SRC_CORE_ADMISSION_ADMISSION_CONTROL_H_
#define FIREBREAK_SRC_CORE_ADMISSION_ADMISSION_CONTROL_H_

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

// The policies that admit a call, once, before its first attempt.
struct AdmissionOptions {
  absl::optional<BulkheadOptions> bulkhead;
  absl::optional<RateLimitOptions> rate_limit;
  absl::optional<ThrottleOptions> throttle;
  // The method switches these off, whatever its channel has.
  bool no_bulkhead = false;
  bool no_rate_limit = false;
  bool no_throttle = false;

  // Visits each policy, with its name in the policy language and whether it is
  // switched off: visit(name, optional<Options>*, bool*). Code that applies to
  // all policies, such as reading, checking and showing, uses it. See
  // AdmissionControl::ForEachPolicy().
  template <class Visitor>
  void VisitParts(Visitor visit);
  void Check(const std::string& path, FieldErrors* errors) const;
};

class AdmissionControl {
 public:
  using Refusal = AdmissionRefusal;

  struct Step {
    enum class Kind { kAdmitted, kWait, kRefused };
    Kind kind = Kind::kAdmitted;
    Time until = kInfiniteFuture;  // for kWait: when to ask again at the latest
    Refusal refusal;               // for kRefused
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

  AdmissionControl() = default;
  AdmissionControl(std::shared_ptr<Throttle> throttle,
                   std::shared_ptr<RateLimit> rate_limit,
                   std::shared_ptr<Bulkhead> bulkhead)
      : throttle_(std::move(throttle)),
        rate_limit_(std::move(rate_limit)),
        bulkhead_(std::move(bulkhead)) {}

  // Returns an AdmissionControl with these options. A part that this one has
  // too keeps its state: the same bulkhead and throttle, and the tokens of the
  // rate limit. `admitted` is as for Bulkhead::SetOptions().
  AdmissionControl With(
      const AdmissionOptions& options, uint64_t seed, Time now,
      std::vector<std::shared_ptr<Bulkhead::Waiter>>* admitted) const;
  // Returns this one together with the parts of `other` that it lacks, except
  // those that `off` switches off.
  AdmissionControl Or(const AdmissionControl& other,
                      const AdmissionOptions& off) const;

  // The options of its parts, from a method or a channel.
  AdmissionOptions options() const;

  // The list of the admission policies:
  //
  //   visit(name in the policy language, &AdmissionControl::part_,
  //         &AdmissionOptions::options, &AdmissionOptions::no_part)
  //
  // A policy that decides at once needs no other line than this one: see
  // policy_state.h. One that makes calls wait has a stage of its
  // AdmissionPermit, too. The metrics come in this order.
  template <class Visitor>
  static void ForEachPolicy(Visitor visit) {
    visit("bulkhead", &AdmissionControl::bulkhead_, &AdmissionOptions::bulkhead,
          &AdmissionOptions::no_bulkhead);
    visit("rate_limit", &AdmissionControl::rate_limit_,
          &AdmissionOptions::rate_limit, &AdmissionOptions::no_rate_limit);
    visit("throttle", &AdmissionControl::throttle_, &AdmissionOptions::throttle,
          &AdmissionOptions::no_throttle);
  }
  // Visits each part that it has: visit(name, part*).
  template <class Visitor>
  void ForEachPart(Visitor visit) const {
    ForEachPolicy([&](const char* name, auto part, auto, auto) {
      if (this->*part) visit(name, (this->*part).get());
    });
  }
  // Visits the measures of each kind of part: visit(name, Measures).
  template <class Visitor>
  static void ForEachKind(Visitor visit) {
    ForEachPolicy([&](const char* name, auto part, auto, auto) {
      using Pointer =
          std::decay_t<decltype(std::declval<AdmissionControl>().*part)>;
      visit(name, Pointer::element_type::Kinds());
    });
  }
  // Whether a call may have to wait here.
  bool MayMakeWait() const;
  // Whether one of its parts refuses calls for this reason.
  bool MayRefuse(Reason reason) const;
  // The explanation of the part that refused a call; "" if none did.
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
void AdmissionOptions::VisitParts(Visitor visit) {
  AdmissionControl::ForEachPolicy(
      [&](const char* name, auto, auto options, auto off) {
        visit(name, &(this->*options), &(this->*off));
      });
}

// The progress of one call through an AdmissionControl, and what it holds.
class AdmissionPermit {
 public:
  using Step = AdmissionControl::Step;

  AdmissionPermit() = default;
  AdmissionPermit(AdmissionPermit&& other) noexcept {
    *this = std::move(other);
  }
  AdmissionPermit& operator=(AdmissionPermit&& other) noexcept;
  ~AdmissionPermit() { End(AdmissionControl::Verdict::kNotSent, seen_); }

  // Called once. Allocates nothing. Returns kWait if the call has to wait for a
  // token or a place. Continue() is then called at once, since only that joins
  // the queue; while the token is still to come it returns kWait again.
  Step Begin(const AdmissionControl* admission, Time now, Time deadline,
             Duration expected);
  // Called after kWait: at `until`, on OnPlace(), or at any time before, always
  // with the same waiter.
  Step Continue(const std::shared_ptr<Bulkhead::Waiter>& waiter, Time now);
  // Whether it waits for a place, rather than for its token.
  bool is_queued() const { return stage_ == Stage::kInQueue; }
  // Called instead of Continue() when a deadline has passed that Begin() did
  // not know. Returns kRefused.
  Step GiveUp(Time now) {
    return Refuse(absl::StatusCode::kDeadlineExceeded,
                  Reason::kDeadlineExceeded, now);
  }
  // Ends the permit: frees the place, and reports to the throttle. A call that
  // was not admitted yet leaves the queue and gives everything back. A second
  // call of End() does nothing. The next waiter gets the place.
  void End(AdmissionControl::Verdict verdict, Time now) {
    if (admission_ != nullptr) GiveAllBack(verdict, now);
  }

 private:
  enum class Stage {
    kNotAsked,
    kWaitsForToken,
    kHasToken,
    kInQueue,
    kIsAdmitted
  };

  Step TakeToken(Time now);
  Step Enter(const std::shared_ptr<Bulkhead::Waiter>& waiter, Time now);
  Step Admit(Time now);
  Step Refuse(absl::StatusCode code, Reason reason, Time now);
  void GiveAllBack(AdmissionControl::Verdict verdict, Time now);

  // Null if there is nothing to give back.
  const AdmissionControl* admission_ = nullptr;
  Stage stage_ = Stage::kNotAsked;
  RateLimit::Turn turn_;  // `is_ours`: there is a token to give back
  bool has_place_ = false;
  bool ends_by_deadline_ =
      false;  // the wait in the queue, rather than max_wait
  // The waiter in the queue. Weak, since it may own the permit.
  std::weak_ptr<Bulkhead::Waiter> waiter_;
  Time seen_;  // the latest `now`, for the destructor
  Time deadline_;
  Duration expected_ = Duration::zero();
  Time began_;    // when the present wait began
  Time give_up_;  // when the present wait ends
};

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_ADMISSION_ADMISSION_CONTROL_H_
