// A sliding window of results: how many of the recent ones failed.
//
//   Window window(options.breaker->window, now);
//   window.Add(/*failed=*/true, now);
//   if (window.total(now) >= 20 && window.failure_rate(now) >= 0.5) ...
//
// There are two kinds: the last N results (a ring of bits), or the last T in
// ten buckets that are dropped as a whole when they are too old, so that the
// window covers between 0.9 T and T. Both take fixed memory and O(1) per result
// (after a pause at most ten buckets are cleared). A `now` that lies before an
// earlier one counts as the earlier one: threads read the clock before they
// take the lock.
//
// Thread safety: none; the breaker that owns it locks.
#ifndef FIREBREAK_SRC_CORE_MEASURE_WINDOW_H_
#define FIREBREAK_SRC_CORE_MEASURE_WINDOW_H_

#include <array>
#include <cstdint>
#include <vector>

#include "src/core/base/time.h"

namespace firebreak::core {

// The results that the rates of a breaker are judged on.
struct WindowOptions {
  enum class Kind { kCalls, kTime };
  Kind kind = Kind::kTime;
  // The last `calls` results. [1, 10'000].
  int calls = 100;
  // The results of the last `duration`, in ten buckets. [100ms, 1h]. 30 s as in
  // Polly and Finagle: long enough for little traffic, and short enough to
  // forget old trouble.
  Duration duration = std::chrono::seconds(30);

  // True if both windows cover the same results.
  friend bool operator==(const WindowOptions& a, const WindowOptions& b) {
    return a.kind == b.kind &&
           (a.kind == Kind::kCalls ? a.calls == b.calls
                                   : a.duration == b.duration);
  }
};

class Window {
 public:
  Window(const WindowOptions& options, Time now);

  void Add(bool failed, Time now) { Add(failed, now, 1); }
  // Adds `n` > 0 results at once; it costs no more than filling the window.
  void Add(bool failed, Time now, int64_t n);
  void Clear(Time now);
  const WindowOptions& options() const { return options_; }

  int64_t total(Time now) {
    Advance(now);
    return total_;
  }
  int64_t failures(Time now) {
    Advance(now);
    return failures_;
  }
  // 0 when empty.
  double failure_rate(Time now);

  // As of the latest `now` so far, which may be past current_until().
  int64_t last_total() const { return total_; }
  int64_t last_failures() const { return failures_; }
  // Until when results are added to the current bucket, and none ages out.
  Time current_until() const {
    return options_.kind == WindowOptions::Kind::kCalls
               ? kInfiniteFuture
               : SaturatingAdd(bucket_start_, bucket_width_);
  }

 private:
  static constexpr int kBuckets = 10;
  struct Bucket {
    int64_t total = 0;
    int64_t failures = 0;
  };

  void AddToRing(bool failed, int64_t n);
  void Advance(Time now);

  WindowOptions options_;
  int64_t total_ = 0;
  int64_t failures_ = 0;

  // kCalls.
  std::vector<bool> ring_;
  size_t next_ = 0;

  // kTime: bucket_start_ is when the current bucket began.
  std::array<Bucket, kBuckets> buckets_;
  Duration bucket_width_;
  Time bucket_start_;
  int current_ = 0;
};

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_MEASURE_WINDOW_H_
