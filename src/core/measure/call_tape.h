// What became of each call and its attempts, kept for a moment while somebody
// listens.
//
//   CallTape tape;
//   const auto session = tape.Start(1);              // the listener, all calls
//   if (CallTape* on = Listening(stats)) {           // who ends a call
//     on->Write(call, [&](int n) { return facts_of(n); });
//   }
//   lost = tape.Drain(session, [&](const CallTape::Call& call,
//                                  const CallTape::Attempt* attempts) { ... });
//   tape.Stop(session);
//
// A call is written once, when it ends, with all its attempts. What threads
// write goes into trays of their own (striped.h), and the listener takes full
// trays for empty ones. So nobody waits: a call that finds no room in any tray
// is lost, and counted. There is one listener at a time.
//
// Nobody listens: a call pays for a look at a flag, and there are no trays.
// Somebody does: some 17 ns for a call of one attempt (scripts/bench core), and
// 2.6 MB. A tray holds what a thread that is busy all the time ends in a tenth
// of a second, so the listener should come as often.
//
// Of the listener's share of the calls it is their start that decides whether
// they are in it, so no counter is shared; a call is there as a whole or not at
// all.
//
// Thread safety: safe from any thread. Ownership: the methods and breakers that
// entries point to are the engine's, which outlives its tape.
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
    const Breaker* breaker = nullptr;  // of the target that it went to
    Time started;
    Duration took{};
    Duration granted = kInfiniteDuration;  // until its deadline, if any
    absl::StatusCode code = absl::StatusCode::kOk;
    Attribution attribution = Attribution::kAbandoned;
    Reason stopped = Reason::kNone;  // why no other followed
    AttemptKind kind = AttemptKind::kFirst;
    bool answered = false;  // the caller got its answer
  };
  struct Call {
    const MethodStats* method = nullptr;
    Time started;
    Duration took{};  // zero of one that was abandoned
    Duration granted = kInfiniteDuration;
    absl::StatusCode code = absl::StatusCode::kOk;
    Reason reason = Reason::kNone;
    CallEnd end = CallEnd::kSuccess;
    int attempts = 0;
    bool is_stream = false;
    bool from_fallback = false;
  };

  // Of each of the kStripes trays.
  static constexpr size_t kCalls = 2048;
  static constexpr size_t kAttempts = 3072;

  CallTape() = default;
  CallTape(const CallTape&) = delete;
  CallTape& operator=(const CallTape&) = delete;

  // Relaxed: what a thread writes a moment too late is dropped by its session.
  bool is_on() const {
    return ShareOf(state_.load(std::memory_order_relaxed)) != 0;
  }
  // `attempt_of(n)` makes the n-th of `call.attempts`. Does nothing while it is
  // off.
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

  // The listener. `share`: of the calls, in (0, 1]. kNone: another one listens.
  using Session = uint32_t;
  static constexpr Session kNone = 0;
  Session Start(double share);
  // Hands what was written since the last time to `take(call, attempts)`, that
  // of each thread in its order, and returns how many calls were lost. What
  // somebody is writing at this moment comes the next time. Of a session that
  // is over there is nothing.
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
    std::vector<Call> calls;  // with room for all that may come
    std::vector<Attempt> attempts;
  };

  // The share, as of 2^32, below the number of the session.
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
  // Puts the spare tray into the place of the n-th. False: there is nothing in
  // it, or somebody has it just now.
  bool Exchange(size_t n) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  std::atomic<uint64_t> state_{0};
  std::atomic<int64_t> lost_{0};
  Striped<std::unique_ptr<Tray>> trays_;
  Mutex mu_;  // of the listener
  std::unique_ptr<Tray> spare_ ABSL_GUARDED_BY(mu_);
};

// The tape of a method whose call ends, while somebody listens; else null.
inline CallTape* Listening(const MethodStats& stats) {
  return stats.tape != nullptr && stats.tape->is_on() ? stats.tape : nullptr;
}

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_MEASURE_CALL_TAPE_H_
