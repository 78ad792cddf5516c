// A circuit breaker for one (channel, target, method).
//
//   Admission admission = breaker.Admit(now, attempt_deadline);
//   if (!admission.permit) return Reject(admission.refusal);
//   ... the attempt runs ...
//   admission.permit.Settle(Verdict::kFailure, now);
//
// States. CLOSED admits every call and counts results (trip_rules.h). OPEN
// refuses all calls but one per `probe_interval`, the canary, until a canary
// succeeds. Several canaries, up to `probes`, may run at once, so one that
// hangs does not hide that the server is back. A canary that fails changes no
// state: each outage is one OPEN with one event. HALF_OPEN admits a few probes,
// of which the canary was the first, and closes or reopens on their results
// (probation.h). RAMP, if the policy sets it or the outage was long, admits a
// share of the calls that grows evenly to all of them; it reopens if a trip
// rule holds over the calls since its start. Without a `probe_interval`, OPEN
// refuses all calls until `probe_due`, and the first Admit() after that changes
// to HALF_OPEN. An operator can hold the breaker FORCED_OPEN or FORCED_CLOSED,
// which overrides every timer, rule and mode. Without options, or in mode
// DISABLED, the breaker admits all calls and counts nothing.
//
// In mode SHADOW the breaker goes through the same states, based on the results
// of the calls it would have admitted. It admits the other calls too, but does
// not count them. It refuses calls only if an operator forced it open.
//
// A permit is a lease, stamped with an epoch:
//  - The epoch grows at every change of state, override and reset. A result
//    with an older epoch counts as stale and changes nothing, so calls that
//    started before a trip cannot decide a probe. Only the step from RAMP to
//    CLOSED keeps older results valid. A late success still shows how long
//    calls take, so later leases are longer; a late success of a probe that was
//    judged hung also lets the next call probe at once.
//  - A probe's lease ends probe_timeout after its start (later where calls take
//    longer: probation.h) or a second after its deadline, whichever is first.
//    The extra second leaves time for the status that gRPC reports at the
//    deadline. A probe without any sign of life by then hangs and has failed;
//    its slot is free, and a later result is stale. A probe that showed
//    progress (NoteProgress, for streams) has succeeded. So has a stream that
//    stays open on a live connection (NoteConnected). A probe whose answer
//    waits to be judged (NoteAnswered) has kJudgedWithin for it, and then
//    counts for nothing.
//  - A permit that is dropped unsettled settles itself as neutral, so a lost
//    callback cannot block the breaker in HALF_OPEN. Low traffic cannot either:
//    after `half_open_duration` one result is enough to decide. Without any
//    result it stays HALF_OPEN, and the next call finds a free slot.
//  - A probe that finds no connection (Verdict::kNotSent) reopens the breaker
//    until the next probe is due, or NoteConnected() reports a connection.
//
// A target whose attempts always lose against hedges neither fails nor answers:
// after kLossesToWarn losses in a row (Verdict::kLost) the log has a warning.
//
// Sources: Nygard, "Release It!", for rules and terms; sony/gobreaker's
// generations for epochs; Finagle and Envoy for the growing open time.
//
// The common cases take no lock: a call and its success while CLOSED, a refusal
// while OPEN, a call while DISABLED (quick_path.h). A success takes the lock if
// it could trip a rule or must be timed, and once per bucket of the window.
//
// Thread safety: safe from any thread. Ownership: a Breaker outlives its
// permits; the runtime of its method keeps both. Time: `now` may run back a
// little between threads; a jump ahead stays (time.h). Errors: none.
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

// A recovering target gets no hedges: no share of the ramp, no probe. The
// exception is a target that its call has not used yet: a hedge may be its
// probe, since a target that gets only hedges would otherwise never recover,
// and the call loses nothing (docs/adr/0010).
enum class Hedge : uint8_t { kNo, kToUsedTarget, kToUnusedTarget };

// The right to run one attempt. Movable; settled once, at the latest when
// dropped.
class Permit {
 public:
  Permit() = default;
  Permit(Permit&& other) noexcept : Permit(std::as_const(other)) {  // NOLINT
    other.breaker_ = nullptr;
  }
  Permit& operator=(Permit&& other) noexcept;
  ~Permit();

  explicit operator bool() const { return breaker_ != nullptr; }
  bool is_probe() const { return kind_ == Kind::kProbe; }
  // Whether the target is still recovering. Always false in SHADOW.
  bool is_careful() const { return is_careful_; }

  // The attempt ended. A second call, or one on an empty permit, does nothing.
  void Settle(Verdict verdict, Time now);
  // Call this before Settle(): the server has answered, so it does not hang.
  void SetHasAnswer() { ticket_.has_answer = true; }
  // A stream has received initial metadata or a message: it does not hang.
  void NoteProgress(Time now);
  // The attempt ended at `now`, but its verdict takes time: Settle() follows
  // within Breaker::kJudgedWithin.
  void NoteAnswered(Time now);

 private:
  friend class Breaker;
  // kNothing counts for nothing.
  enum class Kind : uint8_t { kNothing, kCounted, kProbe };

  Permit(const Permit&) = default;  // by the move, which empties it
  Permit(Breaker* breaker, uint64_t epoch, Kind kind, Time started,
         CallKind call)
      : breaker_(breaker), epoch_(epoch), kind_(kind) {
    ticket_.started = started;
    ticket_.is_unary = call == CallKind::kUnary;
  }

  Breaker* breaker_ = nullptr;
  uint64_t epoch_ = 0;
  uint64_t probe_ = 0;  // the number of the probe
  TripRules::Ticket ticket_;
  Kind kind_ = Kind::kNothing;
  bool is_careful_ = false;
  bool has_progressed_ = false;
};

struct Refusal {
  Reason reason = Reason::kNone;
  // When to ask again; infinite if only an operator can change that. In RAMP,
  // which admits a call now and then: open_duration, or the rest of the ramp if
  // that is shorter.
  Duration retry_after = Duration::zero();
  // The breaker's epoch at the refusal; its cause() belongs to that epoch.
  uint64_t epoch = 0;
};

// Exactly one of the two is set.
struct Admission {
  Permit permit;
  Refusal refusal;
};

// Called after each change of state. The breaker's lock is released by then,
// but the thread that settled the permit may hold others: an observer may only
// enqueue work. Two changes in quick succession may arrive in either order; the
// EventLog has the right order.
class BreakerObserver {
 public:
  virtual ~BreakerObserver() = default;
  virtual void OnStateChange(Breaker* breaker) = 0;
  // The state did not change, but Tick() is due earlier than next_tick() last
  // said. The same rules hold.
  virtual void OnTickWanted(Breaker* /*breaker*/) {}
};

class Breaker {
 public:
  // The breaker's name, and who is notified. `log` and `observer` may be null;
  // both outlive the breaker.
  struct Identity {
    std::string channel;
    std::string target;
    std::string method;
    EventLog* log = nullptr;
    BreakerObserver* observer = nullptr;
  };

  // More than bad luck, but no alarm at every deploy.
  static constexpr int kLossesToWarn = 20;
  // How long the verdict on an answer may take: much longer than an
  // application's classifier may run (classification.h), and no longer than a
  // probe slot may be lost.
  static constexpr Duration kJudgedWithin = std::chrono::seconds(2);
  // Each of the first few steps to HALF_OPEN and back is an event; later ones
  // only when their number has doubled: docs/adr/0036.
  static constexpr int kTripsToldEach = 4;

  Breaker(Identity identity, const absl::optional<BreakerOptions>& options,
          uint64_t seed, Time now);
  Breaker(const Breaker&) = delete;
  Breaker& operator=(const Breaker&) = delete;

  // `deadline` is the attempt's; kInfiniteFuture if it has none.
  Admission Admit(Time now, Time deadline, CallKind kind = CallKind::kUnary,
                  Hedge hedge = Hedge::kNo);
  // The refusal that Admit() would give at `at` if nothing happened until then;
  // nullopt if it would admit. For deciding whether a wait is worth it.
  absl::optional<Refusal> WouldRefuse(Time now, Time at);
  // The same for a call at `now` that will not be sent. RAMP counts the call.
  absl::optional<Refusal> Glance(Time now, Hedge hedge = Hedge::kNo);

  // Whether it is closed, but over half way to its failure rate.
  bool IsStrained(Time now);

  // For operators. Without a `duration` the override lasts until it is cleared.
  void ForceOpen(absl::optional<Duration> duration, Time now);
  void ForceClosed(absl::optional<Duration> duration, Time now);
  // FORCED_OPEN becomes HALF_OPEN, FORCED_CLOSED becomes CLOSED. False if there
  // was no override.
  bool ClearOverride(Time now);
  // Sets CLOSED, with an empty window, the first open duration and no override.
  void Reset(Time now);

  // Sets a new policy while calls run. State, timers, override and the results
  // in the window stay; a window of another kind or size starts empty. Without
  // options the breaker is off until it gets some again.
  void SetOptions(const absl::optional<BreakerOptions>& options, Time now);

  // The target can be reached, now or still. If the breaker is OPEN since a
  // probe found no connection, the next call may probe at once. Probes on
  // streams that have been silent for a second succeed, since many streams send
  // little; not while unary calls time out.
  void NoteConnected(Time now);

  // The health check that is due now, if checks replace canaries
  // (target_health.h).
  absl::optional<HealthAsk> HealthCheckDue(Time now);
  // A check starts. Calls wait for its result, unless the policy asks for
  // another service by now.
  void HealthCheckBegins(const std::string& service, Time now);
  // The result of a check that began at `begun`. False if no more are needed.
  bool NoteHealth(const std::string& service, const HealthAnswer& answer,
                  Time begun, Time now);

  // Applies what is due by `now` without a call: ends of leases, of overrides
  // and of the ramp, and calls in flight that have become slow.
  void Tick(Time now);
  // When something is due next; kInfiniteFuture if nothing is. The observer is
  // notified if something new is due earlier.
  Time next_tick();

  BreakerSnapshot Snapshot(Time now);
  // Whether there is an override, as of the last event.
  bool is_forced() const;
  // Why the breaker is in its present state, for a refusal's message.
  std::string cause();
  const Identity& identity() const { return identity_; }

 private:
  friend class Permit;
  enum class Forced { kNo, kOpen, kClosed };
  // What to report to the observer once the lock is released.
  struct News {
    bool changed = false;
    bool tick_wanted = false;
  };
  // Holds the lock. The constructor counts what was settled without the lock.
  // The destructor publishes what may be done without it, releases it and
  // notifies the observer.
  class ABSL_SCOPED_LOCKABLE Turn {
   public:
    explicit Turn(Breaker* breaker) ABSL_EXCLUSIVE_LOCK_FUNCTION(breaker->mu_);
    ~Turn() ABSL_UNLOCK_FUNCTION();
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

   private:
    Breaker* const breaker_;
    uint64_t oldest_valid_epoch_;  // when the turn began
  };

  // Keeps times within 73 years of the clock's start, so that a faulty clock
  // cannot make sums overflow.
  static Time Bounded(Time now) {
    constexpr Time kEarliest{Duration::min() / 4};
    constexpr Time kLatest{Duration::max() / 4};
    return std::min(std::max(now, kEarliest), kLatest);
  }

  // Counts a success without the lock. False if it needs the lock.
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
  // The duration of a ramp after an outage that began at `trouble_since_`.
  Duration RampAfterOutage() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Duration RampDuration() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return options_.ramp.duration.value_or(ramp_);
  }
  // The share of calls that RAMP admits, and whether it admits the next one.
  double RampShare() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool TakesRampTurn() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Whether calls count: it is CLOSED or RAMP, without an override.
  bool IsCounting() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // What may be done without the lock.
  QuickPath::Facts QuickFacts() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void CountQuickSuccesses() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Successes that just came, of calls with that epoch or a later one.
  void CountLateSuccesses(int64_t calls, uint64_t epoch)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // A probe or its lease has ended with a result that counts.
  void EndProbe(bool failed, bool slow, absl::string_view how)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void EndOverdueProbes() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Duration NextProbeInterval() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // While OPEN: whether health checks probe, and when calls probe again.
  bool AsksHealth() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Time CallsLookAt() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void FailForWantOfConnection() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // For a success that can no longer count.
  void NoteLateSuccess(const Permit& permit) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void CountLoss(Verdict verdict) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void TripIfDue() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void CountProbe(bool failed, bool slow, absl::string_view how)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void EndProbationIfDecided(absl::string_view how)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Applies everything that is due by `now`.
  void Advance(Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Force(BreakerState state, absl::optional<Duration> duration, Time now);
  void EndOverride(std::string cause) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // The only place that changes the state; it happens at latest_.
  void Enter(BreakerState to, Event::Kind kind, std::string cause,
             const absl::optional<Trip>& trip = absl::nullopt)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // A step between OPEN and HALF_OPEN that is no longer worth an event.
  static bool IsOneMoreFlap(BreakerState from, BreakerState to, int trips);
  void Log(Event::Kind kind, absl::string_view from, absl::string_view to,
           std::string cause, const absl::optional<Trip>& trip = absl::nullopt)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Duration NextOpenDuration() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  BreakerState state() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // The state of machine_: with an override, the state that follows it,
  // otherwise `without`.
  BreakerState Beneath(BreakerState without) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Makes sure that Tick() runs at `at` or before.
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
  // When the host will call Tick() next.
  Time ticks_at_ ABSL_GUARDED_BY(mu_) = kInfiniteFuture;
  Time since_ ABSL_GUARDED_BY(mu_);
  absl::optional<Time> trouble_since_ ABSL_GUARDED_BY(mu_);
  Time latest_ ABSL_GUARDED_BY(mu_);  // of all `now` seen
  Rng rng_ ABSL_GUARDED_BY(mu_);
  TripRules rules_ ABSL_GUARDED_BY(mu_);        // CLOSED and RAMP
  Duration ramp_ ABSL_GUARDED_BY(mu_){};        // used if the policy has none
  double ramp_turns_ ABSL_GUARDED_BY(mu_) = 0;  // 1 admits a call
  // OPEN.
  Time probe_due_ ABSL_GUARDED_BY(mu_);
  int trips_ ABSL_GUARDED_BY(mu_) = 0;      // since it was last CLOSED
  BreakerState told_ ABSL_GUARDED_BY(mu_);  // by the last event
  // Why the last probes failed, if that may be over before `probe_due_`.
  enum class Reopened { kOther, kProbeHung, kNoConnection };
  Reopened reopened_ ABSL_GUARDED_BY(mu_) = Reopened::kOther;
  bool calls_look_ ABSL_GUARDED_BY(mu_) = false;  // checks give no answer
  std::string health_ ABSL_GUARDED_BY(mu_);       // the last check's result
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
