// What a new policy would do to those whom the present one protects: whose
// breaker it takes away, and whether it injects faults.
//
//   Lost lost = FindLostBreakers(before, after, {{"payment", "/p.S/M"}});
//   for (const std::string& each : lost.calls) ...   // "/p.S/M on channel ..."
//
// A breaker counts while it refuses: one that is off, or in SHADOW, protects
// nobody. Looked at are the methods that have been called, and each name of the
// policy before.
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

// `called`: channel and method, "/pkg.Service/Method".
Lost FindLostBreakers(
    const PolicyTable& before, const PolicyTable& after,
    const std::vector<std::pair<std::string, std::string>>& called);

// Of a policy that injects faults, for a process that does not allow it:
// INVALID_ARGUMENT, once, with the names of the entries.
absl::Status RefuseFaults(const PolicyTable& policy);

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_POLICY_PROTECTION_H_
