#include "src/core/throttle.h"

#include <algorithm>

namespace firebreak::core {

Throttle::Throttle(const ThrottleOptions& options, uint64_t seed, Time now)
    : options_(options),
      width_(options.window / kBuckets),
      rng_(seed),
      began_(now) {}

void Throttle::SetOptions(const ThrottleOptions& options, Time now) {
  MutexLock lock(&mu_);
  if (options.window != options_.window) {
    width_ = options.window / kBuckets;
    buckets_.fill({});
    total_ = {};
    began_ = std::max(began_, now);
  }
  options_ = options;
}

bool Throttle::Admit(Time now) {
  MutexLock lock(&mu_);
  Advance(now);
  const double probability = Probability();
  if (probability <= 0 || rng_.Uniform() >= probability) return true;
  Add(0);
  ++rejected_;
  return false;
}

void Throttle::OnEnd(bool accepted, Time now) {
  MutexLock lock(&mu_);
  Advance(now);
  Add(accepted ? 1 : 0);
}

Throttle::Snapshot Throttle::snapshot(Time now) {
  MutexLock lock(&mu_);
  Advance(now);
  Snapshot out;
  out.requests = total_.requests;
  out.accepts = total_.accepts;
  out.rejection_probability = Probability();
  out.rejected = rejected_;
  return out;
}

void Throttle::Advance(Time now) {
  if (now < began_ || now - began_ < width_) return;
  const auto steps = (now - began_) / width_;
  if (steps >= kBuckets) {
    buckets_.fill({});
    total_ = {};
    began_ = now;
    return;
  }
  for (auto i = steps; i > 0; --i) {
    current_ = (current_ + 1) % kBuckets;
    Counts& oldest = buckets_[static_cast<size_t>(current_)];
    total_.requests -= oldest.requests;
    total_.accepts -= oldest.accepts;
    oldest = {};
  }
  began_ += steps * width_;
}

void Throttle::Add(int64_t accepts) {
  Counts& bucket = buckets_[static_cast<size_t>(current_)];
  for (Counts* counts : {&total_, &bucket}) {
    ++counts->requests;
    counts->accepts += accepts;
  }
}

double Throttle::Probability() const {
  const auto requests = static_cast<double>(total_.requests);
  const auto accepts = static_cast<double>(total_.accepts);
  return std::max(0.0, (requests - options_.k * accepts) / (requests + 1));
}

}  // namespace firebreak::core
