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
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

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
  std::string name;
  prometheus::MetricType type;
  const char* labels;  // in their order, with commas between
  const char* help;
};
// Every family, in the order of a scrape: those of Family, and before those of
// the engine what each breaker (engine::BreakerMeasures()) and each admission
// policy (core::AdmissionControl::ForEachKind()) measures.
const std::vector<FamilyInfo>& Families();
// Where a family stands there.
std::size_t IndexOf(Family family);
// Where the metrics of a part begin, "bulkhead" or kBreakerPart: one after the
// other, in the order of its measures.
std::size_t FirstOf(absl::string_view part);
inline constexpr char kBreakerPart[] = "circuit_breaker";

}  // namespace firebreak::metrics

#endif  // FIREBREAK_SRC_PROMETHEUS_FAMILIES_H_
