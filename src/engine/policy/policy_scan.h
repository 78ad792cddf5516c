// Examines a policy's text before it is parsed, for what the parser would not
// survive, and for what it would not notice.
//
//   if (!CheckNesting(text, &errors)) return errors.ToStatus();
//
// It only looks for brackets and strings, which are the same in the text format
// and in JSON. Part of the policy compiler; pure functions.
#ifndef FIREBREAK_SRC_ENGINE_POLICY_POLICY_SCAN_H_
#define FIREBREAK_SRC_ENGINE_POLICY_POLICY_SCAN_H_

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "src/engine/policy/policy_errors.h"

namespace firebreak::engine {

// Our language has five levels, and a service config's load balancing some ten.
inline constexpr int kMaxPolicyDepth = 32;

// Returns false, and adds an error, if a text has more levels: parsers recurse.
bool CheckNesting(absl::string_view text, PolicyErrors* errors);

// Visits each brace of the text format, "{}<>", with its line, which counts
// from 1.
void ForEachBrace(absl::string_view text,
                  absl::FunctionRef<void(char brace, int line)> visit);

// Reports every [] of the text format. An empty list leaves no trace in a
// message, and would mean the default there.
void FindEmptyLists(absl::string_view text, PolicyErrors* errors);

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_POLICY_POLICY_SCAN_H_
