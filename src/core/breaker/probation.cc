#include "src/core/breaker/probation.h"

#include <algorithm>
#include <cmath>

namespace firebreak::core {
namespace {

// The fewest successes among `samples` that reach the ratio. The small number
// corrects for the rounding of binary fractions: 0.07 * 100 is
// 7.000000000000001.
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
  doubted_.clear();
  successes_ = failures_ = slow_ = 0;
  started_ = now;
}

bool Probation::HasRoom(Time now) const {
  return in_flight() < std::min(options_.probes, samples() - decided()) &&
         now < patience_end();
}

uint64_t Probation::Begin(Time now, Time deadline, bool is_stream) {
  if (!HasRoom(now)) return 0;
  const Time ends = std::min(SaturatingAdd(std::max(deadline, now), kGrace),
                             SaturatingAdd(now, lease_time()));
  leases_.push_back({++last_probe_, ends, Sign::kNothing, now, is_stream});
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
  Undoubt(probe);
}

absl::optional<Probation::Sign> Probation::EndSilentStream(Time now) {
  const auto silent =
      std::find_if(leases_.begin(), leases_.end(), [&](const Lease& lease) {
        return lease.is_stream && lease.sign == Sign::kNothing &&
               now - lease.begun >= kSilentFor;
      });
  if (silent == leases_.end()) return absl::nullopt;
  const bool is_doubted = now < silence_counts_from_;
  if (is_doubted) doubted_.push_back(silent->probe);
  leases_.erase(silent);
  return is_doubted ? Sign::kNothing : Sign::kProgress;
}

bool Probation::NoteProgress(uint64_t probe) {
  auto lease = Find(probe);
  if (lease != leases_.end() && lease->sign == Sign::kNothing) {
    lease->sign = Sign::kProgress;
  }
  return Undoubt(probe);
}

bool Probation::Undoubt(uint64_t probe) {
  const auto found = std::find(doubted_.begin(), doubted_.end(), probe);
  if (found == doubted_.end()) return false;
  doubted_.erase(found);
  return true;
}

void Probation::NoteAnswered(uint64_t probe, Time now, Time judged_by) {
  auto lease = Find(probe);
  if (lease == leases_.end() || lease->ends < now) return;
  lease->ends = judged_by;
  lease->sign = Sign::kAnswer;
}

absl::optional<Probation::Sign> Probation::EndOverdue(Time now) {
  auto first = std::min_element(
      leases_.begin(), leases_.end(),
      [](const Lease& a, const Lease& b) { return a.ends < b.ends; });
  if (first == leases_.end() || first->ends > now) return absl::nullopt;
  const Sign sign = first->sign;
  if (sign == Sign::kNothing && !first->is_stream) NoteNoAnswer(now);
  leases_.erase(first);
  if (sign == Sign::kNothing) longest_success_ /= 2;
  return sign;
}

void Probation::NoteSuccessTook(Duration took) {
  longest_success_ =
      std::max(longest_success_, std::min(took, options_.max_open_duration));
}

Duration Probation::lease_time() const {
  return std::max(options_.probe_timeout,
                  std::min(longest_success_ + longest_success_ / 2,
                           options_.max_open_duration));
}

Probation::Verdict Probation::verdict(Time now) const {
  if (failures_ > samples() - needed()) return Verdict::kFailed;
  if (successes_ < needed()) {
    if (!leases_.empty() || now < patience_end()) return Verdict::kOpen;
    if (successes_ < SuccessesNeeded(options_.probe_success_ratio, decided())) {
      return Verdict::kFailed;
    }
  }
  const bool are_slow = options_.HasSlowRule() && options_.slow_call_rate > 0 &&
                        slow_ >= options_.slow_call_rate * decided();
  return are_slow ? Verdict::kSlow : Verdict::kPassed;
}

Time Probation::patience_end() const {
  return options_.half_open_duration == Duration::zero() || decided() == 0
             ? kInfiniteFuture
             : SaturatingAdd(started_, options_.half_open_duration);
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
