#include "src/engine/binding_cache.h"

#include <utility>

namespace firebreak::engine {

absl::optional<BindingCache::Binding> BindingCache::Find(
    uint64_t generation, absl::string_view method) {
  Bindings outdated;
  const auto copy = copies_.TryHoldAny();
  if (!copy || copy->generation != generation) return absl::nullopt;
  if (auto it = copy->methods.find(method); it != copy->methods.end()) {
    return it->second;
  }
  if (auto it = copy->strangers.find(method); it != copy->strangers.end()) {
    return it->second;
  }
  if (copy->policy->FindForCall(channel_, method) != nullptr) {
    return absl::nullopt;
  }
  KeepStranger(method, nullptr, copy.get(), &outdated);
  return Binding();
}

void BindingCache::Keep(uint64_t generation, const PolicyTable& policy,
                        absl::string_view method, const Binding& binding) {
  const bool is_stranger =
      binding == nullptr || binding->runtime->method == kOtherMethod;
  Binding share = binding == nullptr ? nullptr : core::NewShare(binding);
  Copy outdated;  // destroyed when no lock is held
  const auto copy = copies_.TryHoldAny();
  if (!copy || copy->generation > generation) return;
  if (copy->generation < generation) {
    std::swap(*copy, outdated);
    copy->generation = generation;
    copy->policy.emplace(policy);
  }
  if (is_stranger) {
    KeepStranger(method, share, copy.get(), &outdated.strangers);
  } else {
    copy->methods.try_emplace(method, std::move(share));
  }
}

void BindingCache::KeepStranger(absl::string_view method,
                                const Binding& binding, Copy* copy,
                                Bindings* outdated) {
  if (method.size() > kLongestName) return;
  if (copy->strangers.size() >= kMostStrangers) {
    outdated->swap(copy->strangers);
  }
  copy->strangers.try_emplace(method, binding);
}

size_t BindingCache::size() {
  size_t names = 0;
  copies_.ForEachFree([&](Copy* copy) {
    names += copy->methods.size() + copy->strangers.size();
  });
  return names;
}

}  // namespace firebreak::engine
