#include "tests/bench/hedging/ideal.h"

namespace firebreak::bench {
namespace {

// So many steps bisect [0, kNeverMs] down to a millionth of a millisecond.
constexpr int kSteps = 34;

// Returns where the falling function `falls` comes down to `level`.
template <class Function>
double Bisect(const Function& falls, double level) {
  double low = 0;
  double high = Ideal::kNeverMs;
  for (int i = 0; i < kSteps; ++i) {
    const double middle = (low + high) / 2;
    (falls(middle) > level ? low : high) = middle;
  }
  return high;
}

}  // namespace

double Ideal::Survival(double ms) const {
  double fast = FastSurvival(ms);
  double slow = SlowSurvival(ms);
  for (int n = 1; n <= hedges; ++n) {
    fast *= MixedSurvival(ms - n * delay_ms, kStragglers);
    slow *= MixedSurvival(ms - n * delay_ms, rho);
  }
  return (1 - kStragglers) * fast + kStragglers * slow;
}

double Ideal::Quantile(double q) const {
  return Bisect([this](double ms) { return Survival(ms); }, 1 - q);
}

double Ideal::Mean() const {
  // The mean is the integral of the survival, here by the trapezoid rule.
  // Beyond a second nothing is left of it.
  constexpr double kStep = 0.01;
  double sum = 0.5;
  for (int i = 1; i * kStep < 1000; ++i) sum += Survival(i * kStep);
  return sum * kStep;
}

double Ideal::Extra() const {
  double sum = 0;
  for (int n = 1; n <= hedges; ++n) sum += Survival(n * delay_ms);
  return sum;
}

double Ideal::DelayFor(double extra) const {
  if (hedges == 0 || !(extra > 0)) return kNeverMs;
  Ideal other = *this;
  return Bisect(
      [&other](double delay) {
        other.delay_ms = delay;
        return other.Extra();
      },
      extra);
}

}  // namespace firebreak::bench
