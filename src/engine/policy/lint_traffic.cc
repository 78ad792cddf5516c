#include "src/engine/policy/lint_traffic.h"

#include <algorithm>
#include <chrono>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "src/core/base/duration.h"
#include "src/engine/policy/lint_rules.h"

namespace firebreak::engine {
namespace {

constexpr core::Duration kLongEnough = std::chrono::minutes(10);
constexpr int64_t kEnoughCalls = 1000;
// How many windows must have passed before their mean says something.
constexpr int kWindows = 10;
// How far traffic must exceed the mean before that is no accident.
constexpr double kBusy = 2;

using Name = std::tuple<std::string, std::string, std::string>;

// Returns every name that matches a method that has been called.
absl::flat_hash_set<Name> NamesOf(const Traffic& traffic) {
  absl::flat_hash_set<Name> names;
  for (const Traffic::Method& seen : traffic.methods) {
    if (seen.calls == 0) continue;
    const absl::string_view path = seen.method;
    const size_t slash = path.rfind('/');
    if (slash == absl::string_view::npos || slash == 0) continue;
    const std::string service(path.substr(1, slash - 1));
    const std::string method(path.substr(slash + 1));
    for (const std::string& channel : {seen.channel, std::string()}) {
      names.emplace(channel, service, method);
      names.emplace(channel, service, "");
    }
  }
  return names;
}

void JudgeNames(const PolicyTable& policy, const Traffic& traffic,
                std::vector<LintFinding>* findings) {
  if (!traffic.knows_all ||
      std::min(traffic.age, traffic.policy_age) < kLongEnough) {
    return;
  }
  int64_t calls = 0;
  for (const Traffic::Method& seen : traffic.methods) calls += seen.calls;
  const absl::flat_hash_set<Name> names = NamesOf(traffic);
  policy.ForEachName([&](absl::string_view channel, absl::string_view service,
                         absl::string_view method,
                         const core::MethodOptions& options) {
    LintFinding finding;
    if (!channel.empty() && !traffic.channels.contains(channel)) {
      finding = Warning(absl::StrCat("is for the channel \"", channel,
                                     "\", and none of that name has been made"),
                        "write the name as it is given to CreateChannel(), or "
                        "take the entry out");
    } else if (!service.empty() && calls >= kEnoughCalls &&
               !names.contains(Name(channel, service, method))) {
      finding = Warning(
          absl::StrCat("has matched none of ", calls, " calls"),
          "write service and method as the proto has them, with the package; "
          "or take the name out");
    } else {
      return;
    }
    finding.where = PlaceOf(channel, service, method, options);
    findings->push_back(std::move(finding));
  });
}

void JudgeRates(const Traffic& traffic, std::vector<LintFinding>* findings) {
  for (const Traffic::Method& seen : traffic.methods) {
    if (seen.calls == 0 || seen.options == nullptr) continue;
    const auto& breaker = seen.options->breaker;
    if (!breaker || !NeedsMinimumCalls(*breaker) ||
        traffic.age <
            std::max(kLongEnough, kWindows * breaker->window.duration)) {
      continue;
    }
    const double windows =
        std::chrono::duration<double>(traffic.age) / breaker->window.duration;
    const double usual = static_cast<double>(seen.calls) *
                         seen.options->max_attempts() / windows;
    if (kBusy * usual >= breaker->minimum_calls) continue;
    LintFinding finding = Warning(
        absl::StrCat(
            "has a breaker that judges from ", breaker->minimum_calls,
            " calls in ", core::FormatDuration(breaker->window.duration),
            " on, and about ", usual, " come in that time, so it sleeps"),
        "say confidence: 0.99, a lower minimum_calls or a longer window; or "
        "consecutive_failures, which needs none");
    finding.where = absl::StrCat(seen.options->policy, ": ", seen.method,
                                 " on channel \"", seen.channel, "\"");
    findings->push_back(std::move(finding));
  }
}

}  // namespace

void JudgeTraffic(const PolicyTable& policy, const Traffic& traffic,
                  std::vector<LintFinding>* findings) {
  JudgeNames(policy, traffic, findings);
  JudgeRates(traffic, findings);
  findings->insert(findings->end(), traffic.of_channels.begin(),
                   traffic.of_channels.end());
}

}  // namespace firebreak::engine
