// Latencies in fixed memory: a log-linear histogram.
//
//   Histogram h;
//   h.Record(std::chrono::microseconds(830));
//   Duration p99 = h.Quantile(0.99);
//
// 32 linear buckets per power of two from 1 us to about 19 hours; a quantile is
// the middle of its bucket, so its relative error is at most 1/64 (1.6 %);
// below 32 us the error is at most half a microsecond. Larger values land in
// the last bucket. About 9 KiB.
//
// Thread safety: safe from any thread. The counters are relaxed, so two
// concurrent readers may see different samples. Threads that record at the same
// time rarely contend (sample_buffer.h).
#ifndef FIREBREAK_SRC_CORE_MEASURE_HISTOGRAM_H_
#define FIREBREAK_SRC_CORE_MEASURE_HISTOGRAM_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "src/core/base/time.h"
#include "src/core/measure/sample_buffer.h"

namespace firebreak::core {

class Histogram {
 public:
  void Record(Duration latency);

  int64_t count() const;
  // The sample of rank ceil(q * count), at least the first; zero when empty.
  // `q` in [0, 1]; NaN counts as 0.
  Duration Quantile(double q) const;

  // The samples in coarser steps, all read at one moment: how many were at most
  // each of `bounds`, which ascend, and their sum. It is as exact as a
  // quantile: a sample counts as the middle of its bucket.
  struct Summary {
    std::vector<int64_t> at_most;  // one for each bound
    int64_t count = 0;
    double sum_seconds = 0;
  };
  Summary Summarize(absl::Span<const Duration> bounds) const;

 private:
  static constexpr int kSubBits = 5;
  static constexpr int kSub = 1 << kSubBits;
  static constexpr int kOctaves = 31;
  static constexpr int kBuckets = kSub * (kOctaves + 1);

  static int BucketOf(Duration latency);
  static Duration MiddleOf(int bucket);

  void Count(uint16_t bucket) const {
    // Relaxed: a counter orders no other memory access.
    buckets_[bucket].fetch_add(1, std::memory_order_relaxed);
  }
  // Moves all pending samples to the buckets; every reader calls it first.
  void HandOn() const {
    pending_.HandOn([this](uint16_t bucket) { Count(bucket); });
  }

  // Mutable, since const readers move the pending samples on.
  mutable SampleBuffer pending_;
  mutable std::array<std::atomic<int64_t>, kBuckets> buckets_{};
};

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_MEASURE_HISTOGRAM_H_
