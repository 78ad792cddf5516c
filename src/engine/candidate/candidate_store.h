// The candidate policy of an engine: set, compared, promoted or cleared.
//
//   CandidateStore store({&policies, &methods, max_methods, clock});
//   absl::StatusOr<PolicyChange> change = store.Set(table, update);
//   ... calls: each binding has it (channel_binding.h) ...
//   change = store.Promote(promotion);       // it is the policy in force now
//
// There is one candidate at a time. It stays beside whatever policy is in force
// until it is cleared, promoted or replaced, and it ends with the engine.
//
// Thread safety: safe from any thread. Ownership: what it is given outlives it.
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
    // Also when another live policy is in force by now than the candidate was
    // set beside.
    bool force = false;
    // Only this candidate; zero: whichever is there.
    uint64_t if_id = 0;
    std::string source;  // as in PolicyUpdate
  };

  explicit CandidateStore(Neighbours neighbours);

  // From now on this is the candidate, and counts begin anew. Errors are those
  // of PolicyStore::UpdatePolicy(), with which it shares its dry run: what the
  // policy would change if it were promoted now. ABORTED also: not `if_id` is
  // there, if that is not zero. Each is an event too, but for a dry run; the
  // one before stays then. `set` becomes the candidate, and stays as it was
  // after a dry run and an error.
  absl::StatusOr<PolicyChange> Set(const absl::StatusOr<PolicyTable>& policy,
                                   const PolicyUpdate& update,
                                   uint64_t if_id = 0,
                                   std::shared_ptr<Candidate>* set = nullptr);
  // The one that has gone. FAILED_PRECONDITION: there is none. ABORTED: it is
  // not `if_id`, which is an event too.
  absl::StatusOr<std::shared_ptr<Candidate>> Clear(const std::string& source,
                                                   uint64_t if_id = 0);
  // Puts the candidate into force, as UpdatePolicy() would, and there is none
  // any more. What its breakers, budgets and queues have seen goes with it.
  // FAILED_PRECONDITION: there is none. ABORTED: it is not `if_id`, or the live
  // policy has changed; this is an event too.
  absl::StatusOr<PolicyChange> Promote(const Promotion& promotion);

  // Null: there is none.
  std::shared_ptr<Candidate> current() const;
  // Zero: there is none.
  uint64_t current_id() const { return current_id_; }
  // What it has counted of a method, once that has been called.
  // Exported for libfirebreak_prometheus (docs/adr/0021).
  FIREBREAK_EXPORT absl::optional<CandidateCounts> CountsOf(
      const MethodRuntime& live) const;

 private:
  // ABORTED unless the candidate is `if_id`, or this is zero.
  absl::Status IsThere(uint64_t if_id) const;
  // Notes that the candidate was not treated as `source` wanted. Returns `why`.
  absl::Status Refuse(const std::string& source, absl::string_view what,
                      const absl::Status& why) const;
  absl::Status MayPromote(const Candidate::Facts& facts,
                          const Promotion& promotion) const;
  void Swap(std::shared_ptr<Candidate> next);

  const Neighbours neighbours_;
  // Held for a change as a whole; before all that the neighbours lock.
  core::Mutex change_mu_;
  uint64_t last_id_ ABSL_GUARDED_BY(change_mu_) = 0;
  mutable core::Mutex mu_;
  std::shared_ptr<Candidate> current_ ABSL_GUARDED_BY(mu_);
  std::atomic<uint64_t> current_id_{0};  // of that
};

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_CANDIDATE_CANDIDATE_STORE_H_
