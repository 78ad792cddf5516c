// How long to wait before retry n.
//
//   Duration wait = BackoffDelay(options.backoff, /*retry=*/1, &rng);
//
// cap = min(initial * multiplier^(retry - 1), max)
// cap = min(cap * stretch, stretched_max), for adaptive retries
// then one of these jitters, once
//   FULL        U(0, cap)            least work ("Exponential Backoff and
//   EQUAL       cap/2 + U(0, cap/2)  Jitter", AWS architecture blog)
//   PLUS_MINUS  cap * U(0.8, 1.2)    gRFC A6
//   NONE        cap
//
// Thread safety: pure, except for the given Rng.
#ifndef FIREBREAK_SRC_CORE_ATTEMPTS_BACKOFF_H_
#define FIREBREAK_SRC_CORE_ATTEMPTS_BACKOFF_H_

#include "src/core/base/rng.h"
#include "src/core/base/time.h"
#include "src/core/options.h"

namespace firebreak::core {

// `retry` counts from 1, stretch >= 0. The result is never negative.
Duration BackoffDelay(const BackoffOptions& options, int retry, Rng* rng,
                      double stretch = 1.0,
                      Duration stretched_max = kInfiniteDuration);

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_ATTEMPTS_BACKOFF_H_
