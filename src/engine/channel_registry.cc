#include "src/engine/channel_registry.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "src/engine/method_runtime.h"
#include "src/engine/policy/policy_errors.h"

namespace firebreak::engine {

absl::string_view ServiceOf(absl::string_view method) {
  absl::ConsumePrefix(&method, "/");
  const size_t slash = method.rfind('/');
  return slash == absl::string_view::npos ? "" : method.substr(0, slash);
}

void ChannelRegistry::Add(const std::string& name,
                          const std::vector<std::string>& targets) {
  core::MutexLock lock(&mu_);
  if (channels_.size() >= kMaxChannels && !channels_.contains(name)) return;
  absl::btree_set<std::string>& known = channels_[name];
  for (const std::string& target : targets) {
    if (known.size() < kMaxTargets) known.insert(target);
  }
}

std::vector<std::string> ChannelRegistry::Names() const {
  std::vector<std::string> names;
  {
    core::MutexLock lock(&mu_);
    for (const auto& [name, targets] : channels_) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string> ChannelRegistry::TargetsOf(
    const std::string& name) const {
  core::MutexLock lock(&mu_);
  const auto found = channels_.find(name);
  if (found == channels_.end()) return {};
  return {found->second.begin(), found->second.end()};
}

void ChannelRegistry::AddFinding(const std::string& channel,
                                 LintFinding finding) {
  core::Event event;
  event.at = clock_.Now();
  event.channel = Printable(channel);
  event.cause = absl::StrCat(finding.problem, ": ", finding.fix);
  finding.where = absl::StrCat("channel \"", event.channel, "\"");
  {
    core::MutexLock lock(&mu_);
    // A program may make and drop channels of one name for ever, so a finding
    // is kept only once.
    for (const LintFinding& known : findings_) {
      if (known.where == finding.where && known.problem == finding.problem) {
        return;
      }
    }
    if (findings_.size() >= kMaxChannels) return;
    findings_.push_back(std::move(finding));
  }
  events_->Append(std::move(event));
}

void ChannelRegistry::NoteUnguarded(absl::string_view method) {
  const absl::string_view service = ServiceOf(method);
  core::MutexLock lock(&mu_);
  if (unguarded_.size() < kMaxChannels) unguarded_.emplace(service);
}

void ChannelRegistry::Describe(Traffic* traffic) const {
  core::MutexLock lock(&mu_);
  for (const auto& [name, targets] : channels_) traffic->channels.insert(name);
  if (channels_.size() >= kMaxChannels) traffic->knows_all = false;
  traffic->of_channels = findings_;
  traffic->services.insert(unguarded_.begin(), unguarded_.end());
}

bool ChannelRegistry::Claim(const void* channel, const void* factory) {
  core::MutexLock lock(&mu_);
  return claims_.try_emplace(channel, factory).first->second == factory;
}

void ChannelRegistry::Release(const void* factory) {
  core::MutexLock lock(&mu_);
  for (auto it = claims_.begin(); it != claims_.end(); ++it) {
    if (it->second != factory) continue;
    claims_.erase(it);
    return;
  }
}

}  // namespace firebreak::engine
