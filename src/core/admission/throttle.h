// Client-side throttling: while the server refuses many calls, a share of the
// calls is refused here, so that the server does not have to. A refusal costs
// an overloaded server something, too.
//
//   if (!throttle.Admit(now)) return Reject();
//   ...
//   throttle.OnEnd(/*accepted=*/code != RESOURCE_EXHAUSTED, now);
//
// Over the window, a call is refused with the probability
//
//   max(0, (requests - k * accepts) / (requests + 1))
//   requests = answered + weight * refused here
//   weight = min(1, refused by the server / answered * k / (k - 1))
//
// so that the server sees about k times as many calls as it accepts. Source:
// SRE book ch. 21, "Client-Side Throttling"; k = 2, two minutes. The weight is
// firebreak's own. In the book it is always 1: then the calls that are refused
// here go on to prove that the server refuses calls, and after an outage as
// long as the window a server gets all of its calls back only after four
// windows. The weight is 1 while the server refuses its share, which is (k - 1)
// / k of the calls it sees at k times what it accepts. It is 0 when the server
// has refused no call for a window. So a server that has recovered gets all of
// its calls back within one window.
//
// A request counts once its result is known. The book counts it when it is
// made; then the first hundred calls of a process, all in flight and none
// answered yet, would cause each other's refusal.
//
// The windows are windows of results (window.h), in which a call that was not
// accepted is a failure. They take O(1) time per call, and fixed memory.
//
// Thread safety: safe from any thread. `now` may run back a little.
#ifndef FIREBREAK_SRC_CORE_ADMISSION_THROTTLE_H_
#define FIREBREAK_SRC_CORE_ADMISSION_THROTTLE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "src/core/admission/policy_state.h"
#include "src/core/base/field.h"
#include "src/core/base/mutex.h"
#include "src/core/base/rng.h"
#include "src/core/base/time.h"
#include "src/core/measure/window.h"

namespace firebreak::core {

// Client-side throttling as in the SRE book, ch. 21.
struct ThrottleOptions {
  double k = 2.0;                                  // [1, 1'000]. ibid.
  Duration window = std::chrono::seconds(2 * 60);  // [1s, 1h]. ibid.

  FieldList Fields() {
    return {{"k", &k, Within(1, 1'000)},
            {"window", &window, Within(std::chrono::seconds(1), kHour)}};
  }
  void Check(const std::string& path, FieldErrors* errors) const {
    CheckFieldsOf(*this, path, errors);
  }
};

class Throttle {
 public:
  struct Snapshot {
    int64_t requests = 0;  // in the window, refused ones included
    int64_t accepts = 0;
    double rejection_probability = 0;
    int64_t rejected = 0;  // since the start
    double k = 0;          // of the options

    Measures measures() const;
  };

  Throttle(const ThrottleOptions& options, uint64_t seed, Time now);
  Throttle(const Throttle&) = delete;
  Throttle& operator=(const Throttle&) = delete;

  // Returns `before` with these options, or a new one if it is null.
  static std::shared_ptr<Throttle> Next(std::shared_ptr<Throttle> before,
                                        const ThrottleOptions& options,
                                        uint64_t seed, Time now);

  bool Admit(Time now);
  // Reports the end of a call that was admitted and sent. A call that was not
  // sent after all is not reported.
  void OnEnd(bool accepted, Time now);

  // Sets options that hold from now on. A window of another length starts
  // empty.
  void SetOptions(const ThrottleOptions& options, Time now);

  Snapshot snapshot(Time now);

  // These are as policy_state.h requires.
  static constexpr Reason kReasons[] = {Reason::kThrottledLocally};
  static constexpr bool kMayMakeWait = false;
  static Measures Kinds() { return Snapshot().measures(); }
  Measures measures(Time now) { return snapshot(now).measures(); }
  std::string Explain(const AdmissionRefusal& refusal) const;
  ThrottleOptions options() const {
    MutexLock lock(&mu_);
    return options_;
  }

 private:
  double Probability(Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  mutable Mutex mu_;
  ThrottleOptions options_ ABSL_GUARDED_BY(mu_);
  Rng rng_ ABSL_GUARDED_BY(mu_);
  Window ends_ ABSL_GUARDED_BY(mu_);     // what the server said
  Window refused_ ABSL_GUARDED_BY(mu_);  // all of them "failed"
  int64_t rejected_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_ADMISSION_THROTTLE_H_
