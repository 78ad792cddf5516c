// The only place that reads a clock. Everything below is handed its time.
#ifndef FIREBREAK_SRC_ENGINE_IO_CLOCK_H_
#define FIREBREAK_SRC_ENGINE_IO_CLOCK_H_

#include <chrono>

#include "src/core/base/time.h"

namespace firebreak::engine {

inline core::Time Now() {
  return std::chrono::time_point_cast<core::Duration>(
      std::chrono::steady_clock::now());
}

// The wall-clock time of steady points, for people. Both clocks are read once,
// in the constructor: what one of these says keeps the order of the points.
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
