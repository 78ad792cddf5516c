// Finds out what protection a new policy would take away compared with the
// present one: which calls would lose their breaker, and whether it injects
// faults.
//
//   Lost lost = FindLostBreakers(before, after, {{"payment", "/p.S/M"}});
//   for (const std::string& each : lost.calls) ...   // "/p.S/M on channel ..."
//
// Only a breaker that can refuse calls counts: one that is off, or in SHADOW,
// protects nothing. The methods that have been called and each name of the old
// policy are examined.
//
// Thread safety: a pure function.
#ifndef FIREBREAK_SRC_ENGINE_POLICY_PROTECTION_H_
#define FIREBREAK_SRC_ENGINE_POLICY_PROTECTION_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "src/engine/policy/policy_table.h"

namespace firebreak::engine {

struct Lost {
  // At most kMostLost, sorted, and how many more there are.
  std::vector<std::string> calls;
  int64_t left_out = 0;
};
inline constexpr size_t kMostLost = 100;

// `called` has channels and methods, "/pkg.Service/Method".
Lost FindLostBreakers(
    const PolicyTable& before, const PolicyTable& after,
    const std::vector<std::pair<std::string, std::string>>& called);

// Returns INVALID_ARGUMENT, with the names of the entries, for a policy that
// injects faults. Called in a process that does not allow that.
absl::Status RefuseFaults(const PolicyTable& policy);

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_POLICY_PROTECTION_H_
