// Who follows the policy in force, as the one who keeps it sees them.
//
//   user->Use(policy, [&](uint64_t version) { Record(policy, version); });
//
// Implemented by the MethodRegistry, called by the PolicyStore.
#ifndef FIREBREAK_SRC_ENGINE_POLICY_POLICY_USER_H_
#define FIREBREAK_SRC_ENGINE_POLICY_POLICY_USER_H_

#include <cstdint>

#include "absl/functional/function_ref.h"
#include "src/engine/policy/policy_table.h"

namespace firebreak::engine {

class PolicyUser {
 public:
  // The policy that calls follow now; and its version, if that is wanted.
  virtual PolicyTable policy(uint64_t* version) const = 0;
  // Calls that begin from now on follow `policy`. `record` is called once, when
  // that holds and before the next policy can: it may lock what is its own, and
  // must not call back.
  virtual void Use(const PolicyTable& policy,
                   absl::FunctionRef<void(uint64_t version)> record) = 0;

 protected:
  ~PolicyUser() = default;
};

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_POLICY_POLICY_USER_H_
