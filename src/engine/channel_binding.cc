#include "src/engine/channel_binding.h"

#include <string>
#include <utility>

#include "src/engine/engine_core.h"

namespace firebreak::engine {

ChannelBinding::ChannelBinding(std::shared_ptr<EngineCore> core,
                               std::string name,
                               std::vector<std::string> targets,
                               ChannelExtras extras)
    : core_(std::move(core)),
      name_(std::move(name)),
      targets_(std::move(targets)),
      extras_(std::move(extras)),
      cache_(name_) {}

ChannelBinding::~ChannelBinding() {
  if (!extras_.replicas.empty()) {
    core_->io()->Dispose(
        [replicas = std::move(extras_.replicas)]() mutable {
          replicas.clear();
        },
        core_);
  }
}

std::shared_ptr<const MethodBinding> ChannelBinding::Find(
    absl::string_view method) {
  const uint64_t generation = core_->methods()->generation();
  if (auto known = cache_.Find(generation, method)) return *std::move(known);
  std::shared_ptr<const MethodBinding> binding = FindShared(generation, method);
  uint64_t by_now = 0;
  const PolicyTable policy = core_->methods()->policy(&by_now);
  // The policy may have been replaced by now. Then the binding is for this call
  // only.
  if (by_now == generation) cache_.Keep(generation, policy, method, binding);
  return binding;
}

std::shared_ptr<const MethodBinding> ChannelBinding::FindShared(
    uint64_t generation, absl::string_view method) {
  decltype(methods_) outdated;  // destroyed unlocked
  {
    core::MutexLock lock(&mu_);
    if (generation_ != generation) {
      methods_.swap(outdated);
      generation_ = generation;
    }
    auto found = methods_.find(method);
    if (found != methods_.end()) return found->second;
  }
  auto binding = std::make_shared<MethodBinding>();
  binding->method = std::string(method);
  binding->runtime = core_->methods()->RuntimeFor(name_, method);
  // Not remembered here, since there may be any number of names without a
  // policy, and of names past max_methods.
  if (binding->runtime == nullptr) {
    core_->channels()->NoteUnguarded(method);
    return nullptr;
  }
  core_->methods()->Bind(targets_, binding.get());
  if (binding->runtime->method == kOtherMethod) return binding;
  if (const auto candidate = core_->candidates()->current()) {
    binding->candidate = candidate->Bind(name_, binding->method, targets_);
  }
  core::MutexLock lock(&mu_);
  // The policy may have been replaced by now, as above.
  if (generation_ != generation) return binding;
  return methods_.try_emplace(std::string(method), std::move(binding))
      .first->second;
}

}  // namespace firebreak::engine
