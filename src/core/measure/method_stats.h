// The counters and latencies of one method since the engine started.
//
//   stats.OnCallStarted();
//   stats.OnAttempt(AttemptKind::kHedge);
//   stats.OnAttemptEnd(Attribution::kSuccess);
//   stats.OnCallEnded(CallEnd::kSuccess, absl::StatusCode::kOk, latency);
//   CallAges::Call age = stats.ages.Begin(now);      // while it is in flight
//
// Every call is counted once at its start and once at its end, so at rest
//   calls = successes + failures + rejections + cancels + abandoned,
// and every attempt once at launch and once with its attribution.
//
// Thread safety: safe from any thread. Few threads share each set of counters
// (striped.h). A snapshot may be off by the calls in flight, but it never has
// more ended calls than started ones.
#ifndef FIREBREAK_SRC_CORE_MEASURE_METHOD_STATS_H_
#define FIREBREAK_SRC_CORE_MEASURE_METHOD_STATS_H_

#include <array>
#include <atomic>
#include <cstdint>

#include "absl/status/status.h"
#include "src/core/base/outcome.h"
#include "src/core/base/reason.h"
#include "src/core/base/striped.h"
#include "src/core/base/time.h"
#include "src/core/measure/call_ages.h"
#include "src/core/measure/decision_log.h"
#include "src/core/measure/histogram.h"

namespace firebreak::core {

class CallTape;

enum class CallEnd {
  kSuccess,    // OK reached the caller
  kFailure,    // another status did, from a server or a deadline
  kRejected,   // refused by firebreak before anything was sent
  kCancelled,  // by the caller
  kAbandoned,  // destroyed without a status
};
inline constexpr int kCallEnds = 5;

enum class AttemptKind { kFirst, kRetry, kHedge };
inline constexpr int kAttemptKinds = 3;
// Calls are counted by their number of retries, or hedges: 1 to 5, or more.
inline constexpr int kExtraAttempts = 6;

struct MethodCounts {
  int64_t calls = 0;
  int64_t in_flight = 0;  // started and not ended
  std::array<int64_t, kCallEnds> ends{};
  std::array<int64_t, kStatusCodes> codes{};  // of calls that were not rejected
  std::array<int64_t, kReasons> rejections{};
  // Retries and hedges that were not made, by reason.
  std::array<int64_t, kReasons> stops{};
  std::array<int64_t, kAttemptKinds> attempts{};
  std::array<int64_t, kAttributions> attributions{};
  int64_t hedge_wins = 0;
  int64_t fallbacks = 0;
  // Calls that have ended, by their number of retries and of hedges.
  std::array<int64_t, kExtraAttempts> retries_of_calls{};
  std::array<int64_t, kExtraAttempts> hedges_of_calls{};

  int64_t end(CallEnd e) const { return ends[static_cast<size_t>(e)]; }
  int64_t attempts_of(AttemptKind k) const {
    return attempts[static_cast<size_t>(k)];
  }
};

class MethodStats {
 public:
  void OnCallStarted() { Add(&Mine().calls); }
  // `latency` is recorded for successes only.
  void OnCallEnded(CallEnd end, absl::StatusCode code, Duration latency);
  // The call ends as kRejected.
  void OnRejected(Reason reason);
  void OnAttempt(AttemptKind kind) { Add(&Mine().attempts[Index(kind)]); }
  void OnAttemptEnd(Attribution a) { Add(&Mine().attributions[Index(a)]); }
  void OnStop(Reason reason) { Add(&Mine().stops[Index(reason)]); }
  void OnHedgeWin() { Add(&Mine().hedge_wins); }
  void OnFallback() { Add(&Mine().fallbacks); }
  // A call has ended that had so many retries and hedges.
  void OnExtraAttempts(int retries, int hedges);

  MethodCounts counts() const;
  const Histogram& latency() const { return latency_; }
  // The ages of unary calls, from when their first attempt is sent.
  CallAges ages;
  // The decisions on its calls. The code that refuses a call notes that; the
  // driver notes retries and hedges.
  DecisionLog decisions;
  // Where each call is recorded when it ends, while there is a listener
  // (call_tape.h). Null if calls are not recorded. Set before the first call.
  CallTape* tape = nullptr;

 private:
  using Counter = std::atomic<int64_t>;
  struct alignas(kCacheLine) Counters {
    Counter calls{0};
    std::array<Counter, kCallEnds> ends{};
    std::array<Counter, kStatusCodes> codes{};
    std::array<Counter, kAttemptKinds> attempts{};
    std::array<Counter, kAttributions> attributions{};
    std::array<Counter, kReasons> rejections{};
    std::array<Counter, kReasons> stops{};
    Counter hedge_wins{0};
    Counter fallbacks{0};
    std::array<Counter, kExtraAttempts> retries_of_calls{};
    std::array<Counter, kExtraAttempts> hedges_of_calls{};
  };

  template <class Enum>
  static constexpr size_t Index(Enum value) {
    return static_cast<size_t>(value);
  }
  // Relaxed: a counter orders no other memory access.
  static void Add(Counter* counter) {
    counter->fetch_add(1, std::memory_order_relaxed);
  }
  Counters& Mine() { return stripes_[MyStripe()]; }

  std::array<Counters, kStripes> stripes_;
  Histogram latency_;
};

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_MEASURE_METHOD_STATS_H_
