// Decides from the results of a method's calls whether to open its breaker, and
// says why.
//
//   TripRules rules(options, now);
//   const TripRules::Ticket ticket = rules.Begin(now, CallKind::kUnary);
//   rules.End(ticket, Verdict::kFailure, later);
//   if (const TripRules::Rule rule = rules.Check(later);
//       rule != TripRules::Rule::kNone) Trip(rules.Describe(rule, later));
//
// The rules, any of which is enough:
//   consecutive   failures in a row (Finagle, gobreaker)
//   leaky         a count to which a failure adds 1 and from which a success
//                 takes 1, never below 0 (a leaky bucket of failures)
//   failure rate  share of failures among the results in the window
//   slow rate     share of slow calls among those whose speed is known
//   leaky slow    the leaky count, of slow and fast calls
// The rates are judged once the window holds `minimum_calls`.
//
// Failures in a row and rates do not trip if chance explains them: if, at the
// method's usual failure rate, so many failures happen more often than once a
// day (usual_rate.h). A `confidence`, even 0, switches that off. With a
// `confidence` above 0 the rates are also judged on fewer calls, by the lower
// end of the one-sided Wilson score interval (E. B. Wilson, "Probable
// inference, the law of succession, and statistical inference", JASA 22, 1927):
// with p = bad / n and z the normal quantile of the confidence,
//   (p + z^2/2n - z sqrt(p (1 - p) / n + z^2/4n^2)) / (1 + z^2/n) >= limit.
// So a few calls trip if they leave little doubt: at one call a second, the
// breaker of a target that is down opens within seconds. It takes three calls
// at least: the interval is tested after every call, so it errs more often than
// its confidence says.
//
// A unary call is slow if it takes `slow_call_duration`, whatever its result.
// It counts from the moment when it passes that limit, even if it has not
// ended: a target that never answers is found before the first call times out.
// While it is in flight it does not age out of the window. So if all callers
// hang and make no new calls, the rule trips once the earlier fast results have
// aged out. A call is fast if it ended before the limit, with a result. Streams
// are neither slow nor fast.
//
// Every rule is checked after every result: a success that brings the number of
// calls to the minimum may trip.
//
// Thread safety: none; the breaker that owns it locks. `now` must not run back.
// Cost: O(1) per call, no allocation, fixed memory.
#ifndef FIREBREAK_SRC_CORE_BREAKER_TRIP_RULES_H_
#define FIREBREAK_SRC_CORE_BREAKER_TRIP_RULES_H_

#include <cstdint>
#include <string>

#include "absl/types/optional.h"
#include "src/core/base/outcome.h"
#include "src/core/base/time.h"
#include "src/core/breaker/slow_watch.h"
#include "src/core/breaker/usual_rate.h"
#include "src/core/measure/window.h"
#include "src/core/options.h"

namespace firebreak::core {

enum class CallKind { kUnary, kStream };

// The lower end of Wilson's interval for `bad` of `n` > 0, with z >= 0.
double WilsonLowerBound(int64_t bad, int64_t n, double z);
// The z below which a standard normal variable lies with probability p, for p
// in [0.5, 0.9999].
double NormalQuantile(double p);

class TripRules {
 public:
  enum class Rule {
    kNone,
    kConsecutive,
    kLeaky,
    kFailureRate,
    kSlowRate,
    kLeakySlow,
  };
  // One call in flight.
  struct Ticket {
    Time started;
    uint64_t slice = 0;  // 0 = its speed does not matter
    bool is_unary = false;
    bool is_over = false;
    bool is_fast = false;     // counted with the verdict
    bool has_answer = false;  // the server answered, even if with an error
  };
  struct Counts {
    int64_t calls = 0;
    int64_t failures = 0;
    int64_t timed = 0;  // calls whose speed is known
    int64_t slow = 0;
    int64_t slow_in_flight = 0;  // slow calls that have not ended
    int consecutive = 0;
    int leaky = 0;
    int leaky_slow = 0;
    Duration slowest = Duration::zero();  // see Trip
    // How many failures in a row trip it at present; 0 if the rule is off.
    int64_t consecutive_limit = 0;
    double usual_failure_rate = 0;  // see usual_rate.h
  };

  // `options` outlives this.
  TripRules(const BreakerOptions& options, Time now);
  // Forgets the results, but not the usual rates.
  void Clear(Time now);
  void ForgetWhatIsUsual(Time now);
  // Forgets the usual failure rate and the run: a new policy counts other
  // results as failures, so the old rate explains nothing.
  void ForgetUsualFailures(Time now) { failures_ = UsualRate(now); }
  // Forgets the calls in flight: their tickets must not come back.
  void ForgetCalls();
  // The options have changed. A window of another kind or size starts empty;
  // with another limit for slow calls, all that is known about their speed is
  // forgotten. The rest stays.
  void OnOptionsChanged(Time now);

  // A call begins, after Advance(now).
  Ticket Begin(Time now, CallKind kind);
  // Call this before End() if the verdict takes time: the call took until
  // `now`. Returns whether it turns out to be slow.
  bool NoteAnswered(Ticket* ticket, Time now);
  // Returns whether it counted; otherwise there is nothing to check.
  bool End(Ticket ticket, Verdict verdict, Time now);
  // Counts successes for which End() would do nothing else: of calls that are
  // not watched, and not slower than slowest(). Time::min() means that they
  // came before anything that has become due since the last result.
  void AddSuccesses(int64_t calls, Time now);
  // Whether no number of such successes before current_until() can trip a rule.
  bool AreSuccessesHarmless() const;
  Time current_until() const { return results_.current_until(); }
  Duration slowest() const { return slowest_; }
  // Whether that call is slow if it ends now.
  bool IsSlow(const Ticket& ticket, Time now) const;
  // Counts the calls that have become slow, and drops results that have aged
  // out. Returns whether there is something new to check.
  bool Advance(Time now);
  // When Advance() will next have something to count; kInfiniteFuture for
  // never.
  Time next_due() const;
  // The same for the latest call, if its speed matters.
  Time last_due() const { return watch_->last_due(); }

  // A rule that holds, or kNone.
  Rule Check(Time now);
  // "5 failures in a row (limit 5)".
  std::string Describe(Rule rule, Time now);
  Counts counts(Time now);

 private:
  // The counts behind a rate.
  struct Share {
    int64_t bad = 0;
    int64_t total = 0;
    double rate() const {
      return total == 0 ? 0.0
                        : static_cast<double>(bad) / static_cast<double>(total);
    }
  };
  Share Results(Time now);
  // Slow calls in flight included.
  Share Speeds(Time now);
  bool RateHolds(const Share& share, const UsualRate& usual,
                 double limit) const;
  bool MustBeNews() const { return !options_.confidence.has_value(); }
  int64_t consecutive_limit() const;
  std::string DescribeRun() const;
  std::string DescribeRate(const char* what, const Share& share,
                           double limit) const;
  void CountSpeed(bool slow, Time now);
  int64_t slow_in_flight() const { return watch_ ? watch_->found() : 0; }
  // Whether slow calls are in flight while results will age out.
  bool HangsBesideResults() const {
    return slow_in_flight() > 0 && speeds_ && speeds_->last_total() > 0;
  }

  const BreakerOptions& options_;
  double z_;  // of the confidence; 0 when it is off
  Window results_;
  UsualRate failures_;
  int leaky_ = 0;
  // Set once there is, or was, a rule on slow calls.
  absl::optional<SlowWatch> watch_;
  Duration watched_limit_ = Duration::zero();
  absl::optional<Window> speeds_;
  UsualRate slow_calls_;
  int leaky_slow_ = 0;
  Duration slowest_ = Duration::zero();
};

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_BREAKER_TRIP_RULES_H_
