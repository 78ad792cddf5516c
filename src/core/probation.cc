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

int Probation::needed() const {
  return SuccessesNeeded(options_.probe_success_ratio, samples());
}

void Probation::Restart(Time now) {
  leases_.clear();
  successes_ = failures_ = slow_ = 0;
  started_ = now;
}

uint64_t Probation::Begin(Time now, Time deadline) {
  const int missing = samples() - successes_ - failures_;
  if (in_flight() >= std::min(options_.probes, missing)) return 0;
  const Time ends =
      std::min(deadline, SaturatingAdd(now, options_.probe_timeout));
  leases_.push_back({++last_probe_, ends, Sign::kNothing});
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
  if (lease != leases_.end() && lease->sign == Sign::kNothing) {
    lease->sign = Sign::kProgress;
  }
}

void Probation::NoteAnswered(uint64_t probe, Time now, Time judged_by) {
  auto lease = Find(probe);
  if (lease == leases_.end() || lease->ends < now) return;
  lease->ends = judged_by;
  lease->sign = Sign::kAnswer;
}

absl::optional<Probation::Sign> Probation::EndOverdue(Time now) {
  auto ended = std::find_if(leases_.begin(), leases_.end(),
                            [&](const Lease& l) { return l.ends <= now; });
  if (ended == leases_.end()) return absl::nullopt;
  const Sign sign = ended->sign;
  leases_.erase(ended);
  return sign;
}

Probation::Verdict Probation::verdict(Time now) const {
  const int decided = successes_ + failures_;
  if (failures_ > samples() - needed()) return Verdict::kFailed;
  const bool is_late = decided > 0 && now >= patience_end();
  if (!is_late && successes_ < needed()) return Verdict::kOpen;
  if (is_late &&
      successes_ < SuccessesNeeded(options_.probe_success_ratio, decided)) {
    return Verdict::kFailed;
  }
  const bool are_slow = options_.HasSlowRule() && options_.slow_call_rate > 0 &&
                        slow_ >= options_.slow_call_rate * decided;
  return are_slow ? Verdict::kSlow : Verdict::kPassed;
}

Time Probation::patience_end() const {
  return options_.half_open_duration == Duration::zero()
             ? kInfiniteFuture
             : SaturatingAdd(started_, options_.half_open_duration);
}

Time Probation::next_lease_end() const {
  Time next = kInfiniteFuture;
  for (const Lease& lease : leases_) next = std::min(next, lease.ends);
  return next;
}

Time Probation::next_end() const {
  const Time next = next_lease_end();
  return successes_ + failures_ > 0 ? std::min(next, patience_end()) : next;
}

std::vector<Probation::Lease>::iterator Probation::Find(uint64_t probe) {
  return std::find_if(leases_.begin(), leases_.end(),
                      [&](const Lease& l) { return l.probe == probe; });
}

}  // namespace firebreak::core
