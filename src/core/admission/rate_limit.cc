#include "src/core/admission/rate_limit.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"

namespace firebreak::core {
namespace {

Duration StepOf(const RateLimitOptions& options) {
  return Duration(std::max<Duration::rep>(1, std::llround(1e9 / options.rate)));
}

Time ToTime(Time::rep count) { return Time(Duration(count)); }

}  // namespace

int RateLimitOptions::tokens() const {
  return burst > 0 ? burst : std::max(1, static_cast<int>(std::ceil(rate)));
}

RateLimit::RateLimit(const RateLimitOptions& options, Time now)
    : options_(options),
      step_(StepOf(options)),
      depth_(step_ * (options.tokens() - 1)),
      full_at_(now.time_since_epoch().count()) {}

RateLimit::RateLimit(const RateLimitOptions& options, const RateLimit& before,
                     Time now)
    : RateLimit(options, now) {
  const double tokens = std::min<double>(before.tokens(now), options.tokens());
  const Duration missing = Scale(step_, options.tokens() - tokens);
  full_at_ = SaturatingAdd(now, missing).time_since_epoch().count();
  rejected_ = before.rejected();
}

std::shared_ptr<RateLimit> RateLimit::Next(std::shared_ptr<RateLimit> before,
                                           const RateLimitOptions& options,
                                           uint64_t /*seed*/, Time now) {
  if (before == nullptr) return std::make_shared<RateLimit>(options, now);
  if (before->options() == options) return before;
  return std::make_shared<RateLimit>(options, *before, now);
}

RateLimit::Turn RateLimit::Take(Time now, Time latest) {
  Time::rep before = full_at_.load(std::memory_order_relaxed);
  for (;;) {
    const Time full_at = std::max(ToTime(before), now);
    Turn turn;
    turn.at = std::max(now, SaturatingAdd(full_at, -depth_));
    turn.is_ours = turn.at <= std::max(now, latest);
    if (!turn.is_ours) return turn;
    turn.full_at = SaturatingAdd(full_at, step_);
    if (full_at_.compare_exchange_weak(before,
                                       turn.full_at.time_since_epoch().count(),
                                       std::memory_order_relaxed)) {
      return turn;
    }
  }
}

void RateLimit::GiveBack(const Turn& turn, Time now) {
  const Duration left = std::min(Remaining(now, turn.full_at), step_);
  full_at_.fetch_sub(left.count(), std::memory_order_relaxed);
}

double RateLimit::tokens(Time now) const {
  const Time full_at = std::max(ToTime(full_at_.load()), now);
  return options_.tokens() - ToSeconds(full_at - now) / ToSeconds(step_);
}

Measures RateLimit::MeasuresOf(const RateLimitOptions& options, double tokens,
                               int64_t rejected) {
  return {
      {"tokens", "tokens",
       "Calls that the rate limit lets through at once; below 0: that wait for "
       "their turn.",
       tokens},
      {"burst", "burst_tokens", "What it holds when it is full.",
       options.tokens()},
      {"rejected", "rejected_total", "Calls that the rate limit refused.",
       rejected},
      {"rate", "", "", options.rate},
  };
}

std::string RateLimit::Explain(const AdmissionRefusal& refusal) const {
  return absl::StrCat("the rate limit of ", options_.rate,
                      " calls/s is used up: the next turn comes in ",
                      FormatWait(refusal));
}

}  // namespace firebreak::core
