// Compares two policies, field by field.
//
//   PolicyDiff diff = DiffPolicies(before, after);
//   // "method[payment].breaker.failure_rate", "0.3", "0.5"
//
// Entries are matched by their identity and not by their position: methods by
// their id, or by a name if they have no id; channels by their name. Lists are
// compared as sets. Values are written as in the policy language: see
// PolicyDifference.
//
// It takes time and memory in proportion to the size of the two policies.
// Thread safety: pure function.
#ifndef FIREBREAK_SRC_ENGINE_POLICY_POLICY_DIFF_H_
#define FIREBREAK_SRC_ENGINE_POLICY_POLICY_DIFF_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "firebreak/policy_update.h"
#include "firebreak/v1/policy.pb.h"

namespace firebreak::engine {

// As many as a person reads at a time, and as fit into an admin response.
inline constexpr std::size_t kMaxDifferences = 500;

struct PolicyDiff {
  std::vector<PolicyDifference> differences;  // at most kMaxDifferences
  int64_t left_out = 0;
};

// Both policies must compile.
PolicyDiff DiffPolicies(const v1::PolicySet& before,
                        const v1::PolicySet& after);

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_POLICY_POLICY_DIFF_H_
