#include "src/sim/distribution.h"

#include <algorithm>
#include <cmath>
#include <memory>

namespace firebreak::sim {
namespace {

using core::Rng;

double Seconds(Duration d) {
  return core::ToSeconds(std::max(d, Duration::zero()));
}

// A random number in (0, 1], so that its logarithm is finite.
double AboveZero(Rng* rng) { return 1.0 - rng->Uniform(); }

// The method of Box and Muller; the second number of the pair is not used.
double StandardNormal(Rng* rng) {
  constexpr double kTau = 6.283185307179586;
  const double radius = std::sqrt(-2.0 * std::log(AboveZero(rng)));
  return radius * std::cos(kTau * rng->Uniform());
}

}  // namespace

Duration Distribution::FromSeconds(double seconds) {
  if (!(seconds > 0)) return Duration::zero();  // NaN too
  constexpr double kMost = core::ToSeconds(kLongest);
  if (seconds >= kMost) return kLongest;
  return Duration(static_cast<Duration::rep>(seconds * 1e9));
}

Distribution Distribution::Constant(Duration value) {
  return Distribution([s = Seconds(value)](Rng*) { return s; });
}

Distribution Distribution::Exponential(Duration mean) {
  return Distribution(
      [s = Seconds(mean)](Rng* rng) { return -s * std::log(AboveZero(rng)); });
}

Distribution Distribution::LogNormal(Duration mean, Duration deviation) {
  const double m = Seconds(mean);
  const double ratio = m > 0 ? Seconds(deviation) / m : 0;
  const double variance = std::log1p(ratio * ratio);
  const double mu = std::log(m) - variance / 2;
  return Distribution([mu, sigma = std::sqrt(variance)](Rng* rng) {
    return std::exp(mu + sigma * StandardNormal(rng));
  });
}

Distribution Distribution::TwoPoint(Duration common, Duration rare,
                                    double share) {
  return Distribution([c = Seconds(common), r = Seconds(rare), share](
                          Rng* rng) { return rng->Uniform() < share ? r : c; });
}

Distribution Distribution::Tail(std::vector<Point> points) {
  return Distribution([points = std::move(points)](Rng* rng) {
    if (points.empty()) return 0.0;
    const double share = AboveZero(rng);
    const auto above = std::find_if(
        points.begin(), points.end(),
        [share](const Point& point) { return point.share <= share; });
    if (above == points.begin()) return Seconds(above->longer_than);
    if (above == points.end()) return Seconds(points.back().longer_than);
    const double from = std::log(Seconds((above - 1)->longer_than));
    const double to = std::log(Seconds(above->longer_than));
    const double way = std::log(share / (above - 1)->share) /
                       std::log(above->share / (above - 1)->share);
    return std::exp(from + (to - from) * way);
  });
}

Distribution Distribution::OneOf(const std::vector<Duration>& values) {
  auto seconds = std::make_shared<std::vector<double>>();
  for (const Duration value : values) seconds->push_back(Seconds(value));
  return Distribution([seconds](Rng* rng) {
    if (seconds->empty()) return 0.0;
    return (*seconds)[static_cast<size_t>(
        rng->Uniform() * static_cast<double>(seconds->size()))];
  });
}

Distribution Distribution::Mixture(std::vector<Part> parts) {
  double all = 0;
  for (const Part& part : parts) all += part.weight > 0 ? part.weight : 0;
  return Distribution([parts = std::move(parts), all](Rng* rng) {
    double rest = rng->Uniform() * all;
    for (const Part& part : parts) {
      if (!(part.weight > 0)) continue;
      rest -= part.weight;
      if (rest < 0) return part.of.sample_(rng);
    }
    return 0.0;
  });
}

Distribution Distribution::WithStragglers(double share, double factor) const {
  return Distribution([sample = sample_, share, factor](Rng* rng) {
    const double plain = sample(rng);
    return rng->Uniform() < share ? plain * factor : plain;
  });
}

Duration Quantile(std::vector<Duration> values, double q) {
  if (values.empty()) return Duration::zero();
  const double last = static_cast<double>(values.size() - 1);
  const auto at = values.begin() + std::llround(std::clamp(q, 0.0, 1.0) * last);
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

}  // namespace firebreak::sim
