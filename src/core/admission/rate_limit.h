// A rate limit: a token bucket with a bounded wait.
//
//   RateLimit::Turn turn = limit.Take(now, /*latest=*/now + max_wait);
//   if (!turn.is_ours) return Reject(turn.at - latest);   // come back then
//   ... not before turn.at ...
//   limit.GiveBack(turn, now);                         // not sent after all
//
// The bucket holds `burst` tokens at the start and never more, and gains `rate`
// tokens a second. A call that finds it empty may take a future token, if that
// comes by `latest`. Turns are given in the order in which they are asked for.
//
// The state is one number, the time at which the bucket is full again (the
// "generic cell rate algorithm", ITU-T I.371). So there is no lock, and no
// rounding error that grows. The step between two tokens is rounded to the
// nanosecond.
//
// A token that is given back can be used again, unless the bucket has become
// full since then: otherwise two bursts could come at once. It goes to the next
// call, and not to those that already wait, whose turns are fixed. So in any
// time t at most burst + rate * t turns come, and one more for each that was
// given back while others waited.
//
// Thread safety: safe from any thread, without locks. `now` may run back a
// little between threads.
#ifndef FIREBREAK_SRC_CORE_ADMISSION_RATE_LIMIT_H_
#define FIREBREAK_SRC_CORE_ADMISSION_RATE_LIMIT_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "src/core/admission/policy_state.h"
#include "src/core/base/field.h"
#include "src/core/base/time.h"

namespace firebreak::core {

// A limit on the number of calls per second.
struct RateLimitOptions {
  // [0.001, 1'000'000]. No rate fits all methods, so it has to be set.
  double rate = 0;
  // How many calls may come at once after a pause. [0, 1'000'000], 0 = as many
  // as in one second, at least 1.
  int burst = 0;
  // How long a call may wait for its token. [0, 1h], 0 = not at all, like the
  // status 429 of HTTP.
  Duration max_wait = Duration::zero();

  int tokens() const;
  FieldList Fields() {
    return {{"rate", &rate, Within(0.001, 1'000'000)},
            {"burst", &burst, Within(0, 1'000'000)},
            {"max_wait", &max_wait, Within(Duration::zero(), kHour)}};
  }
  friend bool operator==(RateLimitOptions a, RateLimitOptions b) {
    return SameValues(a.Fields(), b.Fields());
  }
  void Check(const std::string& path, FieldErrors* errors) const {
    CheckFieldsOf(*this, path, errors);
  }
};

class RateLimit {
 public:
  struct Turn {
    bool is_ours = false;
    // When the turn comes; `now` if at once. It is set for a turn that is not
    // ours too.
    Time at;
    // When the bucket would be full again if this were the last turn.
    Time full_at;
  };

  RateLimit(const RateLimitOptions& options, Time now);
  // Replaces `before` and takes over its tokens, future ones that were taken
  // included. A turn that came from `before` is given back to `before`, and has
  // no effect here.
  RateLimit(const RateLimitOptions& options, const RateLimit& before, Time now);
  // Returns `before` if it has these options, else what replaces it.
  static std::shared_ptr<RateLimit> Next(std::shared_ptr<RateLimit> before,
                                         const RateLimitOptions& options,
                                         uint64_t seed, Time now);
  RateLimit(const RateLimit&) = delete;
  RateLimit& operator=(const RateLimit&) = delete;

  Turn Take(Time now, Time latest);
  // Gives back a turn that was ours and was not used.
  void GiveBack(const Turn& turn, Time now);

  // Counts a call that was refused.
  void CountRejection() { rejected_.fetch_add(1, std::memory_order_relaxed); }
  int64_t rejected() const { return rejected_.load(std::memory_order_relaxed); }
  // The number of tokens; below zero if future ones have been taken.
  double tokens(Time now) const;
  const RateLimitOptions& options() const { return options_; }

  // These are as policy_state.h requires.
  static constexpr Reason kReasons[] = {Reason::kRateLimited};
  static constexpr bool kMayMakeWait = true;
  static Measures Kinds() { return MeasuresOf(RateLimitOptions(), 0, 0); }
  Measures measures(Time now) const {
    return MeasuresOf(options_, tokens(now), rejected());
  }
  std::string Explain(const AdmissionRefusal& refusal) const;

 private:
  static Measures MeasuresOf(const RateLimitOptions& options, double tokens,
                             int64_t rejected);

  const RateLimitOptions options_;
  const Duration step_;   // between two tokens
  const Duration depth_;  // all tokens but one
  // When the bucket is full again, as a count of nanoseconds.
  std::atomic<Time::rep> full_at_;
  std::atomic<int64_t> rejected_{0};
};

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_ADMISSION_RATE_LIMIT_H_
