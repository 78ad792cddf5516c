// Lint rules for the numbers of one entry that leave no room for each other.
//
//   std::vector<LintFinding> findings;
//   JudgeNumbers(options, &findings);
//   JudgeShared(options, channel_admission, channel_budget, &findings);
//
// Each rule is a matter of arithmetic: what it reports can never happen, or can
// happen only while nothing goes wrong. What might be meant is not reported,
// and the defaults never are. The findings have no `where`, which lint.h adds.
// Pure functions.
#ifndef FIREBREAK_SRC_ENGINE_POLICY_LINT_RULES_H_
#define FIREBREAK_SRC_ENGINE_POLICY_LINT_RULES_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "firebreak/policy_update.h"
#include "src/core/options.h"

namespace firebreak::engine {

// Returns " on channel "c"", or "" for any channel.
std::string OnChannel(absl::string_view channel);
// Returns which calls an entry of these names is for: "every method of p.S on
// channel "c"".
std::string CallsOf(absl::string_view channel, absl::string_view service,
                    absl::string_view method);
// Returns which calls a finding is about: "payment: every method of p.S on
// channel "c"".
std::string PlaceOf(absl::string_view channel, absl::string_view service,
                    absl::string_view method,
                    const core::MethodOptions& options);

// Returns a warning without its place.
LintFinding Warning(std::string problem, std::string fix);

// Adds findings in an entry by itself.
void JudgeNumbers(const core::MethodOptions& options,
                  std::vector<LintFinding>* findings);

// Adds findings in an entry together with what its channel has.
void JudgeShared(const core::MethodOptions& options,
                 const core::AdmissionOptions& of_channel,
                 const core::BudgetOptions& budget,
                 std::vector<LintFinding>* findings);

// Whether a breaker can only open by a rate that is judged from `minimum_calls`
// on within a time, since no other rule is on.
bool NeedsMinimumCalls(const core::BreakerOptions& breaker);

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_POLICY_LINT_RULES_H_
