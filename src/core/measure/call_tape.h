// Records how each call and its attempts ended, while a listener is attached.
//
//   CallTape tape;
//   const auto session = tape.Start(1);              // the listener, all calls
//   if (CallTape* on = Listening(stats)) {           // when a call ends
//     on->Write(call, [&](int n) { return facts_of(n); });
//   }
//   lost = tape.Drain(session, [&](const CallTape::Call& call,
//                                  const CallTape::Attempt* attempts) { ... });
//   tape.Stop(session);
//
// A call is written once, when it ends, with all its attempts. Threads write
// into trays of their own (striped.h), and the listener exchanges full trays
// for empty ones. No thread waits: a call that finds no room in any tray is
// dropped and counted. There is one listener at a time.
//
// Without a listener a call only reads a flag, and there are no trays. With
// one, a call of one attempt costs about 17 ns (scripts/bench core), and the
// trays take 2.6 MB. A tray has room for what a thread that is always busy ends
// in a tenth of a second, so the listener should drain it that often.
//
// A listener may ask for a share of the calls. The start time of a call decides
// whether it belongs to the share, so no counter is shared. A call is recorded
// as a whole or not at all.
//
// Thread safety: safe from any thread. Ownership: entries point to methods and
// breakers of the engine, which outlives its tape.
#ifndef FIREBREAK_SRC_CORE_MEASURE_CALL_TAPE_H_
#define FIREBREAK_SRC_CORE_MEASURE_CALL_TAPE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "src/core/base/mutex.h"
#include "src/core/base/outcome.h"
#include "src/core/base/reason.h"
#include "src/core/base/striped.h"
#include "src/core/base/time.h"
#include "src/core/measure/method_stats.h"

namespace firebreak::core {

class Breaker;

class CallTape {
 public:
  struct Attempt {
    const Breaker* breaker = nullptr;  // the breaker of its target
    Time started;
    Duration took{};
    // The time until its deadline, if any.
    Duration granted = kInfiniteDuration;
    absl::StatusCode code = absl::StatusCode::kOk;
    Attribution attribution = Attribution::kAbandoned;
    Reason stopped = Reason::kNone;  // why no other attempt followed
    AttemptKind kind = AttemptKind::kFirst;
    bool answered = false;  // the caller got this answer
  };
  struct Call {
    const MethodStats* method = nullptr;
    Time started;
    Duration took{};  // zero for an abandoned call
    Duration granted = kInfiniteDuration;
    absl::StatusCode code = absl::StatusCode::kOk;
    Reason reason = Reason::kNone;
    CallEnd end = CallEnd::kSuccess;
    int attempts = 0;
    bool is_stream = false;
    bool from_fallback = false;
  };

  // The room of each of the kStripes trays.
  static constexpr size_t kCalls = 2048;
  static constexpr size_t kAttempts = 3072;

  CallTape() = default;
  CallTape(const CallTape&) = delete;
  CallTape& operator=(const CallTape&) = delete;

  // Relaxed: a call that is written a moment too late is dropped with its
  // session.
  bool is_on() const {
    return ShareOf(state_.load(std::memory_order_relaxed)) != 0;
  }
  // Records a call; `attempt_of(n)` returns the n-th of `call.attempts`. Does
  // nothing while there is no listener.
  template <class AttemptOf>
  void Write(const Call& call, const AttemptOf& attempt_of) {
    const uint64_t state = state_.load(std::memory_order_relaxed);
    if (!IsChosen(call.started, ShareOf(state))) return;
    const auto attempts = static_cast<size_t>(call.attempts);
    auto hold = trays_.TryHoldAny([&](const std::unique_ptr<Tray>& tray) {
      return tray != nullptr && tray->session == SessionOf(state) &&
             tray->calls.size() < kCalls &&
             tray->attempts.size() + attempts <= kAttempts;
    });
    if (!hold) {
      lost_.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    Tray* const tray = hold->get();
    tray->calls.push_back(call);
    for (int n = 0; n < call.attempts; ++n) {
      tray->attempts.push_back(attempt_of(n));
    }
  }

  // For the listener. `share` of the calls is in (0, 1]. Returns kNone if there
  // is another listener.
  using Session = uint32_t;
  static constexpr Session kNone = 0;
  Session Start(double share);
  // Passes what was written since the last time to `take(call, attempts)`, the
  // calls of each thread in order, and returns how many calls were dropped. A
  // call that is being written at this moment is passed the next time. If the
  // session is over, nothing is passed.
  template <class Take>
  int64_t Drain(Session session, const Take& take) {
    MutexLock lock(&mu_);
    if (spare_ == nullptr || spare_->session != session) return 0;
    for (size_t n = 0; n < kStripes; ++n) {
      if (!Exchange(n)) continue;
      const Attempt* attempts = spare_->attempts.data();
      for (const Call& call : spare_->calls) {
        take(call, attempts);
        attempts += call.attempts;
      }
      spare_->Clear();
    }
    return lost_.exchange(0, std::memory_order_relaxed);
  }
  void Stop(Session session);

 private:
  struct Tray {
    explicit Tray(Session its_session);
    void Clear() {
      calls.clear();
      attempts.clear();
    }
    const Session session;
    std::vector<Call> calls;  // reserved to its full size
    std::vector<Attempt> attempts;
  };

  // The state has the share, in units of 2^-32, in its lower half and the
  // session number in its upper half.
  static constexpr uint32_t ShareOf(uint64_t state) {
    return static_cast<uint32_t>(state);
  }
  static constexpr Session SessionOf(uint64_t state) {
    return static_cast<uint32_t>(state >> 32);
  }
  static bool IsChosen(Time started, uint32_t share) {
    const auto ns = static_cast<uint64_t>(started.time_since_epoch().count());
    return share != 0 && ((ns * 0x9e3779b97f4a7c15U) >> 32) <= share;
  }
  // Exchanges the n-th tray for the spare one. False if it is empty, or if a
  // thread is writing to it.
  bool Exchange(size_t n) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  std::atomic<uint64_t> state_{0};
  std::atomic<int64_t> lost_{0};
  Striped<std::unique_ptr<Tray>> trays_;
  Mutex mu_;  // held by the listener only
  std::unique_ptr<Tray> spare_ ABSL_GUARDED_BY(mu_);
};

// The tape to write a method's call to; null if there is no listener.
inline CallTape* Listening(const MethodStats& stats) {
  return stats.tape != nullptr && stats.tape->is_on() ? stats.tape : nullptr;
}

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_MEASURE_CALL_TAPE_H_
