#include "src/core/admission/throttle.h"

#include <algorithm>

namespace firebreak::core {
namespace {

Window EmptyWindow(Duration length, Time now) {
  WindowOptions options;
  options.kind = WindowOptions::Kind::kTime;
  options.duration = length;
  return Window(options, now);
}

}  // namespace

Throttle::Throttle(const ThrottleOptions& options, uint64_t seed, Time now)
    : options_(options), rng_(seed), ends_(EmptyWindow(options.window, now)) {}

void Throttle::SetOptions(const ThrottleOptions& options, Time now) {
  MutexLock lock(&mu_);
  if (options.window != options_.window) {
    ends_ = EmptyWindow(options.window, now);
  }
  options_ = options;
}

bool Throttle::Admit(Time now) {
  MutexLock lock(&mu_);
  const double probability = Probability(now);
  if (probability <= 0 || rng_.Uniform() >= probability) return true;
  ends_.Add(/*failed=*/true, now);
  ++rejected_;
  return false;
}

void Throttle::OnEnd(bool accepted, Time now) {
  MutexLock lock(&mu_);
  ends_.Add(!accepted, now);
}

Throttle::Snapshot Throttle::snapshot(Time now) {
  MutexLock lock(&mu_);
  Snapshot out;
  out.requests = ends_.total(now);
  out.accepts = out.requests - ends_.failures(now);
  out.rejection_probability = Probability(now);
  out.rejected = rejected_;
  return out;
}

double Throttle::Probability(Time now) {
  const int64_t total = ends_.total(now);
  const auto requests = static_cast<double>(total);
  const auto accepts = static_cast<double>(total - ends_.failures(now));
  return std::max(0.0, (requests - options_.k * accepts) / (requests + 1));
}

}  // namespace firebreak::core
