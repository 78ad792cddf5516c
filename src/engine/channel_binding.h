// One channel's view of the engine: its name, its targets, its methods.
//
//   std::shared_ptr<ChannelBinding> channel =
//       core->BindChannel("payment", {""});
//   std::shared_ptr<const MethodBinding> method = channel->Find("/p.S/M");
//   if (method == nullptr) ...  // no policy: pass through
//
// Thread safety: safe from any thread. Ownership: it keeps the engine alive.
#ifndef FIREBREAK_SRC_ENGINE_CHANNEL_BINDING_H_
#define FIREBREAK_SRC_ENGINE_CHANNEL_BINDING_H_

#include <grpcpp/channel.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "firebreak/attempt_listener.h"
#include "src/core/base/mutex.h"
#include "src/engine/binding_cache.h"
#include "src/engine/method_runtime.h"

namespace firebreak::engine {

class EngineCore;

// What a channel has in addition to its own target.
struct ChannelExtras {
  // The channels of the targets 1, 2, ...
  std::vector<std::shared_ptr<grpc::Channel>> replicas;
  std::shared_ptr<AttemptListener> listener;
};

class ChannelBinding {
 public:
  ChannelBinding(std::shared_ptr<EngineCore> core, std::string name,
                 std::vector<std::string> targets, ChannelExtras extras);
  // May run on any thread, even in a gRPC callback: the replicas are destroyed
  // on one of the engine's threads.
  ~ChannelBinding();
  ChannelBinding(const ChannelBinding&) = delete;
  ChannelBinding& operator=(const ChannelBinding&) = delete;

  // Returns the binding of a method under the policy in force, or null if no
  // entry names the method. Takes a lock that the threads share only if the
  // method is not in the cache for this policy.
  std::shared_ptr<const MethodBinding> Find(absl::string_view method);

  const std::shared_ptr<EngineCore>& core() const { return core_; }
  const std::string& name() const { return name_; }
  const std::vector<std::string>& targets() const { return targets_; }
  // Returns the channel of target n > 0.
  const std::shared_ptr<grpc::Channel>& replica(int n) const {
    return extras_.replicas[static_cast<size_t>(n - 1)];
  }
  AttemptListener* listener() const { return extras_.listener.get(); }
  // Returns how many names the cache of Find() has; bounded (binding_cache.h).
  size_t names_remembered() { return cache_.size(); }

 private:
  // Returns the binding that all threads share. `generation` is the registry's
  // current one.
  std::shared_ptr<const MethodBinding> FindShared(uint64_t generation,
                                                  absl::string_view method);

  const std::shared_ptr<EngineCore> core_;
  const std::string name_;
  const std::vector<std::string> targets_;
  ChannelExtras extras_;
  BindingCache cache_;
  core::Mutex mu_;
  // The generation of bindings that `methods_` belongs to.
  uint64_t generation_ ABSL_GUARDED_BY(mu_) = 0;
  absl::flat_hash_map<std::string, std::shared_ptr<const MethodBinding>>
      methods_ ABSL_GUARDED_BY(mu_);
};

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_CHANNEL_BINDING_H_
