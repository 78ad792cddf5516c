// Finds the calls that have become slow while they are still in flight.
//
//   SlowWatch watch(options.slow_call_duration, now);
//   const uint64_t ticket = watch.Begin(now);
//   int slow = watch.TakeOverdue(later);   // each call counts there once
//   watch.found();                         // of these, those still in flight
//   if (watch.End(ticket) == SlowWatch::Ended::kWatched) ...  // not found yet
//
// Calls are not remembered one by one: those that start within a sixteenth of
// the limit share one count, and are found together when the last of them has
// passed the limit. So a call is found between 1 and 17/16 of the limit after
// its start, memory is fixed however many calls are in flight, and each
// operation is O(1) (at most one pass over the counts after a pause).
//
// Thread safety: none; the breaker that owns it locks. `now` must not run back.
#ifndef FIREBREAK_SRC_CORE_BREAKER_SLOW_WATCH_H_
#define FIREBREAK_SRC_CORE_BREAKER_SLOW_WATCH_H_

#include <array>
#include <cstdint>

#include "src/core/base/time.h"

namespace firebreak::core {

class SlowWatch {
 public:
  // What was known of a call that has ended.
  enum class Ended {
    kWatched,    // it was not found slow
    kFound,      // it was found slow
    kForgotten,  // it began before Restart()
  };

  SlowWatch(Duration limit, Time now);

  // Starts to watch a call at `now`, after TakeOverdue(now). Never returns 0.
  uint64_t Begin(Time now);
  Ended End(uint64_t ticket);
  // The number of calls found slow since the last call of this.
  int64_t TakeOverdue(Time now);
  // The number of calls that were found slow and have not ended.
  int64_t found() const { return found_; }
  // When it will find the next call slow, unless that ends before;
  // kInfiniteFuture if no call is watched.
  Time next_due() const;
  // When it will find the latest call slow.
  Time last_due() const { return current_start_ + width_ + limit_; }
  // Forgets the calls in flight; their tickets must not come back.
  void Clear();
  // Sets the limit from now on. Calls in flight are forgotten.
  void Restart(Duration limit, Time now);

 private:
  // The limit is covered by kSlices slices, and two partly covered ones.
  static constexpr int kSlices = 16;
  static constexpr uint64_t kSlots = kSlices + 2;

  int64_t& Slot(uint64_t slice) { return slots_[slice % kSlots]; }
  int64_t Slot(uint64_t slice) const { return slots_[slice % kSlots]; }
  // When all calls of the oldest slice are past the limit.
  Time OldestDue() const;

  Duration limit_;
  Duration width_;
  std::array<int64_t, kSlots> slots_{};
  int64_t watched_ = 0;
  int64_t found_ = 0;
  uint64_t first_ = 1;    // slices before it are forgotten
  uint64_t oldest_ = 1;   // slices before it are found
  uint64_t current_ = 0;  // the one that begins at current_start_
  Time current_start_;
};

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_BREAKER_SLOW_WATCH_H_
