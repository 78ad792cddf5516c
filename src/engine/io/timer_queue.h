// A binary heap of timers, which are members of their owners.
//
// Arm, move and disarm are O(log n) and allocate nothing once the heap has
// grown to its size, since a call disarms its timer when it ends: millions of
// calls with a deadline of 30 s do not leave millions of dead entries behind.
//
// Thread safety: none; Timers locks.
#ifndef FIREBREAK_SRC_ENGINE_IO_TIMER_QUEUE_H_
#define FIREBREAK_SRC_ENGINE_IO_TIMER_QUEUE_H_

#include <algorithm>
#include <cstddef>
#include <memory>
#include <vector>

#include "src/core/base/time.h"

namespace firebreak::engine {

class TimerClient {
 public:
  virtual ~TimerClient() = default;
  // Called on a timer thread, which keeps the client alive. If it blocks, other
  // timers are not delayed for long, but a thread is occupied. It may run on
  // two threads at once if the timer is armed again meanwhile.
  virtual void OnTimer() = 0;
};

// A member of its client, which disarms it before it is destroyed.
struct Timer {
  std::weak_ptr<TimerClient> client;  // set once, before the first Arm
  // Owned by the timer queue.
  core::Time at;
  std::size_t place = kNowhere;

  static constexpr std::size_t kNowhere = static_cast<std::size_t>(-1);
};

class TimerQueue {
 public:
  void Set(Timer* timer, core::Time at) {
    if (timer->place == Timer::kNowhere) {
      timer->place = heap_.size();
      heap_.push_back(timer);
    }
    timer->at = at;
    Down(Up(timer->place));
  }

  void Remove(Timer* timer) {
    const size_t place = timer->place;
    if (place == Timer::kNowhere) return;
    timer->place = Timer::kNowhere;
    Timer* const last = heap_.back();
    heap_.pop_back();
    if (last == timer) return;
    Put(place, last);
    Down(Up(place));
  }

  // The earliest due time; kInfiniteFuture when empty.
  core::Time next() const {
    return heap_.empty() ? core::kInfiniteFuture : heap_.front()->at;
  }

  size_t size() const { return heap_.size(); }
  // Whether a timer is due in [from, to]. Looks at all of them, so it is for
  // tests.
  bool HasAny(core::Time from, core::Time to) const {
    return std::any_of(heap_.begin(), heap_.end(), [&](const Timer* timer) {
      return from <= timer->at && timer->at <= to;
    });
  }

  // Takes out the earliest timer that is due, or null.
  Timer* PopDue(core::Time now) {
    if (next() > now || heap_.empty()) return nullptr;
    Timer* const first = heap_.front();
    Remove(first);
    return first;
  }

 private:
  void Put(size_t place, Timer* timer) {
    heap_[place] = timer;
    timer->place = place;
  }

  void Swap(size_t a, size_t b) {
    Timer* const timer = heap_[a];
    Put(a, heap_[b]);
    Put(b, timer);
  }

  size_t Up(size_t place) {
    while (place > 0 && heap_[place]->at < heap_[(place - 1) / 2]->at) {
      Swap(place, (place - 1) / 2);
      place = (place - 1) / 2;
    }
    return place;
  }

  void Down(size_t place) {
    for (;;) {
      size_t least = place;
      for (size_t child = 2 * place + 1; child <= 2 * place + 2; ++child) {
        if (child < heap_.size() && heap_[child]->at < heap_[least]->at) {
          least = child;
        }
      }
      if (least == place) return;
      Swap(place, least);
      place = least;
    }
  }

  std::vector<Timer*> heap_;
};

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_IO_TIMER_QUEUE_H_
