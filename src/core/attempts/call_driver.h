// One call's state machine: retry and hedging together, events in, actions out.
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
// finishes; it holds its own lock while it asks, and none while it acts.
//
// What it decides, in the order it asks:
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
// How long it waits, and what earlier retries have to say, is retry_pacer.h.
// What a limit stops is only the extra attempt: those in flight go on, and when
// none is left the call ends with the last real status and the reason beside
// it. A call's first hedge leaves the lower half of the budget alone, and a
// hedge that finds no token asks again when the call has waited as long once
// more: it is the slowest calls that gain most from one. With only `retry` set
// this is gRFC A6 retry, with only `hedging` A6 hedging; with both they share
// max_attempts.
//
// The call finishes exactly once: on the first OK, the first fatal status, the
// last failure, the caller's cancel or the deadline. Then every attempt still
// in flight is cancelled and settled (superseded, cancelled by the caller, or
// failed at the deadline), and its real end, when it comes, changes nothing. A
// fallback, when there is one, is asked before a failure is handed out, unless
// the caller cancelled or the deadline has passed; and one that has not begun
// within kFallbackPatience is given up.
//
// Thread safety: none; the host serializes. Ownership: everything the Plan
// points to outlives the driver. A driver that is destroyed before it finished
// settles all as abandoned.
#ifndef FIREBREAK_SRC_CORE_ATTEMPTS_CALL_DRIVER_H_
#define FIREBREAK_SRC_CORE_ATTEMPTS_CALL_DRIVER_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "src/core/admission/intake.h"
#include "src/core/attempts/attempt_budget.h"
#include "src/core/attempts/retry_estimator.h"
#include "src/core/attempts/retry_pacer.h"
#include "src/core/base/outcome.h"
#include "src/core/base/reason.h"
#include "src/core/base/rng.h"
#include "src/core/base/time.h"
#include "src/core/breaker/breaker.h"
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
    MethodStats* stats = nullptr;
    // What the method takes, to learn from and to add to. May be null: then
    // live hedge delays are at their maximum, and there is no deadline gate.
    LatencyModel* latency = nullptr;
    // What earlier retries of the method teach; null for nothing.
    RetryEstimator* estimator = nullptr;
    // Of the call, the policy's timeout already counted in.
    Time deadline = kInfiniteFuture;
    bool has_fallback = false;
    uint64_t seed = 0;  // of this call's jitter
  };

  // How long a caller that has a failure to look at waits for somebody to begin
  // the fallback: what has not by then is most likely stuck behind others that
  // hang. No peer has such a bound; theirs run where they are asked.
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
    // The attempt whose result the caller gets, or kNoAttempt: then `code` is
    // ours, or the fallback's reply when `from_fallback`.
    int attempt = kNoAttempt;
    absl::StatusCode code = absl::StatusCode::kOk;
    bool from_fallback = false;
    // Why the call ended here; kNone when a server simply answered.
    Reason reason = Reason::kNone;
    // For refusals: when to come back.
    Duration retry_after = Duration::zero();
  };

  // What became of an attempt, for who asks afterwards.
  struct Attempt {
    int target = 0;
    AttemptKind kind = AttemptKind::kFirst;
    Time started;
    Time deadline;
    // Below: once it is settled. A loser is when another attempt decides.
    bool settled = false;
    Time ended;
    absl::StatusCode code = absl::StatusCode::kOk;  // of its own answer
    Attribution attribution = Attribution::kAbandoned;
    // Why no further attempt followed it, neither for its failure nor as a
    // hedge; kNone when one did, or when there was nothing to decide.
    Reason stopped = Reason::kNone;
    // How its failure was weighed. Absent when there was nothing to weigh: it
    // did not fail, its code ends the call, or attempts were used up.
    absl::optional<RetryPace> pace;
  };

  // An ended attempt whose verdict is the host's affair.
  struct Unjudged {
    Permit permit;
    Verdict by_default = Verdict::kNeutral;
  };

  // To be performed in the order of the members.
  struct Actions {
    absl::InlinedVector<int, 2> cancel;
    absl::InlinedVector<Launch, 2> launch;
    // Ask the fallback, then report to OnFallbackEnd(). `finish` below is what
    // the caller gets if it fails; it is not to be performed yet.
    bool run_fallback = false;
    absl::optional<Finish> finish;
  };

  explicit CallDriver(const Plan& plan);
  ~CallDriver();
  CallDriver(const CallDriver&) = delete;
  CallDriver& operator=(const CallDriver&) = delete;

  // The call is there and waits to be let in; counted from now on. Start() or
  // TurnAway() follows. Optional.
  void Arrive(Time now) {
    if (std::exchange(arrived_, true)) return;
    started_ = now;
    plan_.stats->OnCallStarted();
  }
  // Once, and first, unless the caller cancelled before.
  Actions Start(Time now);
  // Instead: it is not let in. The fallback is asked as ever.
  Actions TurnAway(absl::StatusCode code, const Refusal& refusal, Time now);
  // Every launched attempt is reported once, cancelled ones included.
  Actions OnAttemptEnd(int n, const AttemptEnd& end, Time now);
  // At wake_at() or later; earlier does nothing. `is_judged_later`: as for an
  // attempt's end, of those that the call's deadline ends.
  Actions OnTimer(Time now, bool is_judged_later = false);
  // Right after either: the attempts that the host now settles. Those that said
  // nothing of the server are not among them.
  std::vector<Unjudged> TakeUnjudged() { return std::move(unjudged_); }
  // The caller has been given the beginning of attempt n's answer, as its
  // initial metadata: no other can take its place any more (gRFC A6 calls the
  // call committed then).
  Actions OnCommit(int n, Time now);
  // At any time, also before Start() and after the end.
  Actions OnCallerCancel(Time now);
  // The same, of a deadline that is not the plan's: the parent call's.
  Actions OnCallersDeadline(Time now, bool is_judged_later = false);
  // Somebody is about to run it. False: it is too late for that.
  bool OnFallbackBegin();
  Actions OnFallbackEnd(bool ok, Time now);

  // What the call, which ended with `finish`, says of the server to its intake:
  // the word of the attempt that decided, or else of the last that a server can
  // have seen. So a call is unsent only when all its attempts are.
  Intake::Verdict VerdictOf(const Finish& finish) const;
  // Who is to blame for an end of attempt `n`, as OnAttemptEnd() would say now.
  Attribution Judge(int n, AttemptEnd end, Time now) const;

  // When to call OnTimer(); kInfiniteFuture for never.
  Time wake_at() const;
  bool finished() const { return state_ == State::kDone; }
  bool is_in_fallback() const { return state_ == State::kFallback; }
  int in_flight() const { return in_flight_; }
  int launched() const { return static_cast<int>(attempts_.size()); }
  // 0 <= n < launched().
  const Attempt& attempt(int n) const {
    return attempts_[static_cast<size_t>(n)].facts;
  }

 private:
  enum class State { kIdle, kRunning, kFallback, kDone };
  struct Flight {
    Permit permit;
    Attempt facts;
    // Of a retry: the failure it was made after.
    absl::StatusCode after = absl::StatusCode::kOk;
  };

  // Launches on the best target that admits; the refusal with the shortest
  // wait when none does.
  absl::optional<Refusal> TryLaunch(AttemptKind kind, Time now,
                                    Actions* actions);
  absl::optional<Refusal> TryTarget(int target, AttemptKind kind, Time now,
                                    Actions* actions);
  bool IsUnused(int target) const;
  // May this end be followed by another attempt at all?
  bool LeavesRoom(const AttemptEnd& end, Attribution attribution) const;
  // Why nothing more may follow a failure now, or kNone and it is scheduled.
  Reason ScheduleNext(const AttemptEnd& end, Attempt* failed, Time now);
  // The refusal with the shortest wait when all targets would refuse at `at`.
  absl::optional<Refusal> WouldRefuse(Time now, Time at) const;
  void ArmHedge(Time now);
  // Why no hedge may be sent now, or kNone and it is paid for.
  Reason PayForHedge(Time now);
  // False when there is no time left to ask again in.
  bool PostponeHedge(Time now);
  void FireNext(Time now, Actions* actions);
  void Settle(Flight* flight, absl::StatusCode code, Attribution attribution,
              Verdict verdict, Time now);
  // By its own end, or by one that we make up for it.
  Attribution SettleAnswered(int n, const AttemptEnd& end, Time now);
  // Those still in flight, and cancels them. `winner`: the attempt that
  // answered, or kNoAttempt.
  void SettleAll(absl::StatusCode code, Attribution attribution, int winner,
                 Time now, Actions* actions);
  bool AnyInFlight() const { return in_flight_ > 0; }
  void EndAtDeadline(bool is_judged_later, Time now, Actions* actions);
  // The end, unless a fallback can still turn it.
  void End(const Finish& finish, Time now, Actions* actions);
  void EndFallback(bool ok, Time now, Actions* actions);
  void Close(const Finish& finish, Time now, Actions* actions);
  void DropNext();

  const Plan plan_;
  Rng rng_;
  RetryPacer pacer_;
  State state_ = State::kIdle;
  CallAges::Call age_;  // from the first attempt to the decision
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
  bool may_hedge_ = false;
  bool is_committed_ = false;
  bool callers_deadline_passed_ = false;

  int last_failure_ = Finish::kNoAttempt;
  absl::StatusCode last_code_ = absl::StatusCode::kOk;
  // While the fallback runs, or waits to.
  Finish failed_;
  Time begin_by_ = kInfiniteFuture;  // infinite once it has begun
};

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_ATTEMPTS_CALL_DRIVER_H_
