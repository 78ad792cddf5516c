// A circuit breaker for one (channel, target, method).
//
//   Admission admission = breaker.Admit(now, attempt_deadline);
//   if (!admission.permit) return Reject(admission.refusal);
//   ... the attempt runs ...
//   admission.permit.Settle(Verdict::kFailure, now);
//
// States: CLOSED lets everything through and counts failures; OPEN refuses
// until `probe_due`; HALF_OPEN lets a few probes through and closes or reopens
// on their results. The first Admit() at or after `probe_due` makes the step
// to HALF_OPEN. An operator can hold it FORCED_OPEN or FORCED_CLOSED, which
// beats every timer and rule. Without options it is DISABLED: it admits all
// and counts nothing, but still obeys an operator.
//
// A permit is a lease, stamped with an epoch:
//  - The epoch grows at every change of state, override and reset. A result
//    stamped with an older one is counted as stale and moves nothing, so calls
//    that started before a trip cannot decide a probe.
//  - A probe's lease ends at min(deadline, now + probe_timeout). A probe that
//    has shown no sign of life by then has failed (it hangs), and its slot is
//    free; a result after that is stale. One that has (NoteProgress, for
//    streams) has succeeded.
//  - A permit that is dropped unsettled settles itself as neutral, so no lost
//    callback can wedge the breaker half-open.
//
// Rules and terms: Nygard, "Release It!"; epochs as in sony/gobreaker's
// generations; open time growth with jitter as in Finagle and Envoy.
//
// Thread safety: safe from any thread. Ownership: a Breaker outlives its
// permits; the runtime of its method keeps both. Time: `now` may run back a
// little between threads. Errors: none, every call has an answer.
#ifndef FIREBREAK_SRC_CORE_BREAKER_H_
#define FIREBREAK_SRC_CORE_BREAKER_H_

#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "src/core/event_log.h"
#include "src/core/mutex.h"
#include "src/core/options.h"
#include "src/core/outcome.h"
#include "src/core/probation.h"
#include "src/core/reason.h"
#include "src/core/rng.h"
#include "src/core/time.h"
#include "src/core/window.h"

namespace firebreak::core {

class Breaker;

enum class BreakerState {
  kDisabled,
  kClosed,
  kOpen,
  kHalfOpen,
  kForcedOpen,
  kForcedClosed,
};
// snake_case, as in events and the admin service.
absl::string_view BreakerStateName(BreakerState state);

// The right to run one attempt. Movable; settled once, by name or by its end.
class Permit {
 public:
  Permit() = default;
  Permit(Permit&& other) noexcept
      : breaker_(std::exchange(other.breaker_, nullptr)),
        epoch_(other.epoch_),
        probe_(other.probe_) {}
  Permit& operator=(Permit&& other) noexcept;
  ~Permit();

  explicit operator bool() const { return breaker_ != nullptr; }
  bool is_probe() const { return probe_ != 0; }

  // The attempt ended. A second call, or one on an empty permit, does nothing.
  void Settle(Verdict verdict, Time now);
  // A stream has seen initial metadata or a message: it does not hang.
  void NoteProgress(Time now);

 private:
  friend class Breaker;
  Permit(Breaker* breaker, uint64_t epoch, uint64_t probe)
      : breaker_(breaker), epoch_(epoch), probe_(probe) {}

  Breaker* breaker_ = nullptr;
  uint64_t epoch_ = 0;
  uint64_t probe_ = 0;  // 0 = not a probe
};

struct Refusal {
  Reason reason = Reason::kNone;
  // When to come back; infinite when only an operator knows.
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
};

struct BreakerSnapshot {
  BreakerState state = BreakerState::kDisabled;
  uint64_t epoch = 0;
  Time since;                         // of this state
  absl::optional<Time> probe_due;     // while OPEN
  absl::optional<Time> override_end;  // of a forced state that expires
  int probes_in_flight = 0;
  int64_t window_calls = 0;
  int64_t window_failures = 0;
  int consecutive_failures = 0;
  int64_t times_opened = 0;
  int64_t stale_results = 0;
  int64_t hung_probes = 0;
  std::string cause;  // of the last change of state; empty before the first
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

  Breaker(Identity identity, absl::optional<BreakerOptions> options,
          uint64_t seed, Time now);
  Breaker(const Breaker&) = delete;
  Breaker& operator=(const Breaker&) = delete;

  // `deadline` is the attempt's; kInfiniteFuture when it has none.
  Admission Admit(Time now, Time deadline);
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

  // Lets leases and overrides that have ended by `now` take effect, without a
  // call.
  void Tick(Time now);
  // When the next such end is due; kInfiniteFuture when none.
  Time next_tick();

  BreakerSnapshot Snapshot(Time now);
  // Why it is in the state it is in, for a refusal's message.
  std::string cause();
  const Identity& identity() const { return identity_; }

 private:
  friend class Permit;
  enum class Forced { kNo, kOpen, kClosed };

  void SettlePermit(const Permit& permit, Verdict verdict,
                    absl::optional<Time> now);
  void NotePermitProgress(const Permit& permit, Time now);

  Admission AdmitLocked(Time now, Time deadline)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Count(bool failed, Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void CountProbe(bool failed, absl::string_view how, Time now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Advance(Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Force(BreakerState state, absl::optional<Duration> duration, Time now);
  void EndOverride(std::string cause, Time now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // The only place where the machine's state changes.
  void Enter(BreakerState to, Event::Kind kind, std::string cause, Time now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Duration NextOpenDuration() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  BreakerState state() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Whether Enter() was called since the last time, for Tell().
  bool TakeChanged() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Called unlocked.
  void Tell(bool changed);

  const Identity identity_;
  const absl::optional<BreakerOptions> options_;

  Mutex mu_;
  BreakerState machine_ ABSL_GUARDED_BY(mu_);  // never a forced state
  Forced forced_ ABSL_GUARDED_BY(mu_) = Forced::kNo;
  Time forced_until_ ABSL_GUARDED_BY(mu_) = kInfiniteFuture;
  uint64_t epoch_ ABSL_GUARDED_BY(mu_) = 1;
  bool changed_ ABSL_GUARDED_BY(mu_) = false;
  Time since_ ABSL_GUARDED_BY(mu_);
  Time latest_ ABSL_GUARDED_BY(mu_);  // of all `now` seen
  Rng rng_ ABSL_GUARDED_BY(mu_);
  // CLOSED.
  Window window_ ABSL_GUARDED_BY(mu_);
  int consecutive_ ABSL_GUARDED_BY(mu_) = 0;
  // OPEN.
  Time probe_due_ ABSL_GUARDED_BY(mu_);
  int trips_ ABSL_GUARDED_BY(mu_) = 0;  // since it was last CLOSED
  // HALF_OPEN.
  Probation probation_ ABSL_GUARDED_BY(mu_);
  // For operators.
  std::string cause_ ABSL_GUARDED_BY(mu_);
  int64_t times_opened_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t stale_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t hung_probes_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_BREAKER_H_
