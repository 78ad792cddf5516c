#include "src/engine/candidate/candidate_store.h"

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "src/core/base/printable.h"

namespace firebreak::engine {
namespace {

absl::Status ThereIsNone() {
  return absl::FailedPreconditionError(
      "there is no candidate policy; set one first (firebreakctl policy "
      "shadow)");
}

}  // namespace

CandidateStore::CandidateStore(Neighbours neighbours)
    : neighbours_(std::move(neighbours)) {}

std::shared_ptr<Candidate> CandidateStore::current() const {
  core::MutexLock lock(&mu_);
  return current_;
}

absl::optional<CandidateCounts> CandidateStore::CountsOf(
    const MethodRuntime& live) const {
  const std::shared_ptr<Candidate> candidate = current();
  if (candidate == nullptr) return absl::nullopt;
  const CandidateMethod* const method =
      candidate->Find(live.channel, live.method);
  if (method == nullptr) return absl::nullopt;
  return method->tally.counts();
}

absl::StatusOr<PolicyChange> CandidateStore::Set(
    const absl::StatusOr<PolicyTable>& policy, const PolicyUpdate& update,
    uint64_t if_id, std::shared_ptr<Candidate>* set) {
  const auto look = [&]() -> absl::StatusOr<PolicyChange> {
    absl::Status is_there = IsThere(if_id);
    if (!is_there.ok()) return is_there;
    PolicyUpdate check = update;
    check.dry_run = true;
    return neighbours_.policies->UpdatePolicy(policy, check);
  };
  if (update.dry_run) return look();
  core::MutexLock changing(&change_mu_);
  absl::StatusOr<PolicyChange> change = look();
  if (!change.ok()) return Refuse(update.source, "refused", change.status());
  Candidate::Facts facts;
  facts.id = ++last_id_;
  facts.live_version = change->version;
  facts.source = core::Printable(update.source);
  facts.since = std::chrono::system_clock::now();
  const auto candidate = std::make_shared<Candidate>(
      std::move(facts), *policy, neighbours_.max_methods,
      neighbours_.methods->NextSeed(), neighbours_.clock);
  const std::shared_ptr<Candidate> before = current();
  Swap(candidate);
  if (set != nullptr) *set = candidate;
  neighbours_.policies->Note(
      update.source,
      absl::StrCat("candidate ", last_id_, " is set beside version ",
                   change->version, ": ", CountDifferences(*change),
                   before == nullptr
                       ? ""
                       : absl::StrCat(", in the place of candidate ",
                                      before->facts.id)));
  return change;
}

absl::StatusOr<std::shared_ptr<Candidate>> CandidateStore::Clear(
    const std::string& source, uint64_t if_id) {
  core::MutexLock changing(&change_mu_);
  const std::shared_ptr<Candidate> before = current();
  if (before == nullptr) return ThereIsNone();
  if (absl::Status status = IsThere(if_id); !status.ok()) {
    return Refuse(source, "not cleared", status);
  }
  Swap(nullptr);
  neighbours_.policies->Note(
      source, absl::StrCat("candidate ", before->facts.id, " is cleared"));
  return before;
}

absl::StatusOr<PolicyChange> CandidateStore::Promote(
    const Promotion& promotion) {
  core::MutexLock changing(&change_mu_);
  const std::shared_ptr<Candidate> candidate = current();
  if (candidate == nullptr) return ThereIsNone();
  const Candidate::Facts& facts = candidate->facts;
  if (absl::Status may = MayPromote(facts, promotion); !may.ok()) {
    return Refuse(promotion.source, "not promoted", may);
  }
  PolicyUpdate update;
  update.source =
      absl::StrCat(promotion.source, ", candidate ", facts.id, " promoted");
  if (!promotion.force) update.if_version = facts.live_version;
  absl::StatusOr<PolicyChange> change =
      neighbours_.policies->UpdatePolicy(candidate->policy, update);
  if (!change.ok()) return change;
  Swap(nullptr);
  return change;
}

absl::Status CandidateStore::Refuse(const std::string& source,
                                    absl::string_view what,
                                    const absl::Status& why) const {
  neighbours_.policies->Note(
      source, absl::StrCat("candidate ", what, ": ", FirstFault(why)),
      /*refused=*/true);
  return why;
}

absl::Status CandidateStore::IsThere(uint64_t if_id) const {
  const uint64_t id = current_id();
  if (if_id == 0 || if_id == id) return absl::OkStatus();
  return absl::AbortedError(absl::StrCat(
      id == 0 ? "no candidate is there"
              : absl::StrCat("candidate ", id, " is there"),
      ", not ", if_id, " (if_candidate): look at it and try again"));
}

absl::Status CandidateStore::MayPromote(const Candidate::Facts& facts,
                                        const Promotion& promotion) const {
  absl::Status is_there = IsThere(promotion.if_id);
  if (!is_there.ok() || promotion.force) return is_there;
  const uint64_t version = neighbours_.policies->in_force().version;
  if (version == facts.live_version) return absl::OkStatus();
  return absl::AbortedError(
      absl::StrCat("policy version ", version, " is in force, and candidate ",
                   facts.id, " was set beside version ", facts.live_version,
                   ": set it anew, or promote it by force"));
}

void CandidateStore::Swap(std::shared_ptr<Candidate> next) {
  {
    core::MutexLock lock(&mu_);
    current_id_ = next == nullptr ? 0 : next->facts.id;
    current_.swap(next);
  }
  // Bindings that are made from now on get the new one.
  neighbours_.methods->Rebind();
}

}  // namespace firebreak::engine
