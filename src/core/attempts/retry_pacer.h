// Decides when the next attempt of a call may follow a failure, or why none
// may, as far as the failure itself and earlier retries tell.
//
//   RetryPacer pacer(&options, estimator);
//   RetryPace pace = pacer.AfterFailure(end, attribution, now, &rng);
//   if (pace.stop != Reason::kNone) return pace.stop;
//   ... deadline, breakers, throttle ...
//   if (!pacer.IsWorthIt(&pace, now)) return Reason::kRetriesNotWorthIt;
//   ... budget, wait until pace.at, launch; and when the retry has ended:
//   pacer.OnRetryEnd(pace.after, end.code, attribution, now);
//
// The wait; the first line that applies counts:
//   the server forbids it             no more retries in this call (gRFC A6)
//   it may have run, and must not
//     run twice                       no retry
//   the server named a time           exactly then; the backoff starts again
//                                     (docs/adr/0008-pushback-is-exact.md)
//   hedging                           at once, but never before such a time
//   otherwise                         the backoff (backoff.h)
//
// With `retry.adaptive` and an estimator the backoff is stretched before it is
// jittered, once, and is at most `max_delay`:
//
//   by what failed        x 2    a timeout: it needs time, and each costs much
//                         x 5    overload: so does a queue to drain
//                         / 2    the connection: another may be up at once
//   by the chance         / 2    over 0.5: it will most likely help
//                         x 3    under 0.2
//
// The AWS SDKs do something similar: their standard retries pay double for a
// timeout, and wait longer after throttling than after other errors. The
// numbers here are firebreak's own. Below the floor only trials are made
// (retry_estimator.h), and the chance does not stretch their wait: they are
// few, and must fit the deadline to show anything. The floor also holds if the
// server named a time: that says when to come back, and not that it will help.
//
// Thread safety: none; it is part of the call's driver.
#ifndef FIREBREAK_SRC_CORE_ATTEMPTS_RETRY_PACER_H_
#define FIREBREAK_SRC_CORE_ATTEMPTS_RETRY_PACER_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "src/core/attempts/retry_estimator.h"
#include "src/core/base/outcome.h"
#include "src/core/base/reason.h"
#include "src/core/base/rng.h"
#include "src/core/base/time.h"
#include "src/core/options.h"

namespace firebreak::core {

enum class FailureKind { kOther, kTimeout, kOverload, kConnection };
// snake_case, as in the call report.
absl::string_view FailureKindName(FailureKind kind);

// The decision after one failure, and its grounds.
struct RetryPace {
  Reason stop = Reason::kNone;
  // The code of the failure.
  absl::StatusCode after = absl::StatusCode::kOk;
  // The earliest start of the next attempt, unless `stop` is set.
  Time at = kInfiniteFuture;
  // The members below are set only if an estimator was asked.
  bool is_adaptive = false;
  FailureKind kind = FailureKind::kOther;
  double kind_factor = 1;  // on the backoff
  double chance = 0.5;
  double chance_factor = 1;  // on the backoff
  bool is_trial = false;     // below the floor, and made to learn
};

class RetryPacer {
 public:
  // `estimator` may be null: then nothing is adaptive.
  RetryPacer(const MethodOptions* options, RetryEstimator* estimator);

  // Decides after a failure that another attempt may follow.
  RetryPace AfterFailure(const AttemptEnd& end, Attribution attribution,
                         Time now, Rng* rng);
  // The last thing to ask before the budget, since it may use up a trial.
  bool IsWorthIt(RetryPace* pace, Time now);
  // A retry that was made after a failure with `after` is settled.
  void OnRetryEnd(absl::StatusCode after, absl::StatusCode code,
                  Attribution attribution, Time now);

 private:
  bool IsHopeless(const RetryPace& pace) const;
  Duration NextBackoff(const RetryPace& pace, Rng* rng);

  const MethodOptions* const options_;
  RetryEstimator* const estimator_;  // null: nothing is adaptive
  int backoffs_ = 0;
  // Set by the server's pushback, for every later attempt. kInfiniteFuture: no
  // further attempt at all.
  Time not_before_ = Time::min();
};

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_ATTEMPTS_RETRY_PACER_H_
