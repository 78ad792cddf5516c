#include "src/core/probation.h"

#include <algorithm>
#include <cmath>

namespace firebreak::core {
namespace {

// Fewest successes among `samples` that reach the ratio. The small number
// takes back what binary fractions add: 0.07 * 100 is 7.000000000000001.
int SuccessesNeeded(double ratio, int samples) {
  const double exact = ratio * samples;
  return std::max(1, static_cast<int>(std::ceil(exact - 1e-9)));
}

}  // namespace

Probation::Probation(const BreakerOptions& options)
    : probes_(options.probes),
      samples_(options.samples()),
      needed_(SuccessesNeeded(options.probe_success_ratio, samples_)),
      ratio_(options.probe_success_ratio),
      timeout_(options.probe_timeout),
      patience_(options.half_open_duration),
      slow_rate_(options.HasSlowRule() && options.slow_call_rate > 0
                     ? options.slow_call_rate
                     : 2) {
  leases_.reserve(static_cast<size_t>(std::min(probes_, samples_)));
}

void Probation::Restart(Time now) {
  leases_.clear();
  successes_ = failures_ = slow_ = 0;
  started_ = now;
}

uint64_t Probation::Begin(Time now, Time deadline) {
  if (in_flight() >= std::min(probes_, samples_ - decided())) return 0;
  if (now >= patience_end()) return 0;
  const Time ends = std::min(SaturatingAdd(std::max(deadline, now), kGrace),
                             SaturatingAdd(now, timeout_));
  leases_.push_back({++last_probe_, ends, /*progressed=*/false});
  return last_probe_;
}

bool Probation::Arrive(uint64_t probe, Time now) {
  auto lease = Find(probe);
  if (lease == leases_.end() || lease->ends < now) return false;
  lease->ends = kInfiniteFuture;
  return true;
}

void Probation::End(uint64_t probe) {
  auto lease = Find(probe);
  if (lease != leases_.end()) leases_.erase(lease);
}

void Probation::NoteProgress(uint64_t probe) {
  auto lease = Find(probe);
  if (lease != leases_.end()) lease->progressed = true;
}

absl::optional<bool> Probation::EndOverdue(Time now) {
  auto first = std::min_element(
      leases_.begin(), leases_.end(),
      [](const Lease& a, const Lease& b) { return a.ends < b.ends; });
  if (first == leases_.end() || first->ends > now) return absl::nullopt;
  const bool hangs = !first->progressed;
  leases_.erase(first);
  return hangs;
}

Probation::Verdict Probation::verdict(Time now) const {
  if (failures_ > samples_ - needed_) return Verdict::kFailed;
  if (successes_ < needed_) {
    if (!leases_.empty() || now < patience_end()) return Verdict::kOpen;
    if (successes_ < SuccessesNeeded(ratio_, decided())) {
      return Verdict::kFailed;
    }
  }
  return slow_ >= slow_rate_ * decided() ? Verdict::kSlow : Verdict::kPassed;
}

Time Probation::patience_end() const {
  return patience_ == Duration::zero() || decided() == 0
             ? kInfiniteFuture
             : SaturatingAdd(started_, patience_);
}

Time Probation::next_lease_end() const {
  Time next = kInfiniteFuture;
  for (const Lease& lease : leases_) next = std::min(next, lease.ends);
  return next;
}

Time Probation::next_end() const {
  return leases_.empty() ? patience_end() : next_lease_end();
}

std::vector<Probation::Lease>::iterator Probation::Find(uint64_t probe) {
  return std::find_if(leases_.begin(), leases_.end(),
                      [&](const Lease& l) { return l.probe == probe; });
}

}  // namespace firebreak::core
