#include "src/core/attempts/backoff.h"

#include <algorithm>
#include <cmath>

namespace firebreak::core {

Duration BackoffDelay(const BackoffOptions& options, int retry, Rng* rng,
                      double stretch, Duration stretched_max) {
  const double growth = std::pow(options.multiplier, std::max(retry, 1) - 1);
  Duration cap = std::min(Scale(options.initial, growth), options.max);
  if (stretch != 1.0) cap = Scale(cap, stretch);
  cap = std::min(cap, stretched_max);
  switch (options.jitter) {
    case BackoffOptions::Jitter::kFull:
      return Scale(cap, rng->Uniform());
    case BackoffOptions::Jitter::kEqual:
      return Scale(cap, rng->Uniform(0.5, 1.0));
    case BackoffOptions::Jitter::kPlusMinus:
      return Scale(cap, rng->Uniform(0.8, 1.2));
    case BackoffOptions::Jitter::kNone:
      break;
  }
  return cap;
}

}  // namespace firebreak::core
