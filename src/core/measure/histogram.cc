#include "src/core/measure/histogram.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace firebreak::core {

void Histogram::Record(Duration latency) {
  pending_.Add(static_cast<uint16_t>(BucketOf(latency)),
               [this](uint16_t bucket) { Count(bucket); });
}

int64_t Histogram::count() const {
  HandOn();
  int64_t total = 0;
  for (const auto& bucket : buckets_) {
    total += bucket.load(std::memory_order_relaxed);
  }
  return total;
}

Duration Histogram::Quantile(double q) const {
  const int64_t total = count();
  if (total == 0) return Duration::zero();
  // Not std::clamp, which passes NaN on. The small factor corrects for the
  // rounding of binary fractions: 0.07 * 100 is 7.000000000000001, and must be
  // rank 7.
  constexpr double kRounding = 4 * std::numeric_limits<double>::epsilon();
  const double exact = (q > 0 ? std::min(q, 1.0) : 0) *
                       static_cast<double>(total) * (1 - kRounding);
  const auto rank =
      std::max<int64_t>(1, static_cast<int64_t>(std::ceil(exact)));
  int64_t seen = 0;
  for (int i = 0; i < kBuckets; ++i) {
    seen += buckets_[static_cast<size_t>(i)].load(std::memory_order_relaxed);
    if (seen >= rank) return MiddleOf(i);
  }
  return MiddleOf(kBuckets - 1);
}

Histogram::Summary Histogram::Summarize(
    absl::Span<const Duration> bounds) const {
  HandOn();
  Summary summary;
  summary.at_most.reserve(bounds.size());
  for (int i = 0; i < kBuckets; ++i) {
    const Duration middle = MiddleOf(i);
    while (summary.at_most.size() < bounds.size() &&
           bounds[summary.at_most.size()] < middle) {
      summary.at_most.push_back(summary.count);
    }
    const int64_t n =
        buckets_[static_cast<size_t>(i)].load(std::memory_order_relaxed);
    summary.count += n;
    summary.sum_seconds +=
        static_cast<double>(n) * std::chrono::duration<double>(middle).count();
  }
  summary.at_most.resize(bounds.size(), summary.count);
  return summary;
}

int Histogram::BucketOf(Duration latency) {
  const auto us = static_cast<uint64_t>(std::max<int64_t>(
      0,
      std::chrono::duration_cast<std::chrono::microseconds>(latency).count()));
  if (us < kSub) return static_cast<int>(us);
  // The position of the highest bit selects the octave, and the five bits below
  // it the bucket within.
  const int shift = 63 - __builtin_clzll(us) - kSubBits;
  const int bucket =
      (shift + 1) * kSub + static_cast<int>((us >> shift) - kSub);
  return std::min(bucket, kBuckets - 1);
}

Duration Histogram::MiddleOf(int bucket) {
  if (bucket < kSub) {
    return std::chrono::microseconds(bucket) + std::chrono::nanoseconds(500);
  }
  const int shift = bucket / kSub - 1;
  const int64_t low = static_cast<int64_t>(kSub + bucket % kSub) << shift;
  const int64_t width_ns = int64_t{1000} << shift;
  return std::chrono::microseconds(low) +
         std::chrono::nanoseconds(width_ns / 2);
}

}  // namespace firebreak::core
