// The state and the counts of a breaker at one moment, for operators.
//
//   const BreakerSnapshot snapshot = breaker.Snapshot(now);
//   if (snapshot.state == BreakerState::kOpen) Show(*snapshot.probe_due);
//
// Thread safety: plain data, a copy.
#ifndef FIREBREAK_SRC_CORE_BREAKER_BREAKER_SNAPSHOT_H_
#define FIREBREAK_SRC_CORE_BREAKER_BREAKER_SNAPSHOT_H_

#include <array>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "src/core/base/time.h"

namespace firebreak::core {

enum class BreakerState {
  kDisabled,
  kClosed,
  kOpen,
  kHalfOpen,
  kRamp,
  kForcedOpen,
  kForcedClosed,
};
inline constexpr int kBreakerStates =
    static_cast<int>(BreakerState::kForcedClosed) + 1;
// snake_case, as in events and the admin service.
absl::string_view BreakerStateName(BreakerState state);

// How often one state came after another: [from][to].
using StateChanges =
    std::array<std::array<int64_t, kBreakerStates>, kBreakerStates>;

struct BreakerSnapshot {
  BreakerState state = BreakerState::kDisabled;
  bool shadow = false;
  uint64_t epoch = 0;
  Time since;  // when this state began
  // When the outage began, probes that failed since included. Set while it is
  // OPEN, HALF_OPEN, RAMP or FORCED_OPEN.
  absl::optional<Time> trouble_since;
  absl::optional<Time> probe_due;     // while OPEN
  bool waits_for_connection = false;  // OPEN since a probe found none
  bool asks_health = false;           // OPEN, and health checks are the probes
  std::string health;  // while OPEN: the last check's result, or ""
  absl::optional<Time> override_end;  // of a forced state that expires
  double admitted_share = 1;          // of the calls, while in RAMP
  int probes_in_flight = 0;
  // The next call would be a probe, and no probe is in flight.
  bool waits_for_call = false;
  int minimum_calls = 0;     // the rates are not judged below this
  int64_t window_calls = 0;  // see TripRules for these
  int64_t window_failures = 0;
  int64_t window_timed = 0;
  int64_t window_slow = 0;
  int64_t slow_in_flight = 0;  // of the slow ones, those that have not ended
  int consecutive_failures = 0;
  // The number of consecutive failures that opens it. It is above the policy's
  // limit if the method usually fails often. 0: the rule is off.
  int64_t consecutive_limit = 0;
  double usual_failure_rate = 0;  // see usual_rate.h
  int leaky_failures = 0;
  int leaky_slow_calls = 0;
  int64_t times_opened = 0;
  StateChanges changes{};
  int64_t stale_results = 0;
  int64_t hung_probes = 0;
  int64_t shadow_refusals = 0;  // calls that ENFORCE would have refused
  int64_t losses = 0;           // against attempts that started later
  int losses_in_a_row = 0;
  std::string cause;  // of the last change of state; empty before the first
};

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_BREAKER_BREAKER_SNAPSHOT_H_
