// The interface of the object that applies the policy in force.
//
//   user->Use(policy, [&](uint64_t version) { Record(policy, version); });
//
// Implemented by the MethodRegistry, called by the PolicyStore.
//
// Thread safety: an implementation is safe from any thread.
#ifndef FIREBREAK_SRC_ENGINE_POLICY_POLICY_USER_H_
#define FIREBREAK_SRC_ENGINE_POLICY_POLICY_USER_H_

#include <cstdint>

#include "absl/functional/function_ref.h"
#include "src/engine/policy/policy_table.h"

namespace firebreak::engine {

class PolicyUser {
 public:
  // Returns the policy that calls follow now, and the generation of bindings to
  // it if `generation` is not null.
  virtual PolicyTable policy(uint64_t* generation) const = 0;
  // Makes calls that begin from now on follow `policy`. `record` is called
  // once, when that is so and before the next policy can be used. It may
  // acquire locks of its own, and must not call back.
  virtual void Use(const PolicyTable& policy,
                   absl::FunctionRef<void(uint64_t version)> record) = 0;

 protected:
  ~PolicyUser() = default;
};

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_POLICY_POLICY_USER_H_
