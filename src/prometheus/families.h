// All metrics: their names and what they mean.
//
// docs/metrics.md explains this table, and a test compares the two. The names
// follow Prometheus' conventions: base units, `_total` for counters, and labels
// for what one may want to sum over.
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
  // About calls.
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
  // About attempts.
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
  // About the candidate policy.
  kCandidateCalls,
  kCandidateWould,
  kCandidateRefusals,
  // About breakers.
  kBreakerState,
  kBreakerStateChanges,
  // About the engine.
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
  kCandidate,
};
inline constexpr std::size_t kFamilies =
    static_cast<std::size_t>(Family::kCandidate) + 1;

struct FamilyInfo {
  std::string name;
  prometheus::MetricType type;
  const char* labels;  // in order, separated by commas
  const char* help;
};
// Returns every family, in the order of a scrape. These are the families of
// Family, and before those about the engine the measures of breakers
// (engine::BreakerMeasures()) and of each admission policy
// (core::AdmissionControl::ForEachKind()).
const std::vector<FamilyInfo>& Families();
// Returns the index of a family in Families().
std::size_t IndexOf(Family family);
// Returns the index of the first metric of a part, "bulkhead" or kBreakerPart.
// The others follow it, in the order of the part's measures.
std::size_t FirstOf(absl::string_view part);
inline constexpr char kBreakerPart[] = "circuit_breaker";

}  // namespace firebreak::metrics

#endif  // FIREBREAK_SRC_PROMETHEUS_FAMILIES_H_
