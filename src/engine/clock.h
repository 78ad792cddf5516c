// The only place that reads a clock. Everything below is handed its time.
#ifndef FIREBREAK_SRC_ENGINE_CLOCK_H_
#define FIREBREAK_SRC_ENGINE_CLOCK_H_

#include <chrono>

#include "src/core/time.h"

namespace firebreak::engine {

inline core::Time Now() {
  return std::chrono::time_point_cast<core::Duration>(
      std::chrono::steady_clock::now());
}

// The wall-clock time of a steady point, for people.
inline std::chrono::system_clock::time_point ToWallClock(core::Time t) {
  return std::chrono::system_clock::now() +
         std::chrono::duration_cast<std::chrono::system_clock::duration>(t -
                                                                         Now());
}

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_CLOCK_H_
