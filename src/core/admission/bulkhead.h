// At most so many calls at a time, and a short queue before them.
//
//   switch (bulkhead.Enter(waiter)) {
//     case Bulkhead::Entry::kIn:     ... bulkhead.Leave();
//     case Bulkhead::Entry::kQueued: // waiter->OnPlace() may come, once
//     case Bulkhead::Entry::kFull:   // turned away
//   }
//   if (bulkhead.GiveUp(waiter.get())) ...   // the place has come: it is ours
//
// A place that is left goes to the first in the queue, in the order they came,
// before anybody who comes later: so a newcomer never overtakes. How long one
// waits is the waiter's own affair; the bulkhead knows no time.
//
// Source: the bulkhead of Nygard's "Release It!"; a bounded queue beside the
// semaphore as in Polly and Envoy's circuit breakers (max pending requests).
//
// Thread safety: safe from any thread. OnPlace() is called unlocked, on the
// thread of whoever left. Ownership: the queue shares its waiters; a waiter is
// in one queue at a time. The bulkhead outlives what is in it.
#ifndef FIREBREAK_SRC_CORE_ADMISSION_BULKHEAD_H_
#define FIREBREAK_SRC_CORE_ADMISSION_BULKHEAD_H_

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <list>
#include <memory>
#include <vector>

#include "src/core/base/mutex.h"
#include "src/core/base/time.h"
#include "src/core/options.h"

namespace firebreak::core {

class Bulkhead {
 public:
  class Waiter {
   public:
    // A place that came and that nobody took is left.
    virtual ~Waiter();
    // Its turn has come, or it has given up meanwhile: GiveUp() tells. May
    // enqueue work, nothing else.
    virtual void OnPlace() = 0;
    // When it joined the queue, and so for it.
    Duration max_wait() const { return max_wait_; }

   private:
    friend class Bulkhead;
    enum class Where { kOutside, kQueued, kInside };
    // Guarded by the mutex of the bulkhead.
    Where where_ = Where::kOutside;
    std::list<std::shared_ptr<Waiter>>::iterator place_;
    Bulkhead* bulkhead_ = nullptr;  // since it was queued
    Duration max_wait_ = Duration::zero();
  };

  enum class Entry { kIn, kQueued, kFull };

  struct Snapshot {
    int limit = 0;
    int active = 0;
    int queued = 0;
    int queue_limit = 0;
    int64_t completed = 0;  // left, having been in
    int64_t rejected = 0;   // came in vain: full, or waited too long
    // How often the last free place was taken.
    int64_t saturated = 0;

    // None below zero, after a limit has been lowered.
    int available() const { return std::max(0, limit - active); }
    // Calls that could come now without any of them being turned away.
    int capacity_left() const {
      return available() + std::max(0, queue_limit - queued);
    }
  };

  explicit Bulkhead(const BulkheadOptions& options) : options_(options) {}
  Bulkhead(const Bulkhead&) = delete;
  Bulkhead& operator=(const Bulkhead&) = delete;

  // Takes a place if one is free and nobody waits for it; else joins the queue
  // if that has room. Without a waiter kQueued only says that it has.
  Entry Enter(const std::shared_ptr<Waiter>& waiter = nullptr);
  // Gives a place back. `was_used`: a call ran in it.
  void Leave(bool was_used = true);
  // Whether a place has come; then it is the waiter's from now on.
  bool TakePlace(Waiter* waiter);
  // As TakePlace(), and leaves the queue if none has.
  bool GiveUp(Waiter* waiter);

  // A call came in vain: for the snapshot.
  void CountRejection() { rejected_.fetch_add(1, std::memory_order_relaxed); }

  // From now on. More places go to those who wait; with fewer, those inside
  // stay, and nobody comes in until enough have left. Who waits, waits on.
  // Those let in are added to `let_in`, whose end may be theirs: unlocked.
  void SetOptions(const BulkheadOptions& options,
                  std::vector<std::shared_ptr<Waiter>>* let_in);

  Snapshot snapshot() const;
  BulkheadOptions options() const {
    MutexLock lock(&mu_);
    return options_;
  }

 private:
  // The first of the queue gets a place that is free for it.
  std::shared_ptr<Waiter> LetFirstIn() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  std::atomic<int64_t> rejected_{0};
  mutable Mutex mu_;
  BulkheadOptions options_ ABSL_GUARDED_BY(mu_);
  int active_ ABSL_GUARDED_BY(mu_) = 0;
  std::list<std::shared_ptr<Waiter>> queue_ ABSL_GUARDED_BY(mu_);
  int64_t completed_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t saturated_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_ADMISSION_BULKHEAD_H_
