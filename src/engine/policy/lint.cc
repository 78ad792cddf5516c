#include "src/engine/policy/lint.h"

#include <algorithm>
#include <string>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/types/optional.h"
#include "google/protobuf/descriptor.h"
#include "src/engine/policy/idempotency.h"
#include "src/engine/policy/lint_names.h"
#include "src/engine/policy/lint_rules.h"

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

using google::protobuf::DescriptorPool;
using google::protobuf::MethodDescriptor;
using google::protobuf::ServiceDescriptor;

// With these codes a server has most likely not run the call: it was not there,
// or had no room for it.
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

// Returns the finding for these options, without its place.
absl::optional<LintFinding> FindRepeatRisk(const core::MethodOptions& options) {
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

// Whether the proto does not answer the question that a finding is about.
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
          LintEntry(channel, options);
          LintTwice(channel, service, method, options);
          if (!service.empty()) {
            LintDescriptor(channel, service, method, options);
          }
        });
    return std::move(findings_);
  }

 private:
  void Add(LintFinding finding, std::string where) {
    finding.where = std::move(where);
    findings_.push_back(std::move(finding));
  }

  // An entry with many names is examined once for each of them, and a finding
  // that is the same each time is reported once.
  void LintEntry(absl::string_view channel,
                 const core::MethodOptions& options) {
    std::vector<LintFinding> found;
    JudgeNumbers(options, &found);
    for (LintFinding& finding : found) Add(std::move(finding), options.policy);
    found.clear();
    JudgeShared(options, policy_.AdmissionFor(channel),
                policy_.BudgetFor(channel), &found);
    for (LintFinding& finding : found) {
      Add(std::move(finding),
          channel.empty()
              ? options.policy
              : absl::StrCat(options.policy, ": on channel \"", channel, "\""));
    }
  }

  void LintTwice(absl::string_view channel, absl::string_view service,
                 absl::string_view method, const core::MethodOptions& options) {
    const absl::optional<LintFinding> finding = FindRepeatRisk(options);
    if (!finding) return;
    const auto add = [&](absl::string_view name) {
      Add(*finding, PlaceOf(channel, service, name, options));
    };
    if (!method.empty()) {
      const MethodDescriptor* descriptor =
          FindDescriptor(absl::StrCat("/", service, "/", method));
      if (descriptor == nullptr || IsOpen(*descriptor)) add(method);
      return;
    }
    const ServiceDescriptor* descriptor = FindService(service);
    if (descriptor == nullptr) return add("");
    for (int i = 0; i < descriptor->method_count(); ++i) {
      const MethodDescriptor& each = *descriptor->method(i);
      // Another entry may name the method itself and so win.
      if (IsOpen(each) && Wins(channel, each, options)) add(each.name());
    }
  }

  // For a service that is linked into the program.
  void LintDescriptor(absl::string_view channel, absl::string_view service,
                      absl::string_view method,
                      const core::MethodOptions& options) {
    const ServiceDescriptor* descriptor = FindService(service);
    if (descriptor == nullptr) return;
    const std::string where = PlaceOf(channel, service, method, options);
    if (!method.empty()) {
      if (descriptor->FindMethodByName(std::string(method)) != nullptr) return;
      Add(Warning(absl::StrCat("is for a method that ", service, " has not"),
                  absl::StrCat("write the name as the proto has it: ",
                               MethodsOf(*descriptor))),
          where);
      return;
    }
    for (int i = 0; i < descriptor->method_count(); ++i) {
      if (Wins(channel, *descriptor->method(i), options)) return;
    }
    Add(Warning("never applies, since each method of the service has an entry "
                "of its own",
                "take it out, or keep it for methods to come"),
        where);
  }

  static const ServiceDescriptor* FindService(absl::string_view service) {
    return DescriptorPool::generated_pool()->FindServiceByName(
        std::string(service));
  }

  // Whether the entry wins for calls on channels that no better entry names.
  bool Wins(absl::string_view channel, const MethodDescriptor& method,
            const core::MethodOptions& options) const {
    return policy_
               .Find(channel, absl::StrCat("/", method.service()->full_name(),
                                           "/", method.name()))
               .get() == &options;
  }

  static std::string MethodsOf(const ServiceDescriptor& service) {
    constexpr int kShown = 5;
    std::vector<std::string> names;
    for (int i = 0; i < service.method_count(); ++i) {
      names.emplace_back(
          i < kShown ? absl::string_view(service.method(i)->name()) : "...");
      if (i == kShown) break;
    }
    return absl::StrJoin(names, ", ");
  }

  const PolicyTable& policy_;
  std::vector<LintFinding> findings_;
};

// Also applies the limit kMaxFindings.
void Sort(std::vector<LintFinding>* findings) {
  const auto key = [](const LintFinding& finding) {
    return std::make_tuple(-static_cast<int>(finding.severity),
                           absl::string_view(finding.where),
                           absl::string_view(finding.problem));
  };
  std::sort(findings->begin(), findings->end(),
            [&](const LintFinding& a, const LintFinding& b) {
              return key(a) < key(b);
            });
  findings->erase(std::unique(findings->begin(), findings->end(),
                              [&](const LintFinding& a, const LintFinding& b) {
                                return key(a) == key(b);
                              }),
                  findings->end());
  if (findings->size() <= kMaxFindings) return;
  const size_t more = findings->size() - kMaxFindings;
  findings->resize(kMaxFindings);
  findings->push_back(Warning(absl::StrCat("has ", more, " more findings"),
                              "mend those above first"));
  findings->back().where = "the policy";
}

}  // namespace

std::vector<LintFinding> Lint(const PolicyTable& policy,
                              const Traffic* traffic) {
  std::vector<LintFinding> findings = Linter(policy).Run();
  JudgeEntries(policy, &findings);
  JudgeHidden(policy, &findings);
  JudgeSpelling(policy, traffic, &findings);
  if (traffic != nullptr) JudgeTraffic(policy, *traffic, &findings);
  Sort(&findings);
  return findings;
}

}  // namespace firebreak::engine
