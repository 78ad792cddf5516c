// The policy in force: where it comes from, how it is replaced, what was in
// force before, and the file that it follows.
//
//   PolicyStore store(table, "file /etc/p", &registry, &events, &io, traffic);
//   absl::StatusOr<PolicyChange> change = store.UpdatePolicy(next, update);
//   store.in_force().version;                    // 2
//
// Calls do not come here: they follow the MethodRegistry, which the store tells
// of each new policy (policy_user.h).
//
// Thread safety: safe from any thread. Ownership: what it is given outlives it.
#ifndef FIREBREAK_SRC_ENGINE_POLICY_STORE_H_
#define FIREBREAK_SRC_ENGINE_POLICY_STORE_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "firebreak/export.h"
#include "firebreak/policy_update.h"
#include "src/core/base/mutex.h"
#include "src/core/measure/event_log.h"
#include "src/engine/io/clock.h"
#include "src/engine/io/io.h"
#include "src/engine/policy/lint_traffic.h"
#include "src/engine/policy/policy_table.h"
#include "src/engine/policy/policy_user.h"
#include "src/engine/policy/policy_watch.h"

namespace firebreak::engine {

// What became of updates of the policy so far; of dry runs nothing is counted.
struct PolicyStats {
  int64_t applied = 0;
  int64_t unchanged = 0;  // said the same as the policy in force
  int64_t refused = 0;    // faults in it, no file, or ABORTED by `if_version`
  uint64_t version = 0;   // in force
  // Of the last that was applied or unchanged, else the engine's start.
  std::chrono::system_clock::time_point last_success;
  // The last one was refused for its faults, as was each since then.
  bool is_refused = false;
  std::chrono::system_clock::time_point refused_since;
};

class PolicyStore final : public PolicyTarget {
 public:
  struct Neighbours {
    PolicyUser* user = nullptr;
    core::EventLog* events = nullptr;
    Io* io = nullptr;
    // What is known of the calls so far, for the lint; without `policy_age`.
    std::function<Traffic()> traffic;
    bool clamp_attempts_at_5 = true;  // as in EngineOptions
    bool allow_faults = false;        // likewise
    EngineClock clock = EngineClock();
  };

  // `policy` is what `user` begins with. `source`: as in PolicyUpdate.
  PolicyStore(const PolicyTable& policy, absl::string_view source,
              Neighbours neighbours);

  // Replaces the policy, for calls that begin from now on; those under way end
  // with the one they began with. All state that the new one leaves room for
  // stays: windows, timers, overrides, tokens, queues, what has been learned.
  // Of a policy that could not be had, its error: that too is an event.
  absl::StatusOr<PolicyChange> UpdatePolicy(
      const absl::StatusOr<PolicyTable>& policy,
      const PolicyUpdate& update) override;
  // An event about the policy, which stays as it is. Both texts are printable.
  void NotePolicyIsWell(const std::string& source,
                        absl::string_view what) override;
  bool clamps_attempts_at_5() const override {
    return neighbours_.clamp_attempts_at_5;
  }

  PolicyInForce in_force() const;
  // Those that were in force before, the last one first; at most kMaxHistory.
  std::vector<PolicyInForce> history() const;
  // Exported for libfirebreak_prometheus (docs/adr/0021).
  FIREBREAK_EXPORT PolicyStats stats() const;

  // `interval` as in WatchOptions. `self` is this store, with what it has to
  // keep alive; held weakly.
  absl::Status WatchFile(const std::string& path, core::Duration interval,
                         const std::shared_ptr<PolicyTarget>& self);
  // The same with a watch that has been made, and no more.
  absl::Status Watch(const std::shared_ptr<PolicyWatch>& watch,
                     const std::shared_ptr<PolicyTarget>& self);
  void StopWatching();

  // Of the policy in force, with what the engine has seen.
  std::vector<LintFinding> Lint() const;
  // The first errors, as warnings in the log.
  void TellErrors(const std::vector<LintFinding>& findings);

 private:
  // What an update would come to now.
  absl::StatusOr<PolicyChange> Examine(
      const absl::StatusOr<PolicyTable>& policy,
      const PolicyUpdate& update) const;
  void Swap(const PolicyTable& policy, const std::string& source)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(update_mu_);
  void AppendEvent(uint64_t from, uint64_t to, std::string cause,
                   bool refused = false);

  const Neighbours neighbours_;

  // Held while one file takes the place of another; before a PolicyWatch's own,
  // and that before `update_mu_`.
  core::Mutex watch_mu_;
  std::shared_ptr<PolicyWatch> watch_ ABSL_GUARDED_BY(watch_mu_);  // or null

  // Held for an update as a whole, so that they come one after the other. What
  // the user locks is taken after it, and `mu_` after that.
  core::Mutex update_mu_;

  mutable core::Mutex mu_;
  PolicyInForce in_force_ ABSL_GUARDED_BY(mu_);
  core::Time began_ ABSL_GUARDED_BY(mu_);  // when it came into force
  // Enough to get back from a bad evening; of a megabyte each at most.
  static constexpr std::size_t kMaxHistory = 10;
  std::deque<PolicyInForce> history_ ABSL_GUARDED_BY(mu_);
  PolicyStats stats_ ABSL_GUARDED_BY(mu_);  // but for its version
};

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_POLICY_STORE_H_
