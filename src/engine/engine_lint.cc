// What the engine has seen, for the lint.
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "src/engine/engine_core.h"
#include "src/engine/io/clock.h"
#include "src/engine/policy/lint.h"
#include "src/engine/policy/policy_errors.h"

namespace firebreak {

std::ostream& operator<<(std::ostream& out, const LintFinding& finding) {
  return out << (finding.severity == LintFinding::Severity::kError
                     ? "error: "
                     : "warning: ")
             << finding.where << ": " << finding.problem
             << "; fix: " << finding.fix;
}

}  // namespace firebreak

namespace firebreak::engine {
namespace {

// "shop.v1.PaymentService" of "/shop.v1.PaymentService/Charge".
absl::string_view ServiceOf(absl::string_view method) {
  absl::ConsumePrefix(&method, "/");
  const size_t slash = method.rfind('/');
  return slash == absl::string_view::npos ? "" : method.substr(0, slash);
}

}  // namespace

std::vector<LintFinding> EngineCore::Lint() const {
  const Traffic traffic = SeenTraffic();
  return engine::Lint(policy(), &traffic);
}

Traffic EngineCore::SeenTraffic() const {
  Traffic traffic;
  const std::vector<std::shared_ptr<MethodRuntime>> methods = Methods();
  const core::Time now = Now();
  traffic.age = now - started_;
  {
    core::MutexLock lock(&mu_);
    traffic.policy_age = now - policy_began_;
    for (const auto& [name, targets] : channels_) {
      traffic.channels.insert(name);
    }
    traffic.knows_all = channels_.size() < kMaxChannels;
    traffic.of_channels = channel_findings_;
    traffic.services = unguarded_;
  }
  for (const std::shared_ptr<MethodRuntime>& runtime : methods) {
    if (runtime->method == kOtherMethod) {
      traffic.knows_all = false;
      continue;
    }
    traffic.services.emplace(ServiceOf(runtime->method));
    traffic.methods.push_back({runtime->channel, runtime->method,
                               runtime->stats.counts().calls,
                               runtime->settings()->options});
  }
  return traffic;
}

void EngineCore::NoteUnguarded(absl::string_view method) {
  const absl::string_view service = ServiceOf(method);
  core::MutexLock lock(&mu_);
  if (unguarded_.size() < kMaxChannels) unguarded_.emplace(service);
}

void EngineCore::TellErrors(const std::vector<LintFinding>& findings) {
  // The log has room for ten lines a minute.
  constexpr int64_t kMost = 5;
  int64_t errors = 0;
  for (const LintFinding& finding : findings) {
    if (finding.severity != LintFinding::Severity::kError) continue;
    if (++errors > kMost) continue;
    core::Event event;
    event.at = Now();
    event.cause = absl::StrCat("the policy: ", finding.where, ": ",
                               finding.problem, ": ", finding.fix);
    events_.Append(std::move(event));
  }
  if (errors <= kMost) return;
  core::Event event;
  event.at = Now();
  event.cause = absl::StrCat("the policy: ", errors - kMost,
                             " more errors: see firebreakctl policy lint");
  events_.Append(std::move(event));
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
