// What happened to one method since the engine started: counters and latency.
//
//   stats.OnCallStarted();
//   stats.OnAttempt(AttemptKind::kHedge);
//   stats.OnAttemptEnd(Attribution::kSuccess);
//   stats.OnCallEnded(CallEnd::kSuccess, absl::StatusCode::kOk, latency);
//
// Every call is counted once at its start and once at its end, so at rest
//   calls = successes + failures + rejections + cancels + abandoned,
// and every attempt once at launch and once with its attribution.
//
// Thread safety: safe from any thread. Counters are relaxed: a snapshot taken
// while calls run may be off by the calls that run.
#ifndef FIREBREAK_SRC_CORE_METHOD_STATS_H_
#define FIREBREAK_SRC_CORE_METHOD_STATS_H_

#include <array>
#include <atomic>
#include <cstdint>

#include "absl/status/status.h"
#include "src/core/histogram.h"
#include "src/core/outcome.h"
#include "src/core/reason.h"
#include "src/core/time.h"

namespace firebreak::core {

enum class CallEnd {
  kSuccess,    // OK reached the caller
  kFailure,    // a status other than OK did, from a server or our deadline
  kRejected,   // refused by firebreak before anything was sent
  kCancelled,  // by the caller
  kAbandoned,  // destroyed without a status
};
inline constexpr int kCallEnds = 5;

enum class AttemptKind { kFirst, kRetry, kHedge };
inline constexpr int kAttemptKinds = 3;

struct MethodCounts {
  int64_t calls = 0;
  int64_t in_flight = 0;
  std::array<int64_t, kCallEnds> ends{};
  std::array<int64_t, kStatusCodes> codes{};  // of calls that were not rejected
  std::array<int64_t, kReasons> rejections{};
  // Extra attempts wanted and not made, by reason.
  std::array<int64_t, kReasons> stops{};
  std::array<int64_t, kAttemptKinds> attempts{};
  std::array<int64_t, kAttributions> attributions{};
  int64_t hedge_wins = 0;
  int64_t fallbacks = 0;

  int64_t end(CallEnd e) const { return ends[static_cast<size_t>(e)]; }
  int64_t attempts_of(AttemptKind k) const {
    return attempts[static_cast<size_t>(k)];
  }
};

class MethodStats {
 public:
  void OnCallStarted() {
    Add(&calls_);
    in_flight_.fetch_add(1, std::memory_order_relaxed);
  }
  // `latency` is recorded for successes only.
  void OnCallEnded(CallEnd end, absl::StatusCode code, Duration latency);
  // The call ends as kRejected.
  void OnRejected(Reason reason);
  void OnAttempt(AttemptKind kind) { Add(&attempts_[Index(kind)]); }
  void OnAttemptEnd(Attribution a) { Add(&attributions_[Index(a)]); }
  void OnStop(Reason reason) { Add(&stops_[Index(reason)]); }
  void OnHedgeWin() { Add(&hedge_wins_); }
  void OnFallback() { Add(&fallbacks_); }

  MethodCounts counts() const;
  const Histogram& latency() const { return latency_; }

 private:
  using Counter = std::atomic<int64_t>;

  template <class Enum>
  static constexpr size_t Index(Enum value) {
    return static_cast<size_t>(value);
  }
  static void Add(Counter* counter) {
    counter->fetch_add(1, std::memory_order_relaxed);
  }

  Counter calls_{0};
  Counter in_flight_{0};
  std::array<Counter, kCallEnds> ends_{};
  std::array<Counter, kStatusCodes> codes_{};
  std::array<Counter, kReasons> rejections_{};
  std::array<Counter, kReasons> stops_{};
  std::array<Counter, kAttemptKinds> attempts_{};
  std::array<Counter, kAttributions> attributions_{};
  Counter hedge_wins_{0};
  Counter fallbacks_{0};
  Histogram latency_;
};

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_METHOD_STATS_H_
