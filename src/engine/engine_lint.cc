// What the engine has seen, for the lint.
#include <utility>

#include "absl/strings/str_cat.h"
#include "src/engine/engine_core.h"
#include "src/engine/io/clock.h"
#include "src/engine/policy/lint.h"
#include "src/engine/policy/policy_errors.h"

namespace firebreak::engine {

std::vector<LintFinding> EngineCore::Lint() const {
  Traffic traffic;
  const std::vector<std::shared_ptr<MethodRuntime>> methods = Methods();
  const core::Time now = Now();
  traffic.age = now - started_;
  {
    core::MutexLock lock(&mu_);
    traffic.policy_age = now - policy_began_;
    traffic.channels = channels_;
    traffic.knows_all = channels_.size() < kMaxChannels;
    traffic.of_channels = channel_findings_;
  }
  for (const std::shared_ptr<MethodRuntime>& runtime : methods) {
    if (runtime->method == kOtherMethod) {
      traffic.knows_all = false;
      continue;
    }
    traffic.methods.push_back({runtime->channel, runtime->method,
                               runtime->stats.counts().calls,
                               runtime->settings()->options});
  }
  return engine::Lint(policy(), &traffic);
}

void EngineCore::AddChannelFinding(const std::string& channel,
                                   LintFinding finding) {
  core::Event event;
  event.at = Now();
  event.channel = Printable(channel);
  event.cause = absl::StrCat(finding.problem, ": ", finding.fix);
  finding.where = absl::StrCat("channel \"", event.channel, "\"");
  {
    core::MutexLock lock(&mu_);
    // A program may make and drop channels of one name for ever.
    for (const LintFinding& known : channel_findings_) {
      if (known.where == finding.where && known.problem == finding.problem) {
        return;
      }
    }
    if (channel_findings_.size() >= kMaxChannels) return;
    channel_findings_.push_back(std::move(finding));
  }
  events_.Append(std::move(event));
}

}  // namespace firebreak::engine
