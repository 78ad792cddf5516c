// Policy files on this machine. No server is asked.
//
// Thread safety: none.
#ifndef FIREBREAK_TOOLS_FIREBREAKCTL_ASK_POLICY_FILE_H_
#define FIREBREAK_TOOLS_FIREBREAKCTL_ASK_POLICY_FILE_H_

#include <string>

#include "absl/status/statusor.h"
#include "tools/firebreakctl/show/table.h"

namespace firebreak::ctl {

// Reads a policy file; "-" is standard input.
absl::StatusOr<std::string> ReadPolicyFile(const std::string& path);

// `firebreakctl policy lint FILE`: prints the findings, as JSON in the form of
// a server's answer. "-" is standard input. Returns the exit code: 0 for a
// policy that is accepted and has no finding of severity error, otherwise 1.
int LintPolicyFile(const std::string& path, bool json, const Style& style);

}  // namespace firebreak::ctl

#endif  // FIREBREAK_TOOLS_FIREBREAKCTL_ASK_POLICY_FILE_H_
