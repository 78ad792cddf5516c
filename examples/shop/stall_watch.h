// Detects when the machine itself stood still: a virtual machine whose host has
// other guests may get no processor time for a while, which delays every call.
//
//   StallWatch stalls;
//   ...
//   if (stalls.Hit(call.start, call.end)) ...   // its latency is not valid
//
// There is one thread per core, with the priority of the thread that created
// it. It sleeps for a millisecond at a time and records when it woke up late.
//
// Thread safety: safe from any thread.
#ifndef FIREBREAK_EXAMPLES_SHOP_STALL_WATCH_H_
#define FIREBREAK_EXAMPLES_SHOP_STALL_WATCH_H_

#include <atomic>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/time.h"

namespace shop {

class StallWatch {
 public:
  StallWatch();
  ~StallWatch();

  // Whether a core stood still during [from, to], or so shortly before that the
  // delayed work may still have affected a call.
  bool Hit(absl::Time from, absl::Time to) const;

 private:
  void Run(unsigned core);

  std::atomic<bool> stopping_{false};
  mutable std::mutex mu_;
  std::vector<std::pair<absl::Time, absl::Time>> stalls_;  // guarded by mu_
  std::vector<std::thread> threads_;
};

}  // namespace shop

#endif  // FIREBREAK_EXAMPLES_SHOP_STALL_WATCH_H_
