// How long something takes: a network leg, a piece of work, a pause.
//
//   const Distribution work =
//       Distribution::LogNormal(Ms(5), Ms(2)).WithStragglers(0.05, 10);
//   Duration took = work.Sample(&rng);
//
// Distributions are values. A sample is never negative, and never longer than
// kLongest; an invalid parameter (negative, NaN) counts as zero.
//
// Thread safety: immutable; Sample() changes only the given Rng.
#ifndef FIREBREAK_SRC_SIM_DISTRIBUTION_H_
#define FIREBREAK_SRC_SIM_DISTRIBUTION_H_

#include <chrono>
#include <functional>
#include <utility>
#include <vector>

#include "src/core/base/rng.h"
#include "src/core/base/time.h"

namespace firebreak::sim {

using core::Duration;

class Distribution {
 public:
  static constexpr Duration kLongest = std::chrono::hours(24);

  // At most `share`, in [0, 1], of the samples are longer than `longer_than`.
  struct Point {
    Duration longer_than;
    double share;
  };

  static Distribution Constant(Duration value);
  static Distribution Exponential(Duration mean);
  // `mean` and `deviation` are those of the samples, not of their logarithms.
  static Distribution LogNormal(Duration mean, Duration deviation);
  // `rare` with probability `share`, otherwise `common`.
  static Distribution TwoPoint(Duration common, Duration rare, double share);
  // Given by its tail: straight lines between the points, with both scales
  // logarithmic (so a Pareto tail is two points). The first point has the share
  // 1 and is the shortest sample; the last one is the longest. The points are
  // in order, and their times are above zero.
  static Distribution Tail(std::vector<Point> points);
  // Each sample is one of these values; zero if there are none.
  static Distribution OneOf(const std::vector<Duration>& values);
  // Each part is drawn by its share of all weights, which are not negative.
  struct Part;
  static Distribution Mixture(std::vector<Part> parts);

  // With probability `share`, a sample is `factor` times as long.
  Distribution WithStragglers(double share, double factor) const;

  Duration Sample(core::Rng* rng) const { return FromSeconds(sample_(rng)); }

 private:
  using Sampler = std::function<double(core::Rng*)>;  // in seconds

  explicit Distribution(Sampler sample) : sample_(std::move(sample)) {}
  static Duration FromSeconds(double seconds);

  Sampler sample_;
};

struct Distribution::Part {
  double weight;
  Distribution of;
};

// The q-quantile of the values, q in [0, 1]; zero if there are none.
Duration Quantile(std::vector<Duration> values, double q);

}  // namespace firebreak::sim

#endif  // FIREBREAK_SRC_SIM_DISTRIBUTION_H_
