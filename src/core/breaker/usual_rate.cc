#include "src/core/breaker/usual_rate.h"

#include <algorithm>
#include <cmath>

namespace firebreak::core {
namespace {

constexpr double kSecondsPerDay = 86'400;
constexpr double kMemory = 1'000;  // results
constexpr double kHalfLifeSeconds = 600;
constexpr double kPriorRate = 0.02;
constexpr double kPriorResults = 2;
// Keeps the counters from overflowing, even over years.
constexpr int64_t kMostResults = 1'000'000'000;

// x ln(x / y), which is 0 at x = 0.
double Term(double x, double y) { return x <= 0 ? 0 : x * std::log(x / y); }

}  // namespace

void UsualRate::AddGood(int64_t results) {
  new_bad_ = std::min(new_bad_ + run_, kMostResults);
  new_all_ = std::min(new_all_ + run_ + results, kMostResults);
  run_ = 0;
}

void UsualRate::AddBad(Time now, int64_t results) {
  if (run_ == 0) TakeIn(now);
  run_ = std::min(run_ + results, kMostResults);
}

void UsualRate::Resume(Time now) {
  latest_ = std::max(latest_, now);
  TakeIn(now);
  run_ = 0;
}

void UsualRate::TakeIn(Time now) {
  const double since = std::max(ToSeconds(now - latest_), 0.0);
  latest_ = std::max(latest_, now);
  const double kept = std::exp2(-since / kHalfLifeSeconds);
  bad_ = bad_ * kept + static_cast<double>(new_bad_);
  all_ = all_ * kept + static_cast<double>(new_all_);
  seconds_ = seconds_ * kept + since;
  new_bad_ = new_all_ = 0;
  if (all_ <= kMemory) return;
  bad_ *= kMemory / all_;
  seconds_ *= kMemory / all_;
  all_ = kMemory;
}

double UsualRate::rate() const {
  return (bad_ + kPriorRate * kPriorResults) / (all_ + kPriorResults);
}

double UsualRate::NatsPerDay() const {
  // Traffic of less than a second does not show a lasting rate.
  return std::log(kSecondsPerDay * all_ / std::max(seconds_, 1.0));
}

bool UsualRate::Explains(int64_t bad, int64_t n, double most) const {
  if (bad_ <= 0) return false;
  const double p = std::min(rate(), most);
  const double b = static_cast<double>(bad) / static_cast<double>(n);
  if (b <= p) return true;
  return static_cast<double>(n) * (Term(b, p) + Term(1 - b, 1 - p)) <
         NatsPerDay();
}

int64_t UsualRate::TellingRun(int64_t least, double most) const {
  if (bad_ <= 0) return least;
  const double p = std::min(rate(), most);
  if (p >= 1) return least;
  const double run = std::ceil(NatsPerDay() / -std::log(p));
  return std::max(least, static_cast<int64_t>(run));
}

}  // namespace firebreak::core
