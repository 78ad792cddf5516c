// `firebreakctl policy lint FILE`: what is wrong with a policy, without a
// server.
//
// Thread safety: none.
#ifndef FIREBREAK_TOOLS_FIREBREAKCTL_POLICY_LINT_H_
#define FIREBREAK_TOOLS_FIREBREAKCTL_POLICY_LINT_H_

#include <string>

#include "tools/firebreakctl/table.h"

namespace firebreak::ctl {

// Prints what is found. The exit code: 0 for a policy that is accepted and has
// no finding of severity error, else 1.
int LintPolicy(const std::string& path, const Style& style);

}  // namespace firebreak::ctl

#endif  // FIREBREAK_TOOLS_FIREBREAKCTL_POLICY_LINT_H_
