#include "src/core/backoff.h"

#include <algorithm>
#include <cmath>

namespace firebreak::core {

Duration BackoffDelay(const BackoffOptions& options, int retry, Rng* rng) {
  const double growth = std::pow(options.multiplier, std::max(retry, 1) - 1);
  const Duration cap = std::min(Scale(options.initial, growth), options.max);
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
