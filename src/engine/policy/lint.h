// What a policy allows and its author most likely does not mean.
//
//   for (const LintFinding& finding : Lint(table)) {
//     std::cerr << finding.where << ": " << finding.problem << "\n";
//   }
//
// An error: calls that are hedged, where nobody says that they may run twice;
// neither the entry (`idempotent: true`) nor the method's proto
// (`idempotency_level`). So are an entry without a name and a "*" in a name
// (lint_names.h), which are for no call.
//
// Warnings: retries of that kind; names that are most likely misspelt, and
// entries that hide a wider one's breaker (lint_names.h); numbers that leave no
// room for each other, and hedging beside `idempotent: false` (lint_rules.h);
// methods that their service has not; a name that never wins;
// and, of a running engine, what its traffic leaves without use
// (lint_traffic.h).
//
// A service that is linked into the program is looked at method by method; of
// any other, and of a name that leaves the service open, the name itself is
// reported. Streams are left out: they are sent once.
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

// Of a policy of a megabyte there may be any number; so many are kept, and one
// more that counts the rest.
inline constexpr std::size_t kMaxFindings = 500;

// Errors first, then by `where`. `traffic`: of a running engine.
std::vector<LintFinding> Lint(const PolicyTable& policy,
                              const Traffic* traffic = nullptr);

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_POLICY_LINT_H_
