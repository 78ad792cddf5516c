// Names of a policy that do not mean what their author thinks, and so leave
// calls without the protection that was written down for them.
//
//   JudgeEntries(policy, &findings);
//   JudgeHidden(policy, &findings);
//   JudgeSpelling(policy, traffic, &findings);
//
// Pure functions; part of lint.h, which is what others include.
#ifndef FIREBREAK_SRC_ENGINE_POLICY_LINT_NAMES_H_
#define FIREBREAK_SRC_ENGINE_POLICY_LINT_NAMES_H_

#include <vector>

#include "firebreak/policy_update.h"
#include "src/engine/policy/lint_traffic.h"
#include "src/engine/policy/policy_table.h"

namespace firebreak::engine {

// Errors: an entry that has no name and is not the base of another one (except
// one with the name of a preset, which is meant as a base), and a "*" in a
// name, since no call has one.
void JudgeEntries(const PolicyTable& policy,
                  std::vector<LintFinding>* findings);

// Warnings: a name whose entry has no breaker although a wider entry has one.
// Only the entry that wins applies, so its calls have no breaker.
void JudgeHidden(const PolicyTable& policy, std::vector<LintFinding>* findings);

// Warnings: a channel that nobody has made, or a service that nobody has
// called, whose name differs by a letter or two from one that was made or
// called, or from one that is linked into the program. `traffic` may be null.
void JudgeSpelling(const PolicyTable& policy, const Traffic* traffic,
                   std::vector<LintFinding>* findings);

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_POLICY_LINT_NAMES_H_
