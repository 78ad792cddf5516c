// What a policy allows and its author most likely does not mean.
//
//   for (const LintFinding& finding : Lint(table)) {
//     std::cerr << finding.where << ": " << finding.problem << "\n";
//   }
//
// One kind of finding at present: an entry that hedges, or that retries codes
// with which a call may have run, where nobody says that its methods may run
// twice: neither the entry (`idempotent: true`) nor the method's proto
// (`idempotency_level`). An entry that says `idempotent: false` is fine: its
// calls are not hedged, and not sent again when they may have run.
//
// A service that is linked into the program is looked at method by method; of
// any other, and of a name that leaves the service open, the name itself is
// reported. Streams are left out: they are sent once.
//
// Thread safety: safe from any thread.
#ifndef FIREBREAK_SRC_ENGINE_LINT_H_
#define FIREBREAK_SRC_ENGINE_LINT_H_

#include <vector>

#include "firebreak/engine.h"
#include "src/engine/policy_table.h"

namespace firebreak::engine {

// Errors first, then by `where`.
std::vector<LintFinding> Lint(const PolicyTable& policy);

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_LINT_H_
