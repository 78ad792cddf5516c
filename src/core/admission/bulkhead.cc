#include "src/core/admission/bulkhead.h"

#include <utility>
#include <vector>

namespace firebreak::core {

Bulkhead::Waiter::~Waiter() {
  // Nobody shares it any more, the queue included: no lock is needed to look.
  if (where_ == Where::kInside) bulkhead_->Leave(/*was_used=*/false);
}

Bulkhead::Entry Bulkhead::Enter(const std::shared_ptr<Waiter>& waiter) {
  MutexLock lock(&mu_);
  // While somebody waits all places are taken: they are handed over.
  if (active_ < options_.max_concurrent) {
    if (++active_ == options_.max_concurrent) ++saturated_;
    return Entry::kIn;
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
    next = LetFirstIn();
  }
  next->OnPlace();
}

void Bulkhead::SetOptions(const BulkheadOptions& options,
                          std::vector<std::shared_ptr<Waiter>>* let_in) {
  const size_t first = let_in->size();
  {
    MutexLock lock(&mu_);
    options_ = options;
    while (!queue_.empty() && active_ < options_.max_concurrent) {
      ++active_;
      let_in->push_back(LetFirstIn());
    }
  }
  for (size_t i = first; i < let_in->size(); ++i) (*let_in)[i]->OnPlace();
}

std::shared_ptr<Bulkhead::Waiter> Bulkhead::LetFirstIn() {
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
  std::shared_ptr<Waiter> gone;  // its end may do anything: unlocked
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

}  // namespace firebreak::core
