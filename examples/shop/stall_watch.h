// Whether the machine itself stood still: a virtual machine whose host has
// other guests gets no time for a while, and then neither does any call.
//
//   StallWatch stalls;
//   ...
//   if (stalls.Hit(call.start, call.end)) ...   // its time says nothing
//
// One thread per core, of the priority of its maker, that sleeps a millisecond
// at a time and notes when it woke up late.
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

  // Whether a core stood still at some time of [from, to], or so shortly before
  // that what had piled up may still have been in the way.
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
