// A policy that is replaced while calls run: how, and what came of it.
//
//   firebreak::PolicyUpdate update;
//   update.source = "deploy 1234";
//   update.if_version = engine->policy().version;   // nobody else's meanwhile
//   update.dry_run = true;                           // only look
//   auto change = engine->UpdatePolicy(text, update);
//   if (!change.ok()) return change.status();        // every fault of the text
//   for (const auto& d : change->differences) {
//     std::cout << d.path << ": " << d.before << " -> " << d.after << "\n";
//   }
//
// Versions are numbered from 1, the policy the engine was made with, without
// gaps. Plain data, copied freely.
#ifndef FIREBREAK_INCLUDE_FIREBREAK_POLICY_UPDATE_H_
#define FIREBREAK_INCLUDE_FIREBREAK_POLICY_UPDATE_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "absl/types/optional.h"

namespace firebreak {

namespace v1 {
class PolicySet;
}

// Something in a policy that is allowed and most likely not meant.
struct LintFinding {
  enum class Severity {
    kWarning,  // can do harm at times
    kError,    // does harm
  };
  Severity severity = Severity::kWarning;
  std::string where;    // "payment: /shop.v1.PaymentService/Charge"
  std::string problem;  // what may happen, and why
  std::string fix;      // what to write instead
};
// "error: payment: /shop.v1.PaymentService/Charge: is hedged, ...; fix: ...".
std::ostream& operator<<(std::ostream& out, const LintFinding& finding);

// How a policy is to be replaced.
struct PolicyUpdate {
  // Everything is checked and compared, and nothing changes.
  bool dry_run = false;
  // Only while this version is in force; else ABORTED, and nothing changes.
  absl::optional<std::uint64_t> if_version;
  // Who or what it comes from, for events: "file /etc/shop.textproto". Cut
  // after 200 characters, and what cannot be printed becomes '?'.
  std::string source;
};

// One field that the new policy has otherwise.
struct PolicyDifference {
  // "method[payment].breaker.failure_rate". An entry goes by its id, else by
  // the first of its names ("method[/shop.v1.Stock/Get]", "method[*]").
  std::string path;
  // As the text format has it, in one line, cut after 200 characters; empty =
  // not there. A part that comes or goes is one difference with all that is in
  // it, and so is an entry. A list of codes is one value.
  std::string before;
  std::string after;
};

// What came of it.
struct PolicyChange {
  // In force afterwards; of a dry run, now.
  std::uint64_t version = 0;
  // False: the policy in force says the same, and stays. The order of entries,
  // of their names and of codes says nothing.
  bool changed = false;
  // The first 500, in the order of the policy; and how many more there are.
  std::vector<PolicyDifference> differences;
  std::int64_t differences_left_out = 0;
  // Of the new policy: see Engine::Lint().
  std::vector<LintFinding> findings;
  // Calls that have a breaker by the old policy and none that refuses by the
  // new one: "/shop.v1.PaymentService/Charge on channel "payment"". The first
  // 100, sorted, and how many more there are.
  std::vector<std::string> lost_breakers;
  std::int64_t lost_breakers_left_out = 0;
};

// What holds now.
struct PolicyInForce {
  // Never null. Of a service config: the policy that says the same.
  std::shared_ptr<const v1::PolicySet> policy;
  std::uint64_t version = 0;
  std::string source;
  std::chrono::system_clock::time_point since;
};

}  // namespace firebreak

#endif  // FIREBREAK_INCLUDE_FIREBREAK_POLICY_UPDATE_H_
