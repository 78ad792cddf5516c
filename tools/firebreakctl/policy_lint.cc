#include "tools/firebreakctl/policy_lint.h"

#include <iostream>
#include <vector>

#include "absl/strings/str_split.h"
#include "src/engine/lint.h"
#include "src/engine/policy.h"
#include "tools/firebreakctl/commands.h"

namespace firebreak::ctl {

int LintPolicy(const std::string& path, const Style& style) {
  const absl::StatusOr<engine::PolicyTable> policy =
      engine::LoadPolicyFile(path);
  if (!policy.ok()) {
    // One error to a line.
    for (absl::string_view line :
         absl::StrSplit(policy.status().message(), '\n', absl::SkipEmpty())) {
      std::cerr << "firebreakctl: " << Printable(line) << "\n";
    }
    return kExitFailed;
  }
  const std::vector<LintFinding> findings = engine::Lint(*policy);
  bool has_error = false;
  for (const LintFinding& finding : findings) {
    const bool is_error = finding.severity == LintFinding::Severity::kError;
    has_error = has_error || is_error;
    const std::string severity = is_error ? "error" : "warning";
    std::cout << (style.colours ? Painted(severity, is_error ? Colour::kRed
                                                             : Colour::kYellow)
                                : severity)
              << ": " << Printable(finding.where) << "\n    "
              << Printable(finding.problem)
              << "\n    fix: " << Printable(finding.fix) << "\n";
  }
  if (findings.empty()) std::cout << "nothing found\n";
  return has_error ? kExitFailed : kExitOk;
}

}  // namespace firebreak::ctl
