// A channel's cache of its methods. A call finds its binding here without a
// lock that all calls share.
//
//   const uint64_t generation = registry->generation();
//   auto found = cache.Find(generation, "/shop.v1.P/Charge");
//   if (!found) { ... ask the engine ...
//     cache.Keep(generation, policy, method, binding); }
//   else if (*found == nullptr) ...                // no policy: pass through
//
// The cache has several copies, one for each few threads (core::Striped), which
// are filled as these threads make calls. So look-ups of different threads do
// not contend, and neither do the references that they take: each copy has
// reference counts of its own. All entries belong to one generation of bindings
// (method_registry.h) and are forgotten with it.
//
// Memory: there are as many methods with a policy as the engine has runtimes.
// The others, those without a policy and those past max_methods, may be any
// number of names. So a copy remembers at most kMostStrangers of them, of at
// most kLongestName bytes each, and then forgets them all and starts again. A
// copy also holds the policy, so it can tell for any name whether an entry
// matches it; a name that it remembers is only found faster.
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

  // The limits of each copy. They are higher than the number of stubs in a
  // program. Only a program that forwards calls of any method through a generic
  // stub has more names.
  static constexpr size_t kMostStrangers = 256;
  static constexpr size_t kLongestName = 256;

  explicit BindingCache(std::string channel) : channel_(std::move(channel)) {}

  // Returns the binding of `method` in that generation: null if the method has
  // no policy, and nothing if the cache does not know.
  absl::optional<Binding> Find(uint64_t generation, absl::string_view method);
  // `policy` is that of `generation`, and `binding` is of the same generation
  // or a later one.
  void Keep(uint64_t generation, const PolicyTable& policy,
            absl::string_view method, const Binding& binding);

  // Returns how many names all copies remember, except copies that are in use.
  size_t size();

 private:
  using Bindings = absl::flat_hash_map<std::string, Binding>;
  struct Copy {
    uint64_t generation = 0;
    absl::optional<PolicyTable> policy;
    Bindings methods;
    Bindings strangers;
  };

  // Moves entries that have to go to `outdated`, which is destroyed when no
  // lock is held.
  static void KeepStranger(absl::string_view method, const Binding& binding,
                           Copy* copy, Bindings* outdated);

  const std::string channel_;
  core::Striped<Copy> copies_;
};

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_BINDING_CACHE_H_
