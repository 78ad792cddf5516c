#include "src/core/probation.h"

#include <algorithm>
#include <cmath>

namespace firebreak::core {
namespace {

// Fewest successes among `samples` that reach the ratio. The small number
// takes back what binary fractions add: 0.07 * 100 is 7.000000000000001.
int SuccessesNeeded(const BreakerOptions& options) {
  const double exact = options.probe_success_ratio * options.samples();
  return std::max(1, static_cast<int>(std::ceil(exact - 1e-9)));
}

}  // namespace

Probation::Probation(const BreakerOptions& options)
    : probes_(options.probes),
      samples_(options.samples()),
      needed_(SuccessesNeeded(options)),
      timeout_(options.probe_timeout) {}

void Probation::Restart() {
  leases_.clear();
  successes_ = failures_ = 0;
}

uint64_t Probation::Begin(Time now, Time deadline) {
  const int missing = samples_ - successes_ - failures_;
  if (in_flight() >= std::min(probes_, missing)) return 0;
  const Time ends = std::min(deadline, SaturatingAdd(now, timeout_));
  leases_.push_back({++last_probe_, ends, /*progressed=*/false});
  return last_probe_;
}

bool Probation::End(uint64_t probe, Time now) {
  auto lease = Find(probe);
  if (lease == leases_.end() || lease->ends < now) return false;
  leases_.erase(lease);
  return true;
}

void Probation::NoteProgress(uint64_t probe) {
  auto lease = Find(probe);
  if (lease != leases_.end()) lease->progressed = true;
}

absl::optional<bool> Probation::EndOverdue(Time now) {
  auto ended = std::find_if(leases_.begin(), leases_.end(),
                            [&](const Lease& l) { return l.ends <= now; });
  if (ended == leases_.end()) return absl::nullopt;
  const bool hangs = !ended->progressed;
  leases_.erase(ended);
  return hangs;
}

Probation::Verdict Probation::verdict() const {
  if (successes_ >= needed_) return Verdict::kPassed;
  if (failures_ > samples_ - needed_) return Verdict::kFailed;
  return Verdict::kOpen;
}

Time Probation::next_end() const {
  Time next = kInfiniteFuture;
  for (const Lease& lease : leases_) next = std::min(next, lease.ends);
  return next;
}

std::vector<Probation::Lease>::iterator Probation::Find(uint64_t probe) {
  return std::find_if(leases_.begin(), leases_.end(),
                      [&](const Lease& l) { return l.probe == probe; });
}

}  // namespace firebreak::core
