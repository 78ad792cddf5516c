#include "src/engine/lint.h"

#include <algorithm>
#include <string>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/types/optional.h"
#include "google/protobuf/descriptor.h"
#include "src/engine/idempotency.h"

namespace firebreak::engine {
namespace {

using google::protobuf::DescriptorPool;
using google::protobuf::MethodDescriptor;
using google::protobuf::ServiceDescriptor;

// With these a server has most likely not run the call: it was not there, or
// had no room for it.
constexpr core::CodeSet kNotRunCodes = {absl::StatusCode::kUnavailable,
                                        absl::StatusCode::kResourceExhausted};

std::string Codes(core::CodeSet codes) {
  std::vector<std::string> names;
  for (int n = 1; n < core::kStatusCodes; ++n) {
    const auto code = static_cast<absl::StatusCode>(n);
    if (codes.Contains(code) && !kNotRunCodes.Contains(code)) {
      names.push_back(absl::StatusCodeToString(code));
    }
  }
  return absl::StrJoin(names, ", ");
}

// What there is to say of these options, without the place.
absl::optional<LintFinding> Judge(const core::MethodOptions& options) {
  if (options.idempotent.has_value()) return absl::nullopt;
  LintFinding finding;
  if (options.hedging) {
    finding.severity = LintFinding::Severity::kError;
    finding.problem =
        "is hedged, so one call may run on several servers at a time, and "
        "nothing says that it may run twice";
    finding.fix =
        "say idempotent: true in the entry, or idempotency_level in the "
        "proto; or take the hedging out";
    return finding;
  }
  const std::string codes = options.retry ? Codes(options.retry->codes) : "";
  if (codes.empty()) return absl::nullopt;
  finding.problem = absl::StrCat(
      "is sent again after ", codes,
      ", with which it may have run, and nothing says that it may run twice");
  finding.fix =
      "say idempotent: true in the entry, or idempotency_level in the proto; "
      "or retry only UNAVAILABLE and RESOURCE_EXHAUSTED";
  return finding;
}

// More hedges than the channel's budget pays for in the long run.
absl::optional<LintFinding> JudgeBudget(const core::MethodOptions& options,
                                        const core::BudgetOptions& budget) {
  if (!options.hedging || options.hedging->quantile == 0 ||
      !options.idempotent.value_or(true)) {
    return absl::nullopt;
  }
  // 1 - 0.9 is a little less than 0.1.
  constexpr double kRounding = 1e-9;
  const double wanted = 1 - options.hedging->quantile;
  if (wanted <= budget.ratio + kRounding) return absl::nullopt;
  LintFinding finding;
  finding.problem = absl::StrCat("is hedged at the ", options.hedging->quantile,
                                 " quantile, so each call "
                                 "wants ",
                                 wanted, " hedges, and brings ", budget.ratio,
                                 " tokens to pay for them");
  finding.fix = absl::StrCat("say hedging.quantile: ", 1 - budget.ratio,
                             " or more, or a budget.ratio of ", wanted);
  return finding;
}

// Whether the proto leaves open what a finding is about.
bool IsOpen(const MethodDescriptor& method) {
  return !method.client_streaming() && !method.server_streaming() &&
         !IsIdempotent(method);
}

class Linter {
 public:
  explicit Linter(const PolicyTable& policy) : policy_(policy) {}

  std::vector<LintFinding> Run() {
    policy_.ForEachName(
        [this](absl::string_view channel, absl::string_view service,
               absl::string_view method, const core::MethodOptions& options) {
          LintName(channel, service, method, options);
        });
    std::sort(findings_.begin(), findings_.end(),
              [](const LintFinding& a, const LintFinding& b) {
                return std::make_tuple(-static_cast<int>(a.severity),
                                       absl::string_view(a.where)) <
                       std::make_tuple(-static_cast<int>(b.severity),
                                       absl::string_view(b.where));
              });
    return std::move(findings_);
  }

 private:
  void LintName(absl::string_view channel, absl::string_view service,
                absl::string_view method, const core::MethodOptions& options) {
    absl::optional<LintFinding> finding;
    const auto add = [&](absl::string_view what) {
      findings_.push_back(*finding);
      findings_.back().where = absl::StrCat(
          options.policy, ": ", what,
          channel.empty() ? "" : absl::StrCat(" on channel \"", channel, "\""));
    };
    finding = JudgeBudget(options, policy_.BudgetFor(channel));
    if (finding) {
      add(service.empty()  ? "every method without a better entry"
          : method.empty() ? absl::StrCat("every method of ", service)
                           : absl::StrCat("/", service, "/", method));
    }
    finding = Judge(options);
    if (!finding) return;
    if (service.empty()) return add("every method without a better entry");
    if (!method.empty()) {
      const std::string path = absl::StrCat("/", service, "/", method);
      const MethodDescriptor* descriptor = FindDescriptor(path);
      if (descriptor == nullptr || IsOpen(*descriptor)) add(path);
      return;
    }
    const ServiceDescriptor* descriptor =
        DescriptorPool::generated_pool()->FindServiceByName(
            std::string(service));
    if (descriptor == nullptr) {
      return add(absl::StrCat("every method of ", service));
    }
    for (int i = 0; i < descriptor->method_count(); ++i) {
      const MethodDescriptor& each = *descriptor->method(i);
      const std::string path = absl::StrCat("/", service, "/", each.name());
      // Another entry may name the method itself.
      const auto winner = policy_.Find(channel, path);
      if (IsOpen(each) && winner.get() == &options) add(path);
    }
  }

  const PolicyTable& policy_;
  std::vector<LintFinding> findings_;
};

}  // namespace

std::vector<LintFinding> Lint(const PolicyTable& policy) {
  return Linter(policy).Run();
}

}  // namespace firebreak::engine
