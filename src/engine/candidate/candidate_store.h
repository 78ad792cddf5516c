// The candidate policy of an engine: set, compared, promoted or cleared.
//
//   CandidateStore store({&policies, &methods, max_methods, clock});
//   absl::StatusOr<PolicyChange> change = store.Set(table, update);
//   ... each binding refers to the candidate (channel_binding.h) ...
//   change = store.Promote(promotion);       // now it is the policy in force
//
// There is one candidate at a time. It stays beside whatever policy is in force
// until it is cleared, promoted or replaced, and it ends with the engine.
//
// Thread safety: safe from any thread. Ownership: its neighbours outlive it.
#ifndef FIREBREAK_SRC_ENGINE_CANDIDATE_CANDIDATE_STORE_H_
#define FIREBREAK_SRC_ENGINE_CANDIDATE_CANDIDATE_STORE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "firebreak/export.h"
#include "firebreak/policy_update.h"
#include "src/core/base/mutex.h"
#include "src/engine/candidate/candidate.h"
#include "src/engine/io/clock.h"
#include "src/engine/method_registry.h"
#include "src/engine/policy/policy_table.h"
#include "src/engine/policy_store.h"

namespace firebreak::engine {

class CandidateStore {
 public:
  struct Neighbours {
    PolicyStore* policies = nullptr;
    MethodRegistry* methods = nullptr;
    std::size_t max_methods = 0;
    EngineClock clock = EngineClock();
  };
  struct Promotion {
    // Promote even if the live policy has changed since the candidate was set.
    bool force = false;
    // Promote only the candidate with this id. Zero means any.
    uint64_t if_id = 0;
    std::string source;  // as in PolicyUpdate
  };

  explicit CandidateStore(Neighbours neighbours);

  // Makes `policy` the candidate, and starts its counts at zero. Returns what
  // the policy would change if it were promoted now: the dry run of
  // PolicyStore::UpdatePolicy(), with the same errors. Also returns ABORTED if
  // `if_id` is not zero and is not the current candidate. After an error the
  // previous candidate stays. An error is logged as an event too, unless this
  // is a dry run. `set`, if it is not null, receives the new candidate; a dry
  // run and an error leave it alone.
  absl::StatusOr<PolicyChange> Set(const absl::StatusOr<PolicyTable>& policy,
                                   const PolicyUpdate& update,
                                   uint64_t if_id = 0,
                                   std::shared_ptr<Candidate>* set = nullptr);
  // Removes the candidate and returns it. Returns FAILED_PRECONDITION if there
  // is none, and ABORTED if it is not `if_id`, which is logged as an event too.
  absl::StatusOr<std::shared_ptr<Candidate>> Clear(const std::string& source,
                                                   uint64_t if_id = 0);
  // Puts the candidate into force, as UpdatePolicy() would. After that there is
  // no candidate, and the state of its breakers, budgets and queues is lost.
  // Returns FAILED_PRECONDITION if there is none, and ABORTED if it is not
  // `if_id` or the live policy has changed, which is logged as an event too.
  absl::StatusOr<PolicyChange> Promote(const Promotion& promotion);

  // Returns null if there is none.
  std::shared_ptr<Candidate> current() const;
  // Returns zero if there is none.
  uint64_t current_id() const { return current_id_; }
  // Returns what the candidate has counted for a method, or nothing if that has
  // not been called under it. Exported for libfirebreak_prometheus
  // (docs/adr/0021).
  FIREBREAK_EXPORT absl::optional<CandidateCounts> CountsOf(
      const MethodRuntime& live) const;

 private:
  // Returns ABORTED unless `if_id` is zero or the id of the candidate.
  absl::Status IsThere(uint64_t if_id) const;
  // Logs an event that the request of `source` was refused. Returns `why`.
  absl::Status Refuse(const std::string& source, absl::string_view what,
                      const absl::Status& why) const;
  absl::Status MayPromote(const Candidate::Facts& facts,
                          const Promotion& promotion) const;
  void Swap(std::shared_ptr<Candidate> next);

  const Neighbours neighbours_;
  // Held for a whole change. Acquired before all locks of the neighbours.
  core::Mutex change_mu_;
  uint64_t last_id_ ABSL_GUARDED_BY(change_mu_) = 0;
  mutable core::Mutex mu_;
  std::shared_ptr<Candidate> current_ ABSL_GUARDED_BY(mu_);
  std::atomic<uint64_t> current_id_{0};  // of `current_`
};

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_CANDIDATE_CANDIDATE_STORE_H_
