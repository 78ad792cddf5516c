// Turns calls away here in the share in which the server turns them away
// there, so that it need not: a refusal, too, costs a server that is
// overloaded.
//
//   if (!throttle.Admit(now)) return Reject();
//   ...
//   throttle.OnEnd(/*accepted=*/code != RESOURCE_EXHAUSTED, now);
//
// Over the window, a call is turned away with the probability
//
//   max(0, (requests - k * accepts) / (requests + 1))
//   requests = answered + weight * turned away here
//   weight = min(1, refused / answered * k / (k - 1))
//
// so that the server sees about k times what it accepts. Source: SRE book ch.
// 21, "Client-Side Throttling"; k = 2, two minutes. The weight is ours. In the
// book it is always 1: calls that are turned away here then go on to prove that
// the server refuses, and one that is back after an outage as long as the
// window gets its calls back after four windows. The weight is 1 while the
// server refuses its share, which is (k - 1) / k of what it sees at k times
// what it accepts, and 0 when it has refused nobody for a window: so a server
// that is back has all calls back within one window.
//
// A request counts once it is known what became of it. The book counts it when
// it is made; then the first hundred calls of a process, all under way and none
// answered yet, would turn each other away.
//
// The windows are of results (window.h), where a call that was not accepted
// has failed. O(1) per call, fixed memory.
//
// Thread safety: safe from any thread. `now` may run back a little.
#ifndef FIREBREAK_SRC_CORE_ADMISSION_THROTTLE_H_
#define FIREBREAK_SRC_CORE_ADMISSION_THROTTLE_H_

#include <cstdint>

#include "src/core/base/mutex.h"
#include "src/core/base/rng.h"
#include "src/core/base/time.h"
#include "src/core/measure/window.h"
#include "src/core/options.h"

namespace firebreak::core {

class Throttle {
 public:
  struct Snapshot {
    int64_t requests = 0;  // in the window, those turned away included
    int64_t accepts = 0;
    double rejection_probability = 0;
    int64_t rejected = 0;  // since the start
  };

  Throttle(const ThrottleOptions& options, uint64_t seed, Time now);
  Throttle(const Throttle&) = delete;
  Throttle& operator=(const Throttle&) = delete;

  bool Admit(Time now);
  // Of a call that was admitted and sent. One that was not sent in the end is
  // not reported.
  void OnEnd(bool accepted, Time now);

  // From now on; another window starts empty.
  void SetOptions(const ThrottleOptions& options, Time now);

  Snapshot snapshot(Time now);
  ThrottleOptions options() const {
    MutexLock lock(&mu_);
    return options_;
  }

 private:
  double Probability(Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  mutable Mutex mu_;
  ThrottleOptions options_ ABSL_GUARDED_BY(mu_);
  Rng rng_ ABSL_GUARDED_BY(mu_);
  Window ends_ ABSL_GUARDED_BY(mu_);         // what the server said
  Window turned_away_ ABSL_GUARDED_BY(mu_);  // all of them "failed"
  int64_t rejected_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_ADMISSION_THROTTLE_H_
