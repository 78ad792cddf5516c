// The channels that have been made, and what is ready before their first call.
#include <algorithm>
#include <utility>

#include "src/engine/engine_core.h"

namespace firebreak::engine {

std::shared_ptr<ChannelBinding> EngineCore::BindChannel(
    std::string name, std::vector<std::string> targets, ChannelExtras extras) {
  {
    core::MutexLock lock(&mu_);
    if (channels_.size() < kMaxChannels || channels_.contains(name)) {
      absl::btree_set<std::string>& known = channels_[name];
      for (const std::string& target : targets) {
        if (known.size() < kMaxTargets) known.insert(target);
      }
    }
  }
  return std::make_shared<ChannelBinding>(shared_from_this(), std::move(name),
                                          std::move(targets),
                                          std::move(extras));
}

std::vector<std::string> EngineCore::ChannelNames() const {
  std::vector<std::string> names;
  {
    core::MutexLock lock(&mu_);
    for (const auto& [name, targets] : channels_) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

void EngineCore::Prepare(const std::string& channel,
                         const std::string& method) {
  std::vector<std::string> targets;
  {
    core::MutexLock lock(&mu_);
    const auto found = channels_.find(channel);
    if (found == channels_.end()) return;
    targets.assign(found->second.begin(), found->second.end());
  }
  MethodBinding binding;
  binding.method = method;
  binding.runtime = RuntimeFor(channel, method);
  if (binding.runtime == nullptr || binding.runtime->method == kOtherMethod) {
    return;
  }
  // It has been called: at which targets, that knows better.
  if (!binding.runtime->breakers().empty()) return;
  Bind(targets, &binding);
}

}  // namespace firebreak::engine
