#include "src/core/admission/bulkhead.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace firebreak::core {

Bulkhead::Waiter::~Waiter() {
  // No reference to it is left, not even in the queue: no lock is needed.
  if (where_ == Where::kInside) bulkhead_->Leave(/*was_used=*/false);
}

Bulkhead::Entry Bulkhead::Enter(const std::shared_ptr<Waiter>& waiter) {
  MutexLock lock(&mu_);
  // While a call waits all places are taken, since a free place goes to a
  // waiter.
  if (active_ < options_.max_concurrent) {
    if (++active_ == options_.max_concurrent) ++saturated_;
    return Entry::kAdmitted;
  }
  if (options_.max_wait == Duration::zero() ||
      queue_.size() >= static_cast<size_t>(options_.max_queue)) {
    return Entry::kFull;
  }
  if (waiter != nullptr) {
    waiter->bulkhead_ = this;
    waiter->max_wait_ = options_.max_wait;
    waiter->where_ = Waiter::Where::kQueued;
    waiter->place_ = queue_.insert(queue_.end(), waiter);
  }
  return Entry::kQueued;
}

void Bulkhead::Leave(bool was_used) {
  std::shared_ptr<Waiter> next;
  {
    MutexLock lock(&mu_);
    if (was_used) ++completed_;
    if (queue_.empty() || active_ > options_.max_concurrent) {
      --active_;
      return;
    }
    next = AdmitFirst();
  }
  next->OnPlace();
}

void Bulkhead::SetOptions(const BulkheadOptions& options,
                          std::vector<std::shared_ptr<Waiter>>* admitted) {
  const size_t first = admitted->size();
  {
    MutexLock lock(&mu_);
    options_ = options;
    while (!queue_.empty() && active_ < options_.max_concurrent) {
      ++active_;
      admitted->push_back(AdmitFirst());
    }
  }
  for (size_t i = first; i < admitted->size(); ++i) (*admitted)[i]->OnPlace();
}

std::shared_ptr<Bulkhead::Waiter> Bulkhead::AdmitFirst() {
  std::shared_ptr<Waiter> first = std::move(queue_.front());
  queue_.pop_front();
  first->where_ = Waiter::Where::kInside;
  return first;
}

bool Bulkhead::TakePlace(Waiter* waiter) {
  MutexLock lock(&mu_);
  if (waiter->where_ != Waiter::Where::kInside) return false;
  waiter->where_ = Waiter::Where::kOutside;
  return true;
}

bool Bulkhead::GiveUp(Waiter* waiter) {
  std::shared_ptr<Waiter> gone;  // destroyed after the lock is released
  MutexLock lock(&mu_);
  const Waiter::Where where =
      std::exchange(waiter->where_, Waiter::Where::kOutside);
  if (where == Waiter::Where::kQueued) {
    gone = std::move(*waiter->place_);
    queue_.erase(waiter->place_);
  }
  return where == Waiter::Where::kInside;
}

Bulkhead::Snapshot Bulkhead::snapshot() const {
  MutexLock lock(&mu_);
  Snapshot out;
  out.limit = options_.max_concurrent;
  out.active = active_;
  out.queued = static_cast<int>(queue_.size());
  out.queue_limit =
      options_.max_wait == Duration::zero() ? 0 : options_.max_queue;
  out.completed = completed_;
  out.rejected = rejected_.load(std::memory_order_relaxed);
  out.saturated = saturated_;
  return out;
}

std::shared_ptr<Bulkhead> Bulkhead::Next(
    std::shared_ptr<Bulkhead> before, const BulkheadOptions& options,
    std::vector<std::shared_ptr<Waiter>>* admitted) {
  if (before == nullptr) return std::make_shared<Bulkhead>(options);
  before->SetOptions(options, admitted);
  return before;
}

Measures Bulkhead::Snapshot::measures() const {
  const int64_t all = completed + active + rejected;
  return {
      {"active", "active", "Calls in the bulkhead.", active},
      {"limit", "limit", "Calls it admits at a time.", limit},
      {"queued", "queued", "Calls that wait before it.", queued},
      {"queue_limit", "queue_limit", "Calls that may wait before it.",
       queue_limit},
      {"completed", "completed_total", "Calls that have left it.", completed},
      {"rejected", "rejected_total",
       "Calls that found it full, or waited too long.", rejected},
      {"saturated_count", "saturated_total",
       "How often its last free place was taken.", saturated},
      {"available", "", "", available()},
      {"capacity_left", "", "", capacity_left()},
      {"rejection_rate", "", "",
       all > 0 ? static_cast<double>(rejected) / static_cast<double>(all) : 0},
      {"healthy", "", "", capacity_left() > 0},
  };
}

std::string Bulkhead::Explain(const AdmissionRefusal& refusal) const {
  const BulkheadOptions now = options();
  const std::string places =
      absl::StrCat(refusal.in_use, " of ", now.max_concurrent, " in use, ",
                   refusal.queued, " of ", now.max_queue, " waiting");
  if (refusal.reason == Reason::kBulkheadFull) {
    return absl::StrCat("the bulkhead is full: ", places);
  }
  return absl::StrCat("no place in the bulkhead came free in ",
                      FormatWait(refusal), ": ", places);
}

}  // namespace firebreak::core
