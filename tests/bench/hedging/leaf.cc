#include "tests/bench/hedging/leaf.h"

#include <cmath>

#include "src/core/base/rng.h"

namespace firebreak::bench {
namespace {

constexpr double kPi = 3.14159265358979323846;

// The variance and the mean of the logarithm of a lognormal time.
double LogVariance() {
  return std::log1p(kDeviationMs * kDeviationMs / (kMeanMs * kMeanMs));
}
double LogMean() { return std::log(kMeanMs) - LogVariance() / 2; }

core::Rng RngOf(uint64_t seed, int64_t call, int attempt) {
  core::Rng of_seed(seed);
  core::Rng of_call(of_seed.Next() ^ static_cast<uint64_t>(call));
  return core::Rng(of_call.Next() + static_cast<uint64_t>(attempt));
}

}  // namespace

core::Duration DrawSleep(uint64_t seed, int64_t call, int attempt, double rho) {
  double stragglers = kStragglers;
  if (attempt > 0 && RngOf(seed, call, 0).Uniform() < kStragglers) {
    stragglers = rho;
  }
  core::Rng rng = RngOf(seed, call, attempt);
  const bool is_straggler = rng.Uniform() < stragglers;
  // Box and Muller's method makes a normal number from two uniform ones.
  const double radius = std::sqrt(-2 * std::log(1 - rng.Uniform()));
  const double normal = radius * std::cos(2 * kPi * rng.Uniform());
  const double ms = std::exp(LogMean() + std::sqrt(LogVariance()) * normal) *
                    (is_straggler ? kStragglerFactor : 1);
  return core::Duration(static_cast<int64_t>(ms * 1e6));
}

double FastSurvival(double ms) {
  if (!(ms > 0)) return 1;
  const double z = (std::log(ms) - LogMean()) / std::sqrt(2 * LogVariance());
  return std::erfc(z) / 2;
}

double SlowSurvival(double ms) { return FastSurvival(ms / kStragglerFactor); }

double MixedSurvival(double ms, double stragglers) {
  return (1 - stragglers) * FastSurvival(ms) + stragglers * SlowSurvival(ms);
}

}  // namespace firebreak::bench
