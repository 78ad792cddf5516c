// Where two policies differ, field by field.
//
//   PolicyDiff diff = DiffPolicies(before, after);
//   // "method[payment].breaker.failure_rate", "0.3", "0.5"
//
// Entries are matched by what they are and not by where they stand: methods by
// their id, those without a match by a name, channels by their name. Lists are
// sets. All of that as the language has it: see PolicyDifference.
//
// Takes time and memory in proportion to the two policies, whatever is in them.
// Thread safety: pure function.
#ifndef FIREBREAK_SRC_ENGINE_POLICY_POLICY_DIFF_H_
#define FIREBREAK_SRC_ENGINE_POLICY_POLICY_DIFF_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "firebreak/policy_update.h"
#include "firebreak/v1/policy.pb.h"

namespace firebreak::engine {

// What a person reads at a time, and an admin reply can hold.
inline constexpr std::size_t kMaxDifferences = 500;

struct PolicyDiff {
  std::vector<PolicyDifference> differences;  // at most kMaxDifferences
  int64_t left_out = 0;
};

// Of two policies that compile.
PolicyDiff DiffPolicies(const v1::PolicySet& before,
                        const v1::PolicySet& after);

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_POLICY_POLICY_DIFF_H_
