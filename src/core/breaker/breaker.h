// A circuit breaker for one (channel, target, method).
//
//   Admission admission = breaker.Admit(now, attempt_deadline);
//   if (!admission.permit) return Reject(admission.refusal);
//   ... the attempt runs ...
//   admission.permit.Settle(Verdict::kFailure, now);
//
// States: CLOSED lets everything through and counts (trip_rules.h); OPEN
// refuses all but one attempt for each `probe_interval`, the canary, until one
// succeeds; HALF_OPEN lets a few probes through, the canary the first of them,
// and closes or reopens on their results (probation.h); RAMP, where the policy
// has one or the outage was long, lets an even share of the calls through that
// grows to all, and reopens when a trip rule holds over the calls since its
// start. Without a `probe_interval` OPEN refuses all until `probe_due`, and the
// first Admit() from then on makes the step to HALF_OPEN. A canary that fails
// is no change of state: there is one OPEN for each outage, with one event. Nor
// do canaries wait for each other, up to `probes` of them: one that hangs hides
// no server that is back. An operator can hold the breaker FORCED_OPEN
// or FORCED_CLOSED, which beats every timer, rule and mode. Without options, or
// with mode DISABLED, it admits all and counts nothing.
//
// In mode SHADOW it goes through the same states on the results of the calls it
// would have admitted, and admits the others too, on permits that count for
// nothing. It refuses only what an operator forces it to.
//
// A permit is a lease, stamped with an epoch:
//  - The epoch grows at every change of state, override and reset. A result
//    stamped with an older one is counted as stale and moves nothing, so calls
//    that started before a trip cannot decide a probe. Only from RAMP on to
//    CLOSED do results stay good: nothing was decided there that they missed.
//    But a success that comes too late shows how long calls take, and leases
//    are longer from then on; that of a probe taken for hung also lets the next
//    call look again at once.
//  - A probe's lease ends at now + probe_timeout (more where calls take longer:
//    probation.h), or a second after its deadline: until then the deadline's
//    status is awaited, which tells a target that hangs from a caller in a
//    hurry. A probe that has shown no sign of life by then has failed (it
//    hangs), and its slot is free; a result after that is stale. One that has
//    (NoteProgress, for streams) has succeeded; so has a stream that stays open
//    on a connection that is there (NoteConnected). One that was answered and
//    waits to be judged (NoteAnswered) has kJudgedWithin, and then counts for
//    nothing.
//  - A permit that is dropped unsettled settles itself as neutral, so no lost
//    callback can wedge the breaker half-open. Nor can few calls: after
//    `half_open_duration` one result is enough. Without any it stays HALF_OPEN,
//    where the next call finds a free slot.
//  - A probe that finds no connection (Verdict::kNotSent) reopens it, until its
//    time has come or NoteConnected() says that there is one.
//
// A target that only ever loses against hedges never fails, and never answers:
// after kLossesToWarn losses in a row (Verdict::kLost) the log has a warning.
//
// Rules and terms: Nygard, "Release It!"; epochs as in sony/gobreaker's
// generations; open time growth with jitter as in Finagle and Envoy.
//
// Where there is nothing to decide but what is decided already, no lock is
// taken: a call while CLOSED and its success, a refusal while OPEN, a call past
// a breaker that is DISABLED (quick_path.h). A success takes the lock where it
// could trip a rule or has to be timed, and once for each bucket of the window.
//
// Thread safety: safe from any thread. Ownership: a Breaker outlives its
// permits; the runtime of its method keeps both. Time: `now` may run back a
// little between threads; a jump ahead stays (time.h). Errors: none, every call
// has an answer.
#ifndef FIREBREAK_SRC_CORE_BREAKER_BREAKER_H_
#define FIREBREAK_SRC_CORE_BREAKER_BREAKER_H_

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "src/core/base/mutex.h"
#include "src/core/base/outcome.h"
#include "src/core/base/reason.h"
#include "src/core/base/rng.h"
#include "src/core/base/time.h"
#include "src/core/breaker/breaker_snapshot.h"
#include "src/core/breaker/probation.h"
#include "src/core/breaker/quick_path.h"
#include "src/core/breaker/target_health.h"
#include "src/core/breaker/trip_rules.h"
#include "src/core/measure/event_log.h"
#include "src/core/options.h"

namespace firebreak::core {

class Breaker;

// Hedges do not go to a target that is coming back: no turn of the ramp, no
// probe. But one that its call has not used yet may get its probe with a hedge:
// a target that gets nothing but hedges would never come back else, and the
// call loses nothing by it (docs/adr/0010).
enum class Hedge : uint8_t { kNo, kToUsedTarget, kToUnusedTarget };

// The right to run one attempt. Movable; settled once, by name or by its end.
class Permit {
 public:
  Permit() = default;
  Permit(Permit&& other) noexcept { *this = std::move(other); }
  Permit& operator=(Permit&& other) noexcept;
  ~Permit();

  explicit operator bool() const { return breaker_ != nullptr; }
  bool is_probe() const { return kind_ == Kind::kProbe; }
  // The target is coming back. Never of a breaker in SHADOW.
  bool is_careful() const { return is_careful_; }

  // The attempt ended. A second call, or one on an empty permit, does nothing.
  void Settle(Verdict verdict, Time now);
  // To be told before Settle(): the server has answered, so it is not frozen.
  void SetHasAnswer() { ticket_.has_answer = true; }
  // A stream has seen initial metadata or a message: it does not hang.
  void NoteProgress(Time now);
  // The attempt ended, and others take their time to judge it: Settle() follows
  // within Breaker::kJudgedWithin. What it took is what it took until now.
  void NoteAnswered(Time now);

 private:
  friend class Breaker;
  enum class Kind : uint8_t {
    kNothing,  // counts for nothing
    kCounted,
    kProbe,
  };

  Permit(Breaker* breaker, uint64_t epoch, Kind kind, Time started,
         CallKind call)
      : breaker_(breaker), epoch_(epoch), kind_(kind) {
    ticket_.started = started;
    ticket_.is_unary = call == CallKind::kUnary;
  }

  Breaker* breaker_ = nullptr;
  uint64_t epoch_ = 0;
  uint64_t probe_ = 0;  // its number, of a probe
  TripRules::Ticket ticket_;
  Kind kind_ = Kind::kNothing;
  bool is_careful_ = false;
  bool has_progressed_ = false;
};

struct Refusal {
  Reason reason = Reason::kNone;
  // When it is worth asking again; infinite when only an operator knows. In
  // RAMP, where some call or other is admitted at any time: the open time, or
  // by when it is sure to be admitted.
  Duration retry_after = Duration::zero();
  // Of the breaker when it refused; its cause() belongs to it.
  uint64_t epoch = 0;
};

// Exactly one of the two is set.
struct Admission {
  Permit permit;
  Refusal refusal;
};

// Told of each change of state after the breaker's own lock is released, but
// possibly under a lock of whoever settled the permit: it may enqueue work and
// nothing else. Two changes in quick succession may be told in either order;
// the EventLog has them right.
class BreakerObserver {
 public:
  virtual ~BreakerObserver() = default;
  virtual void OnStateChange(Breaker* breaker) = 0;
  // Without a change of state there is something to Tick() for earlier than
  // next_tick() had last said. The same rules hold.
  virtual void OnTickWanted(Breaker* /*breaker*/) {}
};

class Breaker {
 public:
  // What a breaker is called, and whom it tells. `log` and `observer` may be
  // null; both outlive the breaker.
  struct Identity {
    std::string channel;
    std::string target;
    std::string method;
    EventLog* log = nullptr;
    BreakerObserver* observer = nullptr;
  };

  // Of a target that gives no answer: more than bad luck, less than an alarm
  // for every deploy.
  static constexpr int kLossesToWarn = 20;
  // How long the verdict on an answer may take: well over what a classifier of
  // the application gets (classification.h), and no longer than a probe's slot
  // may be lost.
  static constexpr Duration kJudgedWithin = std::chrono::seconds(2);
  // In a row, the steps to HALF_OPEN and back are events so often, and then
  // each time that number has doubled: docs/adr/0036.
  static constexpr int kTripsToldEach = 4;

  Breaker(Identity identity, const absl::optional<BreakerOptions>& options,
          uint64_t seed, Time now);
  Breaker(const Breaker&) = delete;
  Breaker& operator=(const Breaker&) = delete;

  // `deadline` is the attempt's; kInfiniteFuture when it has none.
  Admission Admit(Time now, Time deadline, CallKind kind = CallKind::kUnary,
                  Hedge hedge = Hedge::kNo);
  // What Admit() would refuse at `at` if nothing happened before; nothing when
  // it would admit. For deciding whether a wait is worth it.
  absl::optional<Refusal> WouldRefuse(Time now, Time at);

  // Closed still, and over half way to its failure rate: no time for load on
  // top.
  bool IsStrained(Time now);

  // Operators. `duration` absent: until cleared.
  void ForceOpen(absl::optional<Duration> duration, Time now);
  void ForceClosed(absl::optional<Duration> duration, Time now);
  // FORCED_OPEN goes on HALF_OPEN, FORCED_CLOSED goes on CLOSED. False when
  // there was no override.
  bool ClearOverride(Time now);
  // CLOSED, with an empty window and the first open duration; no override.
  void Reset(Time now);

  // A new policy, while calls run. The state stays, with its timers, its
  // override and the results in the window; a window of another kind or size
  // starts anew. To take the options away closes it for good, until there are
  // some again.
  void SetOptions(const absl::optional<BreakerOptions>& options, Time now);

  // The target can be reached, now and whenever this is said again: one that is
  // OPEN since a probe found no connection lets the next call look at once. And
  // streams that are probes and silent for a second have succeeded, since many
  // say nothing until something happens; not where unary calls time out.
  void NoteConnected(Time now);

  // Health checks in the place of canaries (target_health.h): what is due now.
  absl::optional<HealthAsk> HealthCheckDue(Time now);
  // One runs: calls wait for it, unless another service is asked for by now.
  void HealthCheckBegins(const std::string& service, Time now);
  // What one that began at `begun` has said. False: no more are needed.
  bool NoteHealth(const std::string& service, const HealthAnswer& answer,
                  Time begun, Time now);

  // Lets what is due by `now` take effect without a call: ends of leases,
  // overrides and the ramp, and calls in flight that have become slow.
  void Tick(Time now);
  // When something is due next; kInfiniteFuture when nothing is. Should
  // something come up that is due earlier, the observer is told.
  Time next_tick();

  BreakerSnapshot Snapshot(Time now);
  // Whether there is an override, as of the last event.
  bool is_forced() const;
  // Why it is in the state it is in, for a refusal's message.
  std::string cause();
  const Identity& identity() const { return identity_; }

 private:
  friend class Permit;
  enum class Forced { kNo, kOpen, kClosed };
  // What the observer has to be told, once the lock is released.
  struct News {
    bool changed = false;
    bool tick_wanted = false;
  };
  // Holds the lock. Begins with what was settled without it; ends by saying
  // what may be done without it from now on, and tells the news when it has let
  // it go.
  class ABSL_SCOPED_LOCKABLE Turn {
   public:
    explicit Turn(Breaker* breaker) ABSL_EXCLUSIVE_LOCK_FUNCTION(breaker->mu_);
    ~Turn() ABSL_UNLOCK_FUNCTION();
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

   private:
    Breaker* const breaker_;
    uint64_t oldest_valid_epoch_;  // when it began
  };

  // A clock gone wild must not make sums overflow: times are kept within 73
  // years of the clock's start.
  static Time Bounded(Time now) {
    constexpr Time kEarliest{Duration::min() / 4};
    constexpr Time kLatest{Duration::max() / 4};
    return std::min(std::max(now, kEarliest), kLatest);
  }

  // Whether a success needs no more than that.
  bool CountQuickly(const Permit& permit, Time now);
  void SettlePermit(const Permit& permit, Verdict verdict,
                    absl::optional<Time> now);
  void NotePermitProgress(const Permit& permit, Time now);
  void NotePermitAnswered(Permit* permit, Time now);

  Admission AdmitWithLock(Time now, Time deadline, CallKind kind, Hedge hedge);
  Admission AdmitLocked(Time deadline, CallKind kind, Hedge hedge)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Permit MakePermit(Permit::Kind kind, CallKind call)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // The ramp's, after an outage that began at `trouble_since_`.
  Duration RampAfterOutage() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Duration RampDuration() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return options_.ramp.duration.value_or(ramp_);
  }
  // The share of RAMP, and whether the next call falls into it.
  double RampShare() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool TakesRampTurn() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Whether calls count: CLOSED or RAMP, and nobody forces it.
  bool IsCounting() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // What may be done without the lock.
  QuickPath::Facts QuickFacts() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void CountQuickSuccesses() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Those of calls of that epoch or later, which came just now.
  void CountLateSuccesses(int64_t calls, uint64_t epoch)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // A probe has ended, or its lease; what it is worth is known.
  void EndProbe(bool failed, bool slow, absl::string_view how)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void EndOverdueProbes() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Duration NextProbeInterval() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // While OPEN: whether health checks look, and from when on a call does.
  bool AsksHealth() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Time CallsLookAt() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void FailForWantOfConnection() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Of one that can no longer count.
  void NoteLateSuccess(const Permit& permit) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void CountLoss(Verdict verdict) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void TripIfDue() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void CountProbe(bool failed, bool slow, absl::string_view how)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void EndProbationIfDecided(absl::string_view how)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // All that time alone brings about.
  void Advance(Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Force(BreakerState state, absl::optional<Duration> duration, Time now);
  void EndOverride(std::string cause) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // The only place where the machine's state changes, at latest_.
  void Enter(BreakerState to, Event::Kind kind, std::string cause,
             const absl::optional<Trip>& trip = absl::nullopt)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // From OPEN to HALF_OPEN or back, and not worth an event any more.
  static bool IsOneMoreFlap(BreakerState from, BreakerState to, int trips);
  void Log(Event::Kind kind, absl::string_view from, absl::string_view to,
           std::string cause, const absl::optional<Trip>& trip = absl::nullopt)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Duration NextOpenDuration() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  BreakerState state() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Where the machine rests: beneath an override where it will go on from,
  // `without` one there.
  BreakerState Beneath(BreakerState without) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Something is due at `at`.
  void WantTick(Time at) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const Identity identity_;
  QuickPath quick_;

  mutable Mutex mu_;
  QuickPath::Owner quick_owner_ ABSL_GUARDED_BY(mu_){&quick_};
  bool enabled_ ABSL_GUARDED_BY(mu_);
  // Defaults when not enabled.
  BreakerOptions options_ ABSL_GUARDED_BY(mu_);
  BreakerState machine_ ABSL_GUARDED_BY(mu_);  // never a forced state
  Forced forced_ ABSL_GUARDED_BY(mu_) = Forced::kNo;
  Time forced_until_ ABSL_GUARDED_BY(mu_) = kInfiniteFuture;
  uint64_t epoch_ ABSL_GUARDED_BY(mu_) = 1;
  uint64_t oldest_valid_epoch_ ABSL_GUARDED_BY(mu_) = 1;
  News news_ ABSL_GUARDED_BY(mu_);
  Time ticks_at_ ABSL_GUARDED_BY(mu_) = kInfiniteFuture;  // the host, next
  Time since_ ABSL_GUARDED_BY(mu_);
  absl::optional<Time> trouble_since_ ABSL_GUARDED_BY(mu_);
  Time latest_ ABSL_GUARDED_BY(mu_);  // of all `now` seen
  Rng rng_ ABSL_GUARDED_BY(mu_);
  TripRules rules_ ABSL_GUARDED_BY(mu_);        // CLOSED and RAMP
  Duration ramp_ ABSL_GUARDED_BY(mu_){};        // where the policy has none
  double ramp_turns_ ABSL_GUARDED_BY(mu_) = 0;  // 1 pays for one call
  // OPEN.
  Time probe_due_ ABSL_GUARDED_BY(mu_);
  int trips_ ABSL_GUARDED_BY(mu_) = 0;      // since it was last CLOSED
  BreakerState told_ ABSL_GUARDED_BY(mu_);  // by the last event
  // What made the last probes fail, if it may be over before `probe_due_`.
  enum class Reopened { kOther, kProbeHung, kNoConnection };
  Reopened reopened_ ABSL_GUARDED_BY(mu_) = Reopened::kOther;
  bool calls_look_ ABSL_GUARDED_BY(mu_) = false;  // health had no word
  std::string health_ ABSL_GUARDED_BY(mu_);       // what it said last
  Probation probation_ ABSL_GUARDED_BY(mu_);      // HALF_OPEN and OPEN
  // For operators.
  std::string cause_ ABSL_GUARDED_BY(mu_);
  int64_t times_opened_ ABSL_GUARDED_BY(mu_) = 0;
  StateChanges changes_ ABSL_GUARDED_BY(mu_){};
  int64_t stale_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t hung_probes_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t shadow_refusals_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t losses_ ABSL_GUARDED_BY(mu_) = 0;
  int losses_in_a_row_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_BREAKER_BREAKER_H_
