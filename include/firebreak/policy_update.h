// The request to replace a policy while calls run, and its result.
//
//   firebreak::PolicyUpdate update;
//   update.source = "deploy 1234";
//   update.if_version = engine->policy().version;   // fails if it has changed
//   update.dry_run = true;                           // changes nothing
//   auto change = engine->UpdatePolicy(text, update);
//   if (!change.ok()) return change.status();        // names every fault
//   for (const auto& d : change->differences) {
//     std::cout << d.path << ": " << d.before << " -> " << d.after << "\n";
//   }
//
// Version 1 is the policy that the engine was created with, and each policy
// that replaces it has the next number. All types here are plain data.
#ifndef FIREBREAK_INCLUDE_FIREBREAK_POLICY_UPDATE_H_
#define FIREBREAK_INCLUDE_FIREBREAK_POLICY_UPDATE_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "absl/types/optional.h"
#include "firebreak/export.h"

namespace firebreak {

namespace v1 {
class PolicySet;
}

// Something in a policy that is allowed, but most likely a mistake.
struct LintFinding {
  enum class Severity {
    kWarning,  // It may do harm in some situations.
    kError,    // It does harm.
  };
  Severity severity = Severity::kWarning;
  std::string where;    // "payment: /shop.v1.PaymentService/Charge"
  std::string problem;  // what may happen, and why
  std::string fix;      // what to write instead
};
// "error: payment: /shop.v1.PaymentService/Charge: is hedged, ...; fix: ...".
FIREBREAK_EXPORT std::ostream& operator<<(std::ostream& out,
                                          const LintFinding& finding);

// How to replace a policy.
struct PolicyUpdate {
  // Check and compare everything, and change nothing.
  bool dry_run = false;
  // Replace only this version. If another one is in force, the update is
  // ABORTED and nothing changes.
  absl::optional<std::uint64_t> if_version;
  // Who or what the policy comes from, for events: "file /etc/shop.textproto".
  // It is cut after 200 characters, and '?' replaces what is not printable.
  std::string source;
};

// One field that differs between the old policy and the new one.
struct PolicyDifference {
  // "method[payment].breaker.failure_rate". An entry is named by its id, or by
  // the first of its names ("method[/shop.v1.Stock/Get]", "method[*]").
  std::string path;
  // The values in the text format, in one line and cut after 200 characters.
  // Empty means that the field is not set. A part or an entry that is added or
  // removed is one difference with everything in it. A list of codes is one
  // value.
  std::string before;
  std::string after;
};

// The result of an update.
struct PolicyChange {
  // The version in force after the update. A dry run does not change it.
  std::uint64_t version = 0;
  // false: the policy in force means the same and stays. The order of entries,
  // of their names and of codes makes no difference.
  bool changed = false;
  // The first 500 differences, in the order of the policy, and the number of
  // further ones.
  std::vector<PolicyDifference> differences;
  std::int64_t differences_left_out = 0;
  // The findings in the new policy: see Engine::Lint().
  std::vector<LintFinding> findings;
  // Calls that a breaker may refuse by the old policy, but not by the new one:
  // "/shop.v1.PaymentService/Charge on channel "payment"". The first 100,
  // sorted, and the number of further ones.
  std::vector<std::string> lost_breakers;
  std::int64_t lost_breakers_left_out = 0;
};

// The policy in force.
struct PolicyInForce {
  // Never null. For a service config: the equivalent policy.
  std::shared_ptr<const v1::PolicySet> policy;
  std::uint64_t version = 0;
  std::string source;
  std::chrono::system_clock::time_point since;
};

}  // namespace firebreak

#endif  // FIREBREAK_INCLUDE_FIREBREAK_POLICY_UPDATE_H_
