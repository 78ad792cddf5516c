// What a channel remembers of its methods, so that a call finds its own without
// a lock that all calls share.
//
//   const uint64_t version = core->version();      // of the policy
//   auto found = cache.Find(version, "/shop.v1.P/Charge");
//   if (!found) { ... ask the engine ...
//     cache.Keep(version, policy, method, binding); }
//   else if (*found == nullptr) ...                // no policy: pass through
//
// Each few threads have a copy of their own (core::Striped), filled as they
// call: their look-ups meet nobody, nor do the references that they take, which
// are counted in each copy for itself. All that is known is of one version of
// the policy, and is forgotten with it.
//
// Memory: methods that have a policy are as many as the engine has runtimes.
// The others, those without policy and those past max_methods, may be any
// number of names: a copy remembers kMostStrangers of them, of kLongestName
// bytes at most, and then begins anew. That a method has no policy it can say
// of any name, since it has the policy too; only faster of those it remembers.
//
// Thread safety: safe from any thread.
#ifndef FIREBREAK_SRC_ENGINE_BINDING_CACHE_H_
#define FIREBREAK_SRC_ENGINE_BINDING_CACHE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "src/core/base/striped.h"
#include "src/engine/method_runtime.h"
#include "src/engine/policy/policy_table.h"

namespace firebreak::engine {

class BindingCache {
 public:
  using Binding = std::shared_ptr<const MethodBinding>;

  // Of each copy. More than a program has stubs for; it is who calls through a
  // generic stub whatever others ask for that has more.
  static constexpr size_t kMostStrangers = 256;
  static constexpr size_t kLongestName = 256;

  explicit BindingCache(std::string channel) : channel_(std::move(channel)) {}

  // The binding of `method` by that version of the policy; null: it has none.
  // Nothing: not known here.
  absl::optional<Binding> Find(uint64_t version, absl::string_view method);
  // `policy` is that of `version`, and `binding` of the same or a later one.
  void Keep(uint64_t version, const PolicyTable& policy,
            absl::string_view method, const Binding& binding);

  // How many names are remembered, of all copies; those in use left out.
  size_t size();

 private:
  using Bindings = absl::flat_hash_map<std::string, Binding>;
  struct Copy {
    uint64_t version = 0;
    absl::optional<PolicyTable> policy;
    Bindings methods;
    Bindings strangers;
  };

  // Those that had to go are in `outdated`, to go when nothing is held.
  static void KeepStranger(absl::string_view method, const Binding& binding,
                           Copy* copy, Bindings* outdated);

  const std::string channel_;
  core::Striped<Copy> copies_;
};

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_BINDING_CACHE_H_
