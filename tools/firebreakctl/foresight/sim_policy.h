// A policy in the form that a simulation takes.
//
//   sim::Policy policy = PolicyOf(*table, "payment");
//
// Thread safety: safe from any thread. Ownership: the policy has a table of its
// own.
#ifndef FIREBREAK_TOOLS_FIREBREAKCTL_FORESIGHT_SIM_POLICY_H_
#define FIREBREAK_TOOLS_FIREBREAKCTL_FORESIGHT_SIM_POLICY_H_

#include <string>

#include "src/engine/policy/policy_table.h"
#include "src/sim/forecast.h"

namespace firebreak::ctl {

// The channel's part of a policy.
inline sim::Policy PolicyOf(const engine::PolicyTable& table,
                            const std::string& channel) {
  sim::Policy policy;
  policy.channel = channel;
  policy.find = [table, channel](const std::string& method) {
    return table.FindForCall(channel, method);
  };
  policy.budget = table.BudgetFor(channel);
  policy.admission = table.AdmissionFor(channel);
  return policy;
}

}  // namespace firebreak::ctl

#endif  // FIREBREAK_TOOLS_FIREBREAKCTL_FORESIGHT_SIM_POLICY_H_
