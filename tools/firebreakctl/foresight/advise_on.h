// Suggests numbers for a method's policy from its calls, each with a reason and
// simulated before it is proposed.
//
//   return AdviseOn({method, channel, seed}, recording, policy, style);
//
// Prints the result to standard output, and errors and the progress to standard
// error. Returns the exit code.
//
// Thread safety: none.
#ifndef FIREBREAK_TOOLS_FIREBREAKCTL_FORESIGHT_ADVISE_ON_H_
#define FIREBREAK_TOOLS_FIREBREAKCTL_FORESIGHT_ADVISE_ON_H_

#include <cstdint>
#include <string>

#include "src/engine/policy/policy_table.h"
#include "src/sim/recording.h"
#include "tools/firebreakctl/show/table.h"

namespace firebreak::ctl {

struct AdviseRequest {
  std::string method;   // its whole name
  std::string channel;  // as the policy names it
  uint64_t seed = 1;
};

// Returns 1 if the calls are too few.
int AdviseOn(const AdviseRequest& request, const sim::Recording& recording,
             const engine::PolicyTable& table, const Style& style);

}  // namespace firebreak::ctl

#endif  // FIREBREAK_TOOLS_FIREBREAKCTL_FORESIGHT_ADVISE_ON_H_
