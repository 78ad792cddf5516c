// At most so many calls a second: a token bucket, with a bounded wait.
//
//   RateLimit::Turn turn = limit.Take(now, /*latest=*/now + max_wait);
//   if (!turn.is_ours) return Reject(turn.at - latest);   // come back then
//   ... not before turn.at ...
//   limit.GiveBack(turn, now);                         // not sent after all
//
// The bucket holds `burst` tokens at the start and at most, and gains `rate` a
// second. Who finds it empty may take a token that is yet to come, if it comes
// by `latest`: turns are given in the order they are asked for.
//
// Kept as one number, the time at which the bucket is full again (the "generic
// cell rate algorithm", ITU-T I.371): so no lock, and no rounding that grows.
// The step between two tokens is rounded to the nanosecond.
//
// A token that is given back is there again as far as the bucket has not been
// filled up since: one that is kept for long is lost, or two bursts could be
// had at once. It goes to the next to come, not to those who wait, whose turns
// stand. So in any time t at most burst + rate * t turns come, and one more for
// each that was given back while others waited for theirs.
//
// Thread safety: safe from any thread, without locks. `now` may run back a
// little between threads.
#ifndef FIREBREAK_SRC_CORE_ADMISSION_RATE_LIMIT_H_
#define FIREBREAK_SRC_CORE_ADMISSION_RATE_LIMIT_H_

#include <atomic>
#include <cstdint>

#include "src/core/base/time.h"
#include "src/core/options.h"

namespace firebreak::core {

class RateLimit {
 public:
  struct Turn {
    bool is_ours = false;
    // When it comes; `now` when at once. Also of one that is not ours.
    Time at;
    // When the bucket would be full again, were it the last.
    Time full_at;
  };

  RateLimit(const RateLimitOptions& options, Time now);
  // In place of `before`, with the tokens that it has: those taken before they
  // came, too. What was taken of it is given back to it, and lost.
  RateLimit(const RateLimitOptions& options, const RateLimit& before, Time now);
  RateLimit(const RateLimit&) = delete;
  RateLimit& operator=(const RateLimit&) = delete;

  Turn Take(Time now, Time latest);
  // A turn that was ours is not used.
  void GiveBack(const Turn& turn, Time now);

  // A call came in vain.
  void CountRejection() { rejected_.fetch_add(1, std::memory_order_relaxed); }
  int64_t rejected() const { return rejected_.load(std::memory_order_relaxed); }
  // Tokens there are; below zero: taken before they came.
  double tokens(Time now) const;
  const RateLimitOptions& options() const { return options_; }

 private:
  const RateLimitOptions options_;
  const Duration step_;   // between two tokens
  const Duration depth_;  // all tokens but one
  // When the bucket is full again, as a count of nanoseconds.
  std::atomic<Time::rep> full_at_;
  std::atomic<int64_t> rejected_{0};
};

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_ADMISSION_RATE_LIMIT_H_
