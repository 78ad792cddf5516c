// Numbers for a policy, from what a method's calls were like.
//
//   absl::StatusOr<Facts> facts = FactsOf(recording);      // of one method
//   for (const Suggestion& s : Suggest(*facts, options)) {
//     if (s.is_proposed) ...                               // s.field, s.reason
//   }
//
// A suggestion is a first guess by the formulas below; whether it does good, a
// forecast of it tells.
//
//   timeout             1.25 times p99.9, or, with under 10'000 successes,
//   twice
//                       p99; rounded up to a number that people write
//   hedging.quantile    0.95 where the tail is worth it: p99 over 2.5 times
//   p95.
//                       5 % more load (Dean and Barroso, CACM 2013)
//   retry.max_attempts  the fewest of 2 and 3 after which less than one call in
//                       a thousand fails, if failures do not come together
//   breaker.slow_call_duration   twice p99, if the timeout is well beyond
//   breaker.minimum_calls        the fewest at which the usual failures trip
//                       `failure_rate` by chance in one window of a million
//   bulkhead.max_concurrent      twice the most that were under way at once
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

// Too few to speak of a 99th percentile, or to have seen a usual minute.
inline constexpr int64_t kEnoughSuccesses = 1000;
inline constexpr Duration kEnoughTime = std::chrono::minutes(1);

struct Facts {
  int64_t calls = 0;  // without those that their callers cancelled
  Duration span{};
  double per_second = 0;
  std::vector<Duration> latencies;  // of successes, sorted
  double failing = 0;               // share, by the breaker's usual codes
  double unavailable = 0;           // share with UNAVAILABLE
  double at_deadline = 0;           // share with DEADLINE_EXCEEDED
  double together = 0;              // of the failures, those right after one
  int64_t most_at_once = 0;
  double mean_at_once = 0;

  Duration Quantile(double q) const;
  // The share of successes that took longer.
  double Beyond(Duration limit) const;
};

// FAILED_PRECONDITION, with what there is and what it takes, for too little.
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
  Duration duration{};  // of the fields that are one
  double number = 0;    // of the others
  std::string reason;   // in numbers; also why not
};

// As the policy language has it: "hedging.quantile".
absl::string_view FieldName(Suggestion::Field field);

// One for each field, in their order. `now`: what holds at present; the
// defaults where nothing does.
std::vector<Suggestion> Suggest(const Facts& facts,
                                const core::MethodOptions& now);

// 1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6 or 8 times a power of ten, not below `least`
// nor a millisecond.
Duration RoundUpNicely(Duration least);

}  // namespace firebreak::sim

#endif  // FIREBREAK_SRC_SIM_ADVICE_H_
