// Counts errors of the application's callbacks that the engine has contained.
//
// Thread safety: atomics.
#ifndef FIREBREAK_SRC_ENGINE_CALLBACKS_COUNTERS_H_
#define FIREBREAK_SRC_ENGINE_CALLBACKS_COUNTERS_H_

#include <atomic>
#include <cstdint>

namespace firebreak::engine {

struct CallbackCounters {
  std::atomic<int64_t> classifier_threw{0};
  std::atomic<int64_t> classifier_late{0};
  std::atomic<int64_t> classifier_skipped{0};  // no room on the pool
  std::atomic<int64_t> fallback_threw{0};
};

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_CALLBACKS_COUNTERS_H_
