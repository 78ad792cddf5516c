// Turns the messages of a policy into the core's options, one entry at a time.
//
//   PolicyDraft draft = drafts[base];           // what the entry inherits
//   ApplyEntry(entry, &draft, &errors);         // sets only what it sets
//   core::MethodOptions options = Finish(draft, &check_errors);
//
// Inheritance copies drafts, not messages: a draft is small and bounded however
// long the strings and lists of the file are.
//
// Errors have field paths relative to the entry ("breaker.open_duration",
// "retry.codes[1]"). Part of the policy compiler; pure functions.
#ifndef FIREBREAK_SRC_ENGINE_POLICY_POLICY_DRAFT_H_
#define FIREBREAK_SRC_ENGINE_POLICY_POLICY_DRAFT_H_

#include <string>

#include "absl/container/flat_hash_set.h"
#include "absl/types/optional.h"
#include "firebreak/v1/policy.pb.h"
#include "src/core/options.h"

namespace firebreak::engine {

// What an entry and its bases set, without the defaults that depend on others.
struct PolicyDraft {
  // Also has the parts that are switched off.
  core::MethodOptions options;
  // The names of these parts: "breaker", "bulkhead"; "adaptive" is a part of
  // `retry`.
  absl::flat_hash_set<std::string> off;
  // These are only set if an entry sets them, and not by default.
  absl::optional<int> retry_attempts;
  absl::optional<int> hedging_attempts;
  bool has_probe_interval = false;
  // The fields whose value could not be read and was replaced by a stand-in,
  // for which no further error is reported.
  absl::flat_hash_set<std::string> unreadable;
};

// Sets in `draft` what `entry` sets, and reports what cannot be read.
void ApplyEntry(const v1::MethodPolicy& entry, PolicyDraft* draft,
                core::FieldErrors* errors);

// Returns the finished options. Reports values out of range and contradictions,
// also in parts that are switched off: another entry may switch them on.
core::MethodOptions Finish(const PolicyDraft& draft, core::FieldErrors* errors);

// Do the same for a channel, in one step.
core::BudgetOptions ToBudget(const v1::ChannelPolicy& entry,
                             core::FieldErrors* errors);
core::AdmissionOptions ToAdmission(const v1::ChannelPolicy& entry,
                                   core::FieldErrors* errors);

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_POLICY_POLICY_DRAFT_H_
