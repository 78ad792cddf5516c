// Suggests numbers for a policy, from the recorded calls of a method.
//
//   absl::StatusOr<Facts> facts = FactsOf(recording);      // of one method
//   for (const Suggestion& s : Suggest(*facts, options)) {
//     if (s.is_proposed) ...                               // s.field, s.reason
//   }
//
// A suggestion is a first guess, by the formulas below; run a forecast to see
// whether it helps.
//
//   timeout             1.25 times p99.9, or twice p99 with under 10'000
//                       successes; rounded up to a usual number
//   hedging.quantile    0.95 if the tail is worth it: p99 over 2.5 times p95.
//                       It costs 5 % more load (Dean and Barroso, CACM 2013)
//   retry.max_attempts  the fewest of 2 and 3 after which less than one call in
//                       a thousand fails, if failures do not come together
//   breaker.slow_call_duration   twice p99, if the timeout is well beyond
//   breaker.minimum_calls        the fewest at which the usual failures trip
//                       `failure_rate` by chance in one window of a million
//   bulkhead.max_concurrent      twice the most calls in flight at once
//
// Thread safety: pure functions.
#ifndef FIREBREAK_SRC_SIM_ADVICE_H_
#define FIREBREAK_SRC_SIM_ADVICE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "src/core/options.h"
#include "src/sim/recording.h"

namespace firebreak::sim {

// With fewer, a 99th percentile is not reliable, and no usual minute was seen.
inline constexpr int64_t kEnoughSuccesses = 1000;
inline constexpr Duration kEnoughTime = std::chrono::minutes(1);

struct Facts {
  int64_t calls = 0;  // without calls that their callers cancelled
  Duration span{};
  double per_second = 0;
  std::vector<Duration> latencies;  // of successes, sorted
  double failing = 0;               // share, by the default failure codes
  double unavailable = 0;           // share with UNAVAILABLE
  double at_deadline = 0;           // share with DEADLINE_EXCEEDED
  double together = 0;  // share of the failures that follow a failure
  int64_t most_at_once = 0;
  double mean_at_once = 0;

  Duration Quantile(double q) const;
  // The share of successes that took longer than `limit`.
  double Beyond(Duration limit) const;
};

// FAILED_PRECONDITION if there are too few calls; it says how many there are
// and how many are needed.
absl::StatusOr<Facts> FactsOf(const Recording& recording);

struct Suggestion {
  enum class Field {
    kTimeout,
    kHedgeQuantile,
    kMaxAttempts,
    kSlowCallDuration,
    kMinimumCalls,
    kMaxConcurrent,
  };
  Field field = Field::kTimeout;
  bool is_proposed = false;
  Duration duration{};  // for fields that are a duration
  double number = 0;    // for other fields
  std::string reason;   // with numbers; also if it is not proposed
};

// The field's name in the policy language: "hedging.quantile".
absl::string_view FieldName(Suggestion::Field field);

// One suggestion per field, in the order of Field. `now` has the present
// options, or the defaults.
std::vector<Suggestion> Suggest(const Facts& facts,
                                const core::MethodOptions& now);

// Rounds up to 1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6 or 8 times a power of ten, at
// least a millisecond.
Duration RoundUpNicely(Duration least);

}  // namespace firebreak::sim

#endif  // FIREBREAK_SRC_SIM_ADVICE_H_
