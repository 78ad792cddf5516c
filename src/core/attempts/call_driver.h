// The state machine of one call: retry and hedging together. Events go in,
// actions come out.
//
//   CallDriver driver(plan);
//   Perform(driver.Start(now));                 // launches attempt 0
//   ...
//   Perform(driver.OnAttemptEnd(0, end, now));  // the host reports every end
//   Perform(driver.OnTimer(now));               // at or after driver.wake_at()
//   Perform(driver.OnCallerCancel(now));
//
// The driver owns no thread, timer, clock, socket or random source, so the code
// that runs in production is the code that is tested in virtual time, fuzzed
// and simulated. The host launches, cancels, arms one timer for `wake_at()` and
// finishes. It holds its own lock while it asks the driver, and no lock while
// it acts.
//
// What it decides, in this order:
//   first attempt   deadline still ahead · the deadline gate, if it is for
//                   first attempts · a target whose breaker admits
//   after failure   the code is retryable · attempts left · no negative
//                   pushback · it may run twice, or has not run · the wait
//                   ends before the deadline · the deadline gate, for the time
//                   that is left by then · a breaker that would admit by then ·
//                   the throttle · retries help after such a failure · a token
//                   of the budget
//   hedge timer     attempts left · deadline · not slower than usual
//                   (hedging.h) · the deadline gate · throttle · budget · a
//                   breaker that admits hedges (breaker.h) and is not strained
// retry_pacer.h decides how long it waits, and what follows from earlier
// retries. A limit stops only the further attempt: those in flight go on, and
// when none is left, the call ends with the last status of a server and the
// reason beside it. The first hedge of a call takes no token from the lower
// half of the budget, and a hedge that finds no token asks again when the call
// has waited twice as long, since the slowest calls gain most. With only
// `retry` this is the retry of gRFC A6, and with only `hedging` its hedging;
// with both they share max_attempts.
//
// The call finishes exactly once: on the first OK, the first fatal status, the
// last failure, the caller's cancel or the deadline. Then every attempt that is
// still in flight is cancelled and settled (superseded, cancelled by the
// caller, or failed at the deadline), and its real end, when it comes, changes
// nothing. If there are fallbacks, they are asked before a failure is handed
// out, one after the other until one answers, unless the caller cancelled or
// the deadline has passed. One that has not begun within kFallbackPatience, or
// is not done within its own time, is given up, and the next one is asked.
//
// Thread safety: none; the host serializes. Ownership: everything that the Plan
// points to outlives the driver. A driver that is destroyed before it has
// finished settles its attempts as abandoned.
#ifndef FIREBREAK_SRC_CORE_ATTEMPTS_CALL_DRIVER_H_
#define FIREBREAK_SRC_CORE_ATTEMPTS_CALL_DRIVER_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "src/core/admission/admission_control.h"
#include "src/core/attempts/attempt_budget.h"
#include "src/core/attempts/retry_estimator.h"
#include "src/core/attempts/retry_pacer.h"
#include "src/core/base/outcome.h"
#include "src/core/base/reason.h"
#include "src/core/base/rng.h"
#include "src/core/base/time.h"
#include "src/core/breaker/breaker.h"
#include "src/core/measure/call_tape.h"
#include "src/core/measure/latency_model.h"
#include "src/core/measure/method_stats.h"
#include "src/core/options.h"

namespace firebreak::core {

class CallDriver {
 public:
  struct Plan {
    const MethodOptions* options = nullptr;
    // One breaker for each target, in the order of preference. At least one.
    absl::Span<Breaker* const> targets;
    AttemptBudget* budget = nullptr;
    // Null for a shadow: the other driver counts the calls and attempts.
    MethodStats* stats = nullptr;
    // The latency of the method, which is used and updated. May be null: then
    // hedge delays by quantile are at their maximum, and there is no deadline
    // gate.
    LatencyModel* latency = nullptr;
    // What earlier retries of the method have shown. May be null.
    RetryEstimator* estimator = nullptr;
    // The deadline of the call, the policy's timeout included.
    Time deadline = kInfiniteFuture;
    // For each fallback, in their order: how long it may take from when it is
    // asked. If infinite, it may take as long as the call has.
    absl::Span<const Duration> fallback_times;
    uint64_t seed = 0;  // for the jitter of this call
    // Whether another driver runs the call, and this one only works out what it
    // would do: see Follow().
    bool is_shadow = false;
  };

  // How long a failed call waits for its fallback to begin. One that has not
  // begun by then is most likely stuck behind others that hang. No other
  // library has such a limit; their fallbacks run on the thread that asks.
  static constexpr Duration kFallbackPatience = std::chrono::seconds(1);

  struct Launch {
    int attempt;  // 0, 1, ... in order of launch
    int target;   // index into Plan::targets
    AttemptKind kind;
    Time deadline;
    bool is_probe;
  };

  struct Finish {
    static constexpr int kNoAttempt = -1;
    // The attempt whose result the caller gets. With kNoAttempt, `code` is
    // firebreak's own or, with `from_fallback`, the reply is the fallback's.
    int attempt = kNoAttempt;
    absl::StatusCode code = absl::StatusCode::kOk;
    bool from_fallback = false;
    // Why the call ended here; kNone if a server simply answered.
    Reason reason = Reason::kNone;
    // For a refused call: when to come back, and the epoch of the breaker.
    Duration retry_after = Duration::zero();
    uint64_t epoch = 0;
  };

  // The facts about an attempt, for reports.
  struct Attempt {
    int target = 0;
    AttemptKind kind = AttemptKind::kFirst;
    Time started;
    Time deadline;
    // The members below are set once it is settled. An attempt that loses is
    // settled when another one decides.
    bool settled = false;
    Time ended;
    absl::StatusCode code = absl::StatusCode::kOk;  // of its own answer
    Attribution attribution = Attribution::kAbandoned;
    // Why no further attempt followed it, neither a retry nor a hedge. kNone if
    // one followed, or if there was nothing to decide.
    Reason stopped = Reason::kNone;
    // How it was decided whether a retry should follow. Absent if there was
    // nothing to decide: it did not fail, its code ends the call, or all
    // attempts were used up.
    absl::optional<RetryPace> pace;
  };

  // What became of a fallback that was asked.
  enum class LinkEnd {
    kAnswered,
    kFailed,     // it had no answer
    kLate,       // it was not done within its time
    kNotBegun,   // no thread was free to run it
    kAbandoned,  // the call was over before it was done
  };
  struct Link {
    Time asked;
    Time ended;  // set with `end`, which is kAbandoned until then
    LinkEnd end = LinkEnd::kAbandoned;
  };

  // An ended attempt whose verdict the host decides, by a classifier.
  struct Unjudged {
    Permit permit;
    Verdict by_default = Verdict::kNeutral;
  };

  // To be performed in the order of the members.
  struct Actions {
    absl::InlinedVector<int, 2> cancel;
    absl::InlinedVector<Launch, 2> launch;
    // Ask this fallback, and report its end to OnLinkEnd(). `finish` below is
    // what the caller gets if all fail; do not perform it yet.
    absl::optional<int> ask_link;
    absl::optional<Finish> finish;
  };

  explicit CallDriver(const Plan& plan);
  ~CallDriver();
  CallDriver(const CallDriver&) = delete;
  CallDriver& operator=(const CallDriver&) = delete;

  // The call has come and waits for admission; it counts from now on. Start()
  // or TurnAway() follows. Calling this is optional.
  void Arrive(Time now) {
    if (std::exchange(arrived_, true)) return;
    started_ = now;
    Count(&MethodStats::OnCallStarted);
  }
  // Begins the call. To be called once and first, unless the caller cancelled
  // before.
  Actions Start(Time now);
  // Instead of Start(): the call is not admitted. The fallback is asked.
  Actions TurnAway(absl::StatusCode code, const Refusal& refusal, Time now);
  // Attempt n has ended. Each launched attempt is reported once, cancelled ones
  // included.
  Actions OnAttemptEnd(int n, const AttemptEnd& end, Time now);
  // The timer has fired, at wake_at() or later; earlier it does nothing.
  // `is_judged_later` is as for an attempt's end, and holds for the attempts
  // that end by the call's deadline.
  Actions OnTimer(Time now, bool is_judged_later = false);
  // The attempts that the host has to settle. Call this right after
  // OnAttemptEnd(), OnTimer() or OnCallersDeadline(). Ends that say nothing are
  // not among them.
  std::vector<Unjudged> TakeUnjudged() { return std::move(unjudged_); }
  // The caller has received the beginning of attempt n's answer, for instance
  // its initial metadata. No other attempt can replace it after that (gRFC A6
  // calls such a call committed).
  Actions OnCommit(int n, Time now);
  // The caller cancelled. May be called at any time, even before Start().
  Actions OnCallerCancel(Time now);
  // A deadline has passed that is not in the plan: that of the parent call.
  Actions OnCallersDeadline(Time now, bool is_judged_later = false);
  // A thread is about to run fallback `link`. False if it is too late for that.
  bool OnLinkBegin(int link);
  // Fallback `link` has ended. If it was given up before, nothing changes.
  Actions OnLinkEnd(int link, bool ok, Time now);
  // No thread will run fallback `link`.
  Actions OnLinkNotBegun(int link, Time now);

  // The next functions are for a shadow, which is told the same events but
  // launches nothing by itself. It records no latency and applies no deadline
  // gate: the other driver does both.
  //
  // The other driver has launched an attempt of this kind. If this one has such
  // an attempt planned, and the target admits it, it launches its own. With
  // kFirst this begins the call.
  Actions Follow(AttemptKind kind, int target, Time now);
  // Called instead of Follow(kFirst): the first attempt was launched to target
  // 0 with this permit, and the budget has counted the call. `hedge_at` is what
  // HedgeAt() was then (hedging.h); kInfiniteFuture for never. So a call that
  // ends before anything else happens needs no driver.
  void Adopt(Permit permit, Time launched, Time hedge_at);
  // Whether it would have launched that attempt to another target. What would
  // have become of the call after that is not known, so the driver is of no
  // more use.
  bool is_elsewhere() const { return is_elsewhere_; }
  // Drops a hedge that is due, or a retry that is planned. Returns whether it
  // would have been sent. If so, its token stays spent; if not, it is refunded.
  bool ForgoHedge(Time now);
  bool ForgoRetry(Time now);

  // What a call that ended with `finish` says about the server, for admission
  // control. It is what the attempt that decided says, or otherwise the last
  // attempt that a server may have seen. So a call counts as not sent only if
  // none of its attempts was sent.
  AdmissionControl::Verdict VerdictOf(const Finish& finish) const;
  // The facts about a call that ended with `finish`, as a CallTape has them.
  CallTape::Call CallFacts(const Finish& finish, Time now) const;
  CallTape::Attempt AttemptFacts(int n, const Finish& finish) const;
  // The attribution of an end of attempt `n`, as OnAttemptEnd() would decide
  // now.
  Attribution Judge(int n, AttemptEnd end, Time now) const;

  // When to call OnTimer(); kInfiniteFuture for never.
  Time wake_at() const;
  uint64_t seed() const { return plan_.seed; }
  bool finished() const { return state_ == State::kDone; }
  // The fallbacks that were asked, in their order.
  absl::Span<const Link> links() const { return links_; }
  // The fallback that is being asked, if any.
  absl::optional<int> link_in_flight() const {
    if (state_ != State::kFallback) return absl::nullopt;
    return static_cast<int>(links_.size()) - 1;
  }
  int in_flight() const { return in_flight_; }
  int launched() const { return static_cast<int>(attempts_.size()); }
  // 0 <= n < launched().
  const Attempt& attempt(int n) const {
    return attempts_[static_cast<size_t>(n)].facts;
  }

 private:
  enum class State { kIdle, kRunning, kFallback, kDone };

  template <class... Facts>
  void Count(void (MethodStats::*note)(Facts...), Facts... facts) {
    if (plan_.stats != nullptr) (plan_.stats->*note)(facts...);
  }
  struct Flight {
    Permit permit;
    Attempt facts;
    // For a retry: the failure before it.
    absl::StatusCode after = absl::StatusCode::kOk;
  };

  // Launches an attempt to the best target that admits it. Returns the refusal
  // with the shortest wait if none does.
  absl::optional<Refusal> TryLaunch(AttemptKind kind, Time now,
                                    Actions* actions);
  absl::optional<Refusal> TryTarget(int target, AttemptKind kind, Time now,
                                    Actions* actions);
  void Fly(Permit permit, int target, AttemptKind kind, Time deadline,
           Time now);
  bool IsUnused(int target) const;
  Hedge HedgeTo(int target, AttemptKind kind) const;
  // Whether another attempt may follow this end at all.
  bool LeavesRoom(const AttemptEnd& end, Attribution attribution) const;
  // Schedules the next attempt and returns kNone, or returns why none may
  // follow.
  Reason ScheduleNext(const AttemptEnd& end, Attempt* failed, Time now);
  // The refusal with the shortest wait if all targets would refuse at `at`.
  absl::optional<Refusal> WouldRefuse(Time now, Time at) const;
  void ArmHedge(Time now);
  // Takes a token for a hedge and returns kNone, or returns why none may be
  // sent.
  Reason PayForHedge(Time now);
  // False if there is no time left to ask again.
  bool PostponeHedge(Time now);
  void FireNext(Time now, Actions* actions);
  void Settle(Flight* flight, absl::StatusCode code, Attribution attribution,
              Verdict verdict, Time now);
  // Settles an attempt by its own end, or by one that stands in for it.
  Attribution SettleAnswered(int n, const AttemptEnd& end, Time now);
  // Settles and cancels the attempts that are still in flight. `winner` is the
  // attempt that answered, or kNoAttempt.
  void SettleAll(absl::StatusCode code, Attribution attribution, int winner,
                 Time now, Actions* actions);
  bool AnyInFlight() const { return in_flight_ > 0; }
  void EndAtDeadline(bool is_judged_later, Time now, Actions* actions);
  // Ends the call, or asks the fallbacks first.
  void End(const Finish& finish, Time now, Actions* actions);
  void AskNextLink(Time now, Actions* actions);
  void EndLink(int link, LinkEnd end, Time now, Actions* actions);
  void Close(const Finish& finish, Time now, Actions* actions);
  void CountEnd(const Finish& finish, Time now);
  void DropNext();
  bool IsWorthTrying(Duration left, Time now) const;
  CallEnd EndOf(const Finish& finish) const;
  void Write(CallTape* tape, const CallTape::Call& call,
             const Finish& finish) const;
  // What is decided after attempt `failed`, and beside attempt `beside`, for
  // MethodStats::decisions. See call_driver_notes.cc.
  void NoteRetry(int failed, Reason stop, Time now);
  void NoteHedge(int beside, Reason stop, Time now);
  std::string WhyStopped(Reason reason, const Attempt& last, Time now) const;

  const Plan plan_;
  Rng rng_;
  RetryPacer pacer_;
  State state_ = State::kIdle;
  CallAges::Call age_;  // in flight from the first attempt to the decision
  bool arrived_ = false;
  Time started_;
  std::vector<Unjudged> unjudged_;
  absl::InlinedVector<Flight, 2> attempts_;
  int in_flight_ = 0;

  // The next extra attempt, if one is planned.
  struct Next {
    Time at = kInfiniteFuture;
    AttemptKind kind = AttemptKind::kRetry;  // a retry has its token already
    absl::StatusCode after = absl::StatusCode::kOk;
  };
  Next next_;
  // A shadow launches to this target only, and only once.
  static constexpr int kNobody = -1;
  int followed_ = kNobody;
  bool is_elsewhere_ = false;
  bool may_hedge_ = false;
  bool is_committed_ = false;
  bool callers_deadline_passed_ = false;

  int last_failure_ = Finish::kNoAttempt;
  absl::StatusCode last_code_ = absl::StatusCode::kOk;
  // The result of the call if all fallbacks fail.
  Finish failed_;
  absl::InlinedVector<Link, 1> links_;
  Time begin_by_ = kInfiniteFuture;  // infinite once it has begun
  Time link_until_ = kInfiniteFuture;
};

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_ATTEMPTS_CALL_DRIVER_H_
