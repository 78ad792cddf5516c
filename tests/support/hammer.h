// Runs many threads on one object at the same time.
//
//   SharedTime time;
//   Hammer([&](int thread, Dice* dice) { ... breaker.Admit(time.Now()) ... });
#ifndef FIREBREAK_TESTS_SUPPORT_HAMMER_H_
#define FIREBREAK_TESTS_SUPPORT_HAMMER_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

#include "tests/support/core_fixtures.h"

namespace firebreak::core {

constexpr int kHammerThreads = 4;

// Runs `body(thread, dice)` in all threads at once.
inline void Hammer(const std::function<void(int, Dice*)>& body) {
  std::atomic<int> waiting{kHammerThreads};
  std::vector<std::thread> threads;
  for (int t = 0; t < kHammerThreads; ++t) {
    threads.emplace_back([&, t] {
      Dice dice(static_cast<uint64_t>(t) + 1);
      --waiting;
      while (waiting > 0) std::this_thread::yield();
      body(t, &dice);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

// A virtual clock that all threads share.
class SharedTime {
 public:
  Time Now() { return Time(Duration(now_.load(std::memory_order_relaxed))); }
  void Pass(Duration d) {
    now_.fetch_add(d.count(), std::memory_order_relaxed);
  }

 private:
  std::atomic<int64_t> now_{0};
};

}  // namespace firebreak::core

#endif  // FIREBREAK_TESTS_SUPPORT_HAMMER_H_
