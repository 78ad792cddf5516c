// Lint rules for a running engine: which parts of its policy its traffic never
// uses.
//
//   Traffic traffic;
//   traffic.age = now - started;
//   traffic.methods.push_back({"payment", "/p.S/M", 120, options});
//   JudgeTraffic(table, traffic, &findings);
//
// There are no findings in the first ten minutes of an engine or a policy, and
// none about names before a thousand calls have been made: a method that is
// called once an hour is not misspelled. Pure functions.
#ifndef FIREBREAK_SRC_ENGINE_POLICY_LINT_TRAFFIC_H_
#define FIREBREAK_SRC_ENGINE_POLICY_LINT_TRAFFIC_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "firebreak/policy_update.h"
#include "src/core/base/time.h"
#include "src/core/options.h"
#include "src/engine/policy/policy_table.h"

namespace firebreak::engine {

struct Traffic {
  struct Method {
    std::string channel;
    std::string method;  // "/pkg.Service/Method"
    int64_t calls = 0;
    std::shared_ptr<const core::MethodOptions> options;  // as they are now
  };

  core::Duration age = core::Duration::zero();         // of the engine
  core::Duration policy_age = core::Duration::zero();  // of the policy
  std::vector<Method> methods;
  absl::flat_hash_set<std::string> channels;  // names they were made with
  // Services that were called, with a policy or without.
  absl::flat_hash_set<std::string> services;
  // False if there were more than are remembered. Names are not judged then.
  bool knows_all = true;
  // Findings from when channels were made.
  std::vector<LintFinding> of_channels;
};

// Appends the findings, in no particular order.
void JudgeTraffic(const PolicyTable& policy, const Traffic& traffic,
                  std::vector<LintFinding>* findings);

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_POLICY_LINT_TRAFFIC_H_
