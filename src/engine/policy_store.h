// The policy in force: where it comes from, how it is replaced, what was in
// force before, and the file that it follows.
//
//   PolicyStore store(table, "file /etc/p",
//                     {&registry, &events, &io, traffic});
//   absl::StatusOr<PolicyChange> change = store.UpdatePolicy(next, update);
//   store.in_force().version;                    // 2
//
// Calls do not use this class. They use the MethodRegistry, to which the store
// gives each new policy (policy_user.h).
//
// Thread safety: safe from any thread. Ownership: everything that it is given
// must outlive it.
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

// How many updates of the policy had which result so far. Dry runs do not
// count.
struct PolicyStats {
  int64_t applied = 0;
  int64_t unchanged = 0;  // same as the policy in force
  int64_t refused = 0;    // faults in it, no file, or ABORTED by `if_version`
  uint64_t version = 0;   // in force
  // When an update was last applied or found unchanged, or the engine's start.
  std::chrono::system_clock::time_point last_success;
  // Whether the last update was refused for its faults, as was each update
  // since `refused_since`.
  bool is_refused = false;
  std::chrono::system_clock::time_point refused_since;
};

// Returns the first line of why a policy was refused, printable, and how many
// more there are.
std::string FirstFault(const absl::Status& status);
// Returns "3 differences".
std::string CountDifferences(const PolicyChange& change);

class PolicyStore final : public PolicyTarget {
 public:
  struct Neighbours {
    PolicyUser* user = nullptr;
    core::EventLog* events = nullptr;
    Io* io = nullptr;
    // Returns what is known about the calls so far, for the lint. It does not
    // set `policy_age`.
    std::function<Traffic()> traffic;
    bool clamp_attempts_at_5 = true;  // as in EngineOptions
    bool allow_faults = false;        // likewise
    EngineClock clock = EngineClock();
  };

  // `policy` is what `user` begins with. `source` is as in PolicyUpdate.
  PolicyStore(const PolicyTable& policy, absl::string_view source,
              Neighbours neighbours);

  // Replaces the policy for calls that begin from now on. Calls in flight end
  // with the policy that they began with. All state that fits the new policy is
  // kept: windows, timers, overrides, tokens, queues, and what has been
  // learned. If `policy` is an error, so that there is no policy, the update is
  // refused with that error, which is an event too.
  absl::StatusOr<PolicyChange> UpdatePolicy(
      const absl::StatusOr<PolicyTable>& policy,
      const PolicyUpdate& update) override;
  // Records an event about the policy, which stays as it is. Both texts must be
  // printable.
  void NotePolicyIsWell(const std::string& source,
                        absl::string_view what) override;
  // Records an event about another policy than the one in force, which stays.
  void Note(const std::string& source, absl::string_view what,
            bool refused = false);
  bool clamps_attempts_at_5() const override {
    return neighbours_.clamp_attempts_at_5;
  }

  PolicyInForce in_force() const;
  // Returns the policies that were in force before, the most recent one first;
  // at most kMaxHistory.
  std::vector<PolicyInForce> history() const;
  // Exported for libfirebreak_prometheus (docs/adr/0021).
  FIREBREAK_EXPORT PolicyStats stats() const;

  // `interval` is as in WatchOptions. `self` is this store, as a pointer that
  // keeps alive what it needs. It is held weakly.
  absl::Status WatchFile(const std::string& path, core::Duration interval,
                         const std::shared_ptr<PolicyTarget>& self);
  // Does the same with a watch that exists already.
  absl::Status Watch(const std::shared_ptr<PolicyWatch>& watch,
                     const std::shared_ptr<PolicyTarget>& self);
  void StopWatching();

  // Returns the findings in the policy in force, given what the engine has
  // seen.
  std::vector<LintFinding> Lint() const;
  // Logs the first errors among `findings` as warnings.
  void TellErrors(const std::vector<LintFinding>& findings);

 private:
  // Returns what an update would change now, without doing it.
  absl::StatusOr<PolicyChange> Examine(
      const absl::StatusOr<PolicyTable>& policy,
      const PolicyUpdate& update) const;
  void Swap(const PolicyTable& policy, const std::string& source)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(update_mu_);
  void AppendEvent(uint64_t from, uint64_t to, std::string cause,
                   bool refused = false);

  const Neighbours neighbours_;

  // Held while one file replaces another. It is acquired before the lock of a
  // PolicyWatch, and that one before `update_mu_`.
  core::Mutex watch_mu_;
  std::shared_ptr<PolicyWatch> watch_ ABSL_GUARDED_BY(watch_mu_);  // or null

  // Held for a whole update, so that updates come one after the other. The
  // locks of the user are acquired after it, and `mu_` after those.
  core::Mutex update_mu_;

  mutable core::Mutex mu_;
  PolicyInForce in_force_ ABSL_GUARDED_BY(mu_);
  core::Time began_ ABSL_GUARDED_BY(mu_);  // when it came into force
  // Enough to go back to a good policy after some bad ones. Each has at most a
  // megabyte.
  static constexpr std::size_t kMaxHistory = 10;
  std::deque<PolicyInForce> history_ ABSL_GUARDED_BY(mu_);
  PolicyStats stats_ ABSL_GUARDED_BY(mu_);  // except its version
};

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_POLICY_STORE_H_
