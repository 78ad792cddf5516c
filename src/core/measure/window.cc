#include "src/core/measure/window.h"

#include <algorithm>

namespace firebreak::core {

Window::Window(const WindowOptions& options, Time now)
    : options_(options),
      bucket_width_(std::max(options.duration / kBuckets, Duration(1))),
      bucket_start_(now) {
  if (options_.kind == WindowOptions::Kind::kCalls) {
    ring_.resize(static_cast<size_t>(std::max(options_.calls, 1)));
  }
}

void Window::Clear(Time now) {
  total_ = failures_ = 0;
  next_ = 0;
  buckets_.fill(Bucket{});
  bucket_start_ = std::max(bucket_start_, now);
}

double Window::failure_rate(Time now) {
  Advance(now);
  return total_ == 0
             ? 0.0
             : static_cast<double>(failures_) / static_cast<double>(total_);
}

void Window::Add(bool failed, Time now, int64_t n) {
  if (options_.kind == WindowOptions::Kind::kCalls) {
    AddToRing(failed, n);
    return;
  }
  Advance(now);
  Bucket& bucket = buckets_[static_cast<size_t>(current_)];
  bucket.total += n;
  total_ += n;
  if (failed) {
    bucket.failures += n;
    failures_ += n;
  }
}

void Window::AddToRing(bool failed, int64_t n) {
  const auto size = static_cast<int64_t>(ring_.size());
  for (int64_t i = std::min(n, size); i > 0; --i) {
    if (total_ == size) {
      if (ring_[next_]) --failures_;
    } else {
      ++total_;
    }
    ring_[next_] = failed;
    if (failed) ++failures_;
    if (++next_ == ring_.size()) next_ = 0;
  }
}

void Window::Advance(Time now) {
  if (options_.kind == WindowOptions::Kind::kCalls) return;
  if (now < current_until()) return;
  // Unsigned, since the difference may overflow a Duration.
  const auto width = static_cast<uint64_t>(bucket_width_.count());
  const uint64_t gone =
      static_cast<uint64_t>(now.time_since_epoch().count()) -
      static_cast<uint64_t>(bucket_start_.time_since_epoch().count());
  const uint64_t steps = std::min<uint64_t>(gone / width, kBuckets);
  for (uint64_t i = 0; i < steps; ++i) {
    current_ = (current_ + 1) % kBuckets;
    Bucket& old = buckets_[static_cast<size_t>(current_)];
    total_ -= old.total;
    failures_ -= old.failures;
    old = Bucket{};
  }
  bucket_start_ = now - Duration(static_cast<int64_t>(gone % width));
}

}  // namespace firebreak::core
