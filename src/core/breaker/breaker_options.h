// Options of a breaker: when it opens, and how it recovers.
//
//   BreakerOptions options;                          // the defaults below
//   options.failure_rate = 0.3;
//   FieldErrors errors;
//   options.Check("breaker", &errors);               // names every bad field
//
// Plain data. Each default has the source of its number. The rules are
// explained in trip_rules.h, and recovery in breaker.h.
#ifndef FIREBREAK_SRC_CORE_BREAKER_BREAKER_OPTIONS_H_
#define FIREBREAK_SRC_CORE_BREAKER_BREAKER_OPTIONS_H_

#include <chrono>
#include <string>

#include "absl/types/optional.h"
#include "src/core/base/field.h"
#include "src/core/base/outcome.h"
#include "src/core/base/time.h"
#include "src/core/measure/window.h"

namespace firebreak::core {

// After probes have succeeded, admits a share of the calls that grows evenly
// from `initial` to 1 over `duration`, so that a target that has just recovered
// does not get all calls at once.
struct RampOptions {
  double initial = 0.1;  // (0, 1]. Envoy's slow start: 10 %
  // [0, 1h], 0 = off. Absent: half a second after an outage of ten seconds or
  // more, since connections, caches and threads of the server may be cold;
  // otherwise none. It is short so that a recovered target serves all calls
  // soon.
  absl::optional<Duration> duration;
};

// The breaker opens when any of its rules holds; see trip_rules.h.
struct BreakerOptions {
  enum class Mode {
    kEnforce,
    // Goes through the states as if it refused calls, and refuses none: for
    // trying out numbers.
    kShadow,
    kDisabled,  // no breaker, but an operator can force a state
  };
  enum class Scope {
    kMethod,
    kChannel,  // one per target, for all methods of the channel that say so
  };
  Mode mode = Mode::kEnforce;
  Scope scope = Scope::kMethod;

  // Failures in a row. [0, 1'000'000], 0 = rule off. 5 as in Finagle, Envoy.
  int consecutive_failures = 5;
  // The limit of a count to which a failure adds 1 and from which a success
  // subtracts 1, down to 0. [0, 1'000'000], 0 = rule off. It opens the breaker
  // where failures in a row are rare, but more than half of all calls fail.
  int leaky_failures = 0;
  // The share of failures in the window. (0, 1], 0 = rule off. 0.5 as in
  // resilience4j, Hystrix.
  double failure_rate = 0.5;
  // A unary call that takes this long is slow. It counts from that moment on,
  // even if it has not ended. [0, 1h], 0 = both rules on slow calls are off.
  Duration slow_call_duration = Duration::zero();
  // The share of slow calls in the window. (0, 1], 0 = rule off. 0.5 as the
  // failure rate; with resilience4j's 1.0 every second caller may have to wait.
  double slow_call_rate = 0.5;
  // The limit of a count like that of `leaky_failures`, of slow and fast calls.
  // [0, 1'000'000], 0 = rule off.
  int leaky_slow_calls = 0;
  // The number of results in the window from which on the two rates are judged.
  // [1, 10'000]. 20 as in Hystrix. With the 100 of resilience4j and Envoy, the
  // breaker of a client with few calls would never judge.
  int minimum_calls = 20;
  // Absent: a rule that holds opens the breaker unless chance explains the
  // results, at the method's own failure rate (usual_rate.h). Present: a rule
  // that holds opens it whatever is usual. A value other than 0 also opens it
  // with fewer results than `minimum_calls`, as soon as it is this certain that
  // the true rate has reached its limit. 0, or [0.5, 0.9999]. With a limit of
  // 0.5, a confidence of 0.95 takes 3 failures of 3, and 0.99 takes 6 of 6 or
  // 11 of 13.
  absl::optional<double> confidence;
  WindowOptions window;

  // While OPEN, one attempt per interval is admitted, and its result shows
  // whether the target has recovered. As the outage goes on, the interval grows
  // to a sixtieth of its length, up to five times this value: a target that was
  // down for an hour can wait five seconds more. With 1 s a recovery is noticed
  // at once, at the cost of a tenth of the attempts of a client with ten calls
  // a second. [1ms, 1h], or 0 = the times below. Multiplied by U(1 -
  // open_jitter, 1 + open_jitter).
  Duration probe_interval = std::chrono::seconds(1);
  // While OPEN, a health check of this service replaces those attempts
  // (target_health.h); "" is the server as a whole. Absent: attempts of calls
  // are the probes. At most 200 bytes, the limit of gRPC's own health service;
  // printable ASCII without spaces.
  absl::optional<std::string> health_check;
  // Without a probe_interval, OPEN lasts open_duration * growth^re-trips, at
  // most max_open_duration, times U(1 - jitter, 1 + jitter).
  Duration open_duration = std::chrono::seconds(10);      // [1ms, 1h]
  double open_growth = 2.0;                               // [1, 10]
  Duration max_open_duration = std::chrono::seconds(60);  // >= open_duration
  double open_jitter = 0.1;                               // [0, 0.5]

  // HALF_OPEN admits `probes` concurrent calls. `probe_samples` of their
  // results decide, as soon as `probe_success_ratio` is reached or out of
  // reach.
  int probes = 3;                                    // [1, 1'000]
  int probe_samples = 0;                             // 0 = probes; >= probes
  double probe_success_ratio = 1.0;                  // (0, 1]
  Duration probe_timeout = std::chrono::seconds(5);  // [1ms, 1h]
  // After this time the results so far decide, if there is one, so that a
  // client with few calls does not stay HALF_OPEN. [0, 1h], 0 = wait for
  // `probe_samples`. 30 s as the window: older results do not count elsewhere
  // either.
  Duration half_open_duration = std::chrono::seconds(30);
  RampOptions ramp;

  CodeSet failure_codes = kDefaultFailureCodes;  // without OK
  // Codes that count neither as failures nor as successes, whatever
  // `failure_codes` says. Without OK; at least one failure code must be left.
  CodeSet ignored_codes;
  // Whether RESOURCE_EXHAUSTED, and failures with a pushback, are failures. Not
  // by default: a server that sheds load is not broken, and if its breaker
  // opened, the load would move to the other servers (brpc's ELIMIT).
  bool overload_counts = false;

  // Whether both count the same results as failures.
  bool CallsTheSameFailures(const BreakerOptions& other) const {
    return failure_codes == other.failure_codes &&
           ignored_codes == other.ignored_codes &&
           overload_counts == other.overload_counts;
  }
  bool HasSlowRule() const {
    return slow_call_duration > Duration::zero() &&
           (slow_call_rate > 0 || leaky_slow_calls > 0);
  }
  // Whether it admits probes while OPEN, without a change of state.
  bool HasCanaries() const { return probe_interval > Duration::zero(); }
  // Whether the policy sets how long OPEN lasts, which only has an effect
  // without canaries.
  bool HasOwnOpenTime() const {
    const BreakerOptions defaults;
    return open_duration != defaults.open_duration ||
           open_growth != defaults.open_growth;
  }
  // Whether it can ramp, by its policy or after a long outage.
  bool MayRamp() const {
    return ramp.duration ? *ramp.duration > Duration::zero() : HasCanaries();
  }
  int samples() const { return probe_samples == 0 ? probes : probe_samples; }

  FieldList Fields();
  void Check(const std::string& path, FieldErrors* errors) const;
};

// The fields are in the order in which errors are reported.
inline FieldList BreakerOptions::Fields() {
  constexpr Duration kMilli = std::chrono::milliseconds(1);
  const Field window_size =
      window.kind == WindowOptions::Kind::kCalls
          ? Field("window.calls", &window.calls, Within(1, 10'000))
          : Field("window.duration", &window.duration,
                  Within(100 * kMilli, kHour));
  return {
      {"mode", &mode},
      {"scope", &scope},
      {"consecutive_failures", &consecutive_failures, Within(0, 1'000'000)},
      {"leaky_failures", &leaky_failures, Within(0, 1'000'000)},
      {"failure_rate", &failure_rate, Within(0, 1)},
      {"slow_call_duration", &slow_call_duration,
       Within(Duration::zero(), kHour)},
      {"slow_call_rate", &slow_call_rate, Within(0, 1)},
      {"leaky_slow_calls", &leaky_slow_calls, Within(0, 1'000'000)},
      {"confidence", &confidence, OrZero(Within(0.5, 0.9999))},
      {"minimum_calls", &minimum_calls, Within(1, 10'000)},
      window_size,
      {"probe_interval", &probe_interval, OrZero(Within(kMilli, kHour))},
      {"probe.health_check", &health_check, AtMost(200)},
      {"open_duration", &open_duration, Within(kMilli, kHour)},
      {"open_growth", &open_growth, Within(1, 10)},
      {"max_open_duration", &max_open_duration, Within(open_duration, kHour)},
      {"open_jitter", &open_jitter, Within(0, 0.5)},
      {"probes", &probes, Within(1, 1'000)},
      {"probe_samples", &probe_samples, OrZero(Within(probes, 10'000))},
      {"probe_success_ratio", &probe_success_ratio, Over(0, 1)},
      {"probe_timeout", &probe_timeout, Within(kMilli, kHour)},
      {"half_open_duration", &half_open_duration,
       Within(Duration::zero(), kHour)},
      {"ramp.initial", &ramp.initial, Over(0, 1)},
      {"ramp.duration", &ramp.duration, Within(Duration::zero(), kHour)},
      {"failure_codes", &failure_codes, Codes::kAtLeastOne},
      {"ignored_codes", &ignored_codes, Codes::kAnyNumber},
      {"overload_counts", &overload_counts},
  };
}

// Whether there is a breaker that counts results.
inline bool IsOn(const absl::optional<BreakerOptions>& breaker) {
  return breaker && breaker->mode != BreakerOptions::Mode::kDisabled;
}

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_BREAKER_BREAKER_OPTIONS_H_
