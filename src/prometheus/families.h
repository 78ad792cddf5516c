// The metrics there are: what each is called, and what it means.
//
// docs/metrics.md is this table in words, and a test holds them together. By
// Prometheus' conventions: base units, `_total` for what only grows, labels for
// what one may want to sum over.
//
// Thread safety: constants.
#ifndef FIREBREAK_SRC_PROMETHEUS_FAMILIES_H_
#define FIREBREAK_SRC_PROMETHEUS_FAMILIES_H_

#include <prometheus/metric_type.h>

#include <cstddef>

namespace firebreak::metrics {

enum class Family : std::size_t {
  // Of calls.
  kRequestsStarted,
  kRequestsInFlight,
  kRequests,
  kResponses,
  kRejectedRequests,
  kResponseTime,
  kFallbacks,
  kFallbackLinks,
  kHealth,
  kOldestCall,
  kHangingCalls,
  // Of attempts.
  kAttempts,
  kAttemptEnds,
  kAttemptsNotMade,
  kHedgesWon,
  kAttemptBudgetTokens,
  kAttemptBudgetBurst,
  kRetryThrottleTokens,
  kAttemptLatency,
  kAttemptLatencyUsual,
  kHedgeDelay,
  // Of breakers.
  kBreakerState,
  kBreakerStateChanges,
  kBreakerShadow,
  kBreakerWindowCalls,
  kBreakerWindowFailures,
  kBreakerWindowTimed,
  kBreakerWindowSlow,
  kBreakerSlowInFlight,
  kBreakerAdmittedRatio,
  kBreakerProbesInFlight,
  kBreakerHungProbes,
  kBreakerStaleResults,
  kBreakerShadowRefusals,
  kBreakerLosses,
  kBreakerLossesInARow,
  // Of what a call passes first.
  kBulkheadActive,
  kBulkheadLimit,
  kBulkheadQueued,
  kBulkheadQueueLimit,
  kBulkheadCompleted,
  kBulkheadRejected,
  kBulkheadSaturated,
  kRateLimitTokens,
  kRateLimitBurst,
  kRateLimitRejected,
  kThrottleProbability,
  kThrottleRejected,
  // Of the engine.
  kMethods,
  kMethodsLimit,
  kCallbackFaults,
  kListenerEventsMissed,
  kForeignMetadata,
  kAudits,
  kPolicyVersion,
  kPolicyUpdates,
  kPolicyLastSuccessful,
  kPolicyLastSuccess,
};
inline constexpr std::size_t kFamilies =
    static_cast<std::size_t>(Family::kPolicyLastSuccess) + 1;

struct FamilyInfo {
  const char* name;
  prometheus::MetricType type;
  const char* labels;  // in their order, with commas between
  const char* help;
};
const FamilyInfo& InfoOf(Family family);

}  // namespace firebreak::metrics

#endif  // FIREBREAK_SRC_PROMETHEUS_FAMILIES_H_
