// The steady clock, the clock of an engine, and the way from there to
// wall-clock time. The core reads no clock: it gets the time as an argument.
// Code that belongs to an engine asks the engine's clock, so that a test can
// set the time. Only waits on gRPC's queues, and times that are shown to
// people, go by other clocks.
//
//   EngineClock clock(options.clock);
//   breaker->Admit(clock.Now(), deadline);
//
// Thread safety: safe from any thread, if the test's clock is.
#ifndef FIREBREAK_SRC_ENGINE_IO_CLOCK_H_
#define FIREBREAK_SRC_ENGINE_IO_CLOCK_H_

#include <chrono>
#include <memory>
#include <utility>

#include "firebreak/clock.h"
#include "src/core/base/time.h"

namespace firebreak::engine {

// The steady clock.
inline core::Time Now() {
  return std::chrono::time_point_cast<core::Duration>(
      std::chrono::steady_clock::now());
}

// The clock of an engine: the steady clock, or the one in its EngineOptions.
class EngineClock {
 public:
  explicit EngineClock(std::shared_ptr<Clock> of_test = nullptr)
      : of_test_(std::move(of_test)) {}

  core::Time Now() const {
    if (of_test_ == nullptr) return engine::Now();
    return std::chrono::time_point_cast<core::Duration>(of_test_->Now());
  }
  // Null if this is the steady clock.
  Clock* of_test() const { return of_test_.get(); }

 private:
  std::shared_ptr<Clock> of_test_;
};

// Converts steady time to wall-clock time, for people. Both clocks are read
// once, in the constructor, so that the times from one object keep their order.
class WallClock {
 public:
  WallClock() : steady_(Now()), wall_(std::chrono::system_clock::now()) {}
  std::chrono::system_clock::time_point At(core::Time t) const {
    return wall_ +
           std::chrono::duration_cast<std::chrono::system_clock::duration>(
               t - steady_);
  }

 private:
  core::Time steady_;
  std::chrono::system_clock::time_point wall_;
};

inline std::chrono::system_clock::time_point ToWallClock(core::Time t) {
  return WallClock().At(t);
}

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_IO_CLOCK_H_
