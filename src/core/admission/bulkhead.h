// A limit on the number of concurrent calls, with a short queue.
//
//   switch (bulkhead.Enter(waiter)) {
//     case Bulkhead::Entry::kAdmitted:     ... bulkhead.Leave();
//     case Bulkhead::Entry::kQueued: // waiter->OnPlace() may be called, once
//     case Bulkhead::Entry::kFull:   // refused
//   }
//   if (bulkhead.GiveUp(waiter.get())) ...   // a place was granted: take it
//
// A place that becomes free goes to the first waiter in the queue, so a new
// call never overtakes one that waits. The waiter decides how long it waits;
// the bulkhead does not know the time.
//
// Source: the bulkhead of Nygard's "Release It!"; a bounded queue beside the
// semaphore as in Polly and Envoy's circuit breakers (max pending requests).
//
// Thread safety: safe from any thread. OnPlace() is called without a lock, on
// the thread of the call that has left. Ownership: the queue shares its
// waiters; a waiter is in one queue at a time. The bulkhead outlives its calls
// and waiters.
#ifndef FIREBREAK_SRC_CORE_ADMISSION_BULKHEAD_H_
#define FIREBREAK_SRC_CORE_ADMISSION_BULKHEAD_H_

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "src/core/admission/policy_state.h"
#include "src/core/base/field.h"
#include "src/core/base/mutex.h"
#include "src/core/base/time.h"

namespace firebreak::core {

// A limit on the number of concurrent calls, with a queue for further ones.
struct BulkheadOptions {
  // [1, 100'000]. 25 as in resilience4j.
  int max_concurrent = 25;
  // How many calls may wait for a place. [0, 100'000], 0 = none. A few times
  // max_concurrent, as for thread pools with a bounded queue.
  int max_queue = 100;
  // How long a call may wait. [0, 1h], 0 = not at all. It is short, since a
  // call that has waited longer than it usually takes is mostly too late.
  Duration max_wait = std::chrono::milliseconds(100);

  FieldList Fields() {
    return {{"max_concurrent", &max_concurrent, Within(1, 100'000)},
            {"max_queue", &max_queue, Within(0, 100'000)},
            {"max_wait", &max_wait, Within(Duration::zero(), kHour)}};
  }
  void Check(const std::string& path, FieldErrors* errors) const {
    CheckFieldsOf(*this, path, errors);
  }
};

class Bulkhead {
 public:
  class Waiter {
   public:
    // Gives back a place that was granted but not taken.
    virtual ~Waiter();
    // A place was granted, unless the waiter has given up meanwhile, which
    // GiveUp() shows. It may only enqueue work.
    virtual void OnPlace() = 0;
    // The max_wait of the options at the time when it joined the queue.
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

  enum class Entry { kAdmitted, kQueued, kFull };

  struct Snapshot {
    int limit = 0;
    int active = 0;
    int queued = 0;
    int queue_limit = 0;
    int64_t completed = 0;  // calls that were admitted and have left
    int64_t rejected = 0;   // calls that found it full, or waited too long
    // How often the last free place was taken.
    int64_t saturated = 0;

    // Never below zero, also after the limit has been lowered.
    int available() const { return std::max(0, limit - active); }
    // How many calls could come now without a refusal.
    int capacity_left() const {
      return available() + std::max(0, queue_limit - queued);
    }
    Measures measures() const;
  };

  explicit Bulkhead(const BulkheadOptions& options) : options_(options) {}
  Bulkhead(const Bulkhead&) = delete;
  Bulkhead& operator=(const Bulkhead&) = delete;

  // Takes a place if one is free and no call waits for it; otherwise joins the
  // queue if it has room. Without a waiter, kQueued only says that it has room.
  Entry Enter(const std::shared_ptr<Waiter>& waiter = nullptr);
  // Gives a place back. `was_used`: a call ran in it.
  void Leave(bool was_used = true);
  // Takes the place that was granted to the waiter. False if there is none.
  bool TakePlace(Waiter* waiter);
  // Like TakePlace(), but leaves the queue if no place was granted.
  bool GiveUp(Waiter* waiter);

  // Counts a call that was refused, for the snapshot.
  void CountRejection() { rejected_.fetch_add(1, std::memory_order_relaxed); }

  // Sets options that hold from now on. If there are more places, waiters get
  // them. If there are fewer, calls that were admitted stay, and no call is
  // admitted until enough have left. Waiters go on waiting. Waiters that get a
  // place are added to `admitted`: dropping the last reference to one may run
  // code, so the caller does that without a lock.
  void SetOptions(const BulkheadOptions& options,
                  std::vector<std::shared_ptr<Waiter>>* admitted);

  // Returns `before` with these options, or a new one if it is null. `admitted`
  // is as for SetOptions().
  static std::shared_ptr<Bulkhead> Next(
      std::shared_ptr<Bulkhead> before, const BulkheadOptions& options,
      std::vector<std::shared_ptr<Waiter>>* admitted);

  Snapshot snapshot() const;

  // These are as policy_state.h requires.
  static constexpr Reason kReasons[] = {Reason::kBulkheadFull,
                                        Reason::kQueueTimeout};
  static constexpr bool kMayMakeWait = true;
  static Measures Kinds() { return Snapshot().measures(); }
  Measures measures(Time /*now*/) const { return snapshot().measures(); }
  std::string Explain(const AdmissionRefusal& refusal) const;
  BulkheadOptions options() const {
    MutexLock lock(&mu_);
    return options_;
  }

 private:
  // Gives a free place to the first waiter in the queue.
  std::shared_ptr<Waiter> AdmitFirst() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

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
