// Finds what a policy allows but its author most likely does not mean.
//
//   for (const LintFinding& finding : Lint(table)) {
//     std::cerr << finding.where << ": " << finding.problem << "\n";
//   }
//
// Errors are: calls that are hedged although neither the entry (`idempotent:
// true`) nor the method's proto (`idempotency_level`) says that they may run
// twice; an entry without a name, and a "*" in a name, since both match no call
// (lint_names.h).
//
// Warnings are: retries of such calls; names that are most likely misspelled,
// and entries that hide the breaker of a wider one (lint_names.h); numbers that
// leave no room for each other, and hedging beside `idempotent: false`
// (lint_rules.h); methods that their service does not have; a name that never
// wins; and, for a running engine, what its traffic does not use
// (lint_traffic.h).
//
// A service that is linked into the program is examined method by method. For
// any other service, and for a name without a service, the name itself is
// reported. Streams are left out, since they are sent only once.
//
// Thread safety: safe from any thread.
#ifndef FIREBREAK_SRC_ENGINE_POLICY_LINT_H_
#define FIREBREAK_SRC_ENGINE_POLICY_LINT_H_

#include <cstddef>
#include <vector>

#include "firebreak/policy_update.h"
#include "src/engine/policy/lint_traffic.h"
#include "src/engine/policy/policy_table.h"

namespace firebreak::engine {

// A policy of a megabyte may have any number of findings. This many are kept,
// and one more that counts the rest.
inline constexpr std::size_t kMaxFindings = 500;

// Returns errors first, then sorted by `where`. `traffic` is that of a running
// engine, or null.
std::vector<LintFinding> Lint(const PolicyTable& policy,
                              const Traffic* traffic = nullptr);

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_POLICY_LINT_H_
