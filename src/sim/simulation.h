// Virtual time: a queue of events, and the time of the current one.
//
//   Simulation sim;
//   sim.After(std::chrono::milliseconds(10), [&] { ++rings; });
//   sim.Run();                       // sim.now() is 10 ms after the start
//
// An event may schedule further events. Two that are due at the same time
// happen in the order in which they were scheduled, so every run is the same.
// No participant reads a clock, sleeps or owns a thread: an hour of a thousand
// calls a second takes seconds.
//
// Thread safety: none. Ownership: events that never happen are destroyed with
// the simulation, so it must be destroyed before what they point to.
#ifndef FIREBREAK_SRC_SIM_SIMULATION_H_
#define FIREBREAK_SRC_SIM_SIMULATION_H_

#include <algorithm>
#include <cstdint>
#include <functional>
#include <tuple>
#include <utility>
#include <vector>

#include "src/core/base/time.h"

namespace firebreak::sim {

using core::Duration;
using core::Time;

class Simulation {
 public:
  using Event = std::function<void()>;

  Time now() const { return now_; }

  // A time that has passed counts as now; kInfiniteFuture means never.
  void At(Time at, Event event) {
    if (at == core::kInfiniteFuture) return;
    if (free_.empty()) {
      free_.push_back(static_cast<uint32_t>(events_.size()));
      events_.emplace_back();
    }
    const uint32_t slot = free_.back();
    free_.pop_back();
    events_[slot] = std::move(event);
    due_.push_back({std::max(at, now_), planned_++, slot});
    std::push_heap(due_.begin(), due_.end());
  }
  void After(Duration wait, Event event) {
    At(core::SaturatingAdd(now_, wait), std::move(event));
  }

  // Runs all events until `until`, which is the time then.
  void RunUntil(Time until) {
    while (!due_.empty() && due_.front().at <= until) Step();
    now_ = std::max(now_, until);
  }
  // Runs until no event is left.
  void Run() {
    while (!due_.empty()) Step();
  }

 private:
  struct Due {
    Time at;
    uint64_t order;
    uint32_t slot;  // of events_

    // Inverted, since the top of a heap is its largest: the earliest event.
    bool operator<(const Due& other) const {
      return std::tie(other.at, other.order) < std::tie(at, order);
    }
  };

  void Step() {
    std::pop_heap(due_.begin(), due_.end());
    const Due due = due_.back();
    due_.pop_back();
    now_ = due.at;
    const Event event = std::exchange(events_[due.slot], nullptr);
    free_.push_back(due.slot);
    event();
  }

  Time now_{};
  uint64_t planned_ = 0;
  std::vector<Due> due_;  // a heap
  std::vector<Event> events_;
  std::vector<uint32_t> free_;  // slots of events_
};

}  // namespace firebreak::sim

#endif  // FIREBREAK_SRC_SIM_SIMULATION_H_
