// Why firebreak refused a call, or made no further attempt.
//
// Users see the names in the `firebreak-reason` trailing metadata of a status,
// in the admin service and in metrics.
#ifndef FIREBREAK_SRC_CORE_BASE_REASON_H_
#define FIREBREAK_SRC_CORE_BASE_REASON_H_

#include "absl/strings/string_view.h"

namespace firebreak::core {

enum class Reason {
  kNone,
  // The breaker does not admit the call, or its next attempt.
  kBreakerOpen,
  kProbesTaken,  // HALF_OPEN, and every probe slot is in use
  kRamping,      // recovered, and not yet taking every call
  kForcedOpen,   // by an operator
  // No further attempt is made, although the failure allows one.
  kAttemptsExhausted,
  kBudgetExhausted,
  kThrottled,           // too many failures for too few successes (gRFC A6)
  kPushback,            // the server asked for no retry
  kNotIdempotent,       // it may have run, and must not run twice
  kDeadlineTooClose,    // the wait would end at or after the deadline
  kDeadlineInfeasible,  // too little time for what the method takes
  kHedgingPaused,       // the server is in trouble
  // Most retries after such a failure have failed too (adaptive retry).
  kRetriesNotWorthIt,
  // The call ends.
  kDeadlineExceeded,
  kCancelled,
  kFallbackFailed,
  kInvalidOptions,  // of this call, or of its channel
  // The call is refused before its first attempt: see admission_control.h.
  kBulkheadFull,
  kQueueTimeout,  // no place in the bulkhead came free in time
  kRateLimited,
  kThrottledLocally,  // the server refuses too many (SRE book, ch. 21)
};
inline constexpr int kReasons = static_cast<int>(Reason::kThrottledLocally) + 1;

// snake_case; "" for kNone.
constexpr absl::string_view ReasonName(Reason reason) {
  switch (reason) {
    case Reason::kNone:
      return "";
    case Reason::kBreakerOpen:
      return "breaker_open";
    case Reason::kProbesTaken:
      return "probes_taken";
    case Reason::kRamping:
      return "breaker_ramping";
    case Reason::kForcedOpen:
      return "forced_open";
    case Reason::kAttemptsExhausted:
      return "attempts_exhausted";
    case Reason::kBudgetExhausted:
      return "budget_exhausted";
    case Reason::kThrottled:
      return "throttled";
    case Reason::kNotIdempotent:
      return "not_idempotent";
    case Reason::kPushback:
      return "pushback";
    case Reason::kDeadlineTooClose:
      return "deadline_too_close";
    case Reason::kDeadlineInfeasible:
      return "deadline_infeasible";
    case Reason::kHedgingPaused:
      return "hedging_paused";
    case Reason::kRetriesNotWorthIt:
      return "retries_not_worth_it";
    case Reason::kDeadlineExceeded:
      return "deadline_exceeded";
    case Reason::kCancelled:
      return "cancelled";
    case Reason::kFallbackFailed:
      return "fallback_failed";
    case Reason::kInvalidOptions:
      return "invalid_options";
    case Reason::kBulkheadFull:
      return "bulkhead_full";
    case Reason::kQueueTimeout:
      return "queue_timeout";
    case Reason::kRateLimited:
      return "rate_limited";
    case Reason::kThrottledLocally:
      return "throttled_locally";
  }
  return "unknown";
}

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_BASE_REASON_H_
