// Judges what became of a method's calls: is it time to stop calling, and why?
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
// The rates are judged when the window holds `minimum_calls`.
//
// Neither failures in a row nor a rate is enough where chance explains it:
// where the method fails so often as a rule that as much is likelier than once
// a day (usual_rate.h). `confidence` switches that off, also when it is 0. With
// a `confidence` the rates are judged by fewer calls too, by the lower end of
// the one-sided Wilson score interval (E. B. Wilson, "Probable inference, the
// law of succession, and statistical inference", JASA 22, 1927): with p = bad /
// n and z the normal quantile of the confidence,
//   (p + z^2/2n - z sqrt(p (1 - p) / n + z^2/4n^2)) / (1 + z^2/n) >= limit.
// So few calls trip when they leave little doubt: at one call a second a target
// that is down is out in seconds. Never fewer than three: the interval is
// looked at after every call, and so errs more often than its confidence says.
//
// Slow is a unary call that takes `slow_call_duration`, whatever comes of it.
// It counts from when it passes that limit, and need not have ended: a target
// that swallows calls is found before the first of them times out. As long as
// it is in flight it does not grow old and leave the window, so callers that
// all hang, and make no new calls, still trip the rule once the fast results of
// before have left. Fast is a call that ended before the limit, with a result.
// A stream is neither.
//
// Every rule is looked at after every result: a success that brings the number
// of calls to the minimum may be the one that trips.
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

// The lower end of Wilson's interval for `bad` of `n` > 0 and quantile z >= 0.
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
  // One call under way.
  struct Ticket {
    Time started;
    uint64_t slice = 0;  // 0 = its speed is of no interest
    bool is_unary = false;
    bool is_over = false;
    bool is_fast = false;     // and counts with the verdict
    bool has_answer = false;  // of the server, be it a failure
  };
  struct Counts {
    int64_t calls = 0;
    int64_t failures = 0;
    int64_t timed = 0;  // calls whose speed is known
    int64_t slow = 0;
    int64_t slow_in_flight = 0;  // of them, those that have not ended
    int consecutive = 0;
    int leaky = 0;
    int leaky_slow = 0;
    Duration slowest = Duration::zero();  // see Trip
    // How many failures in a row trip it now; 0 when none do.
    int64_t consecutive_limit = 0;
    double usual_failure_rate = 0;  // see usual_rate.h
  };

  // `options` outlives this.
  TripRules(const BreakerOptions& options, Time now);
  // What is usual stays.
  void Clear(Time now);
  void ForgetWhatIsUsual(Time now);
  // What fails as a rule, and the run: another policy calls other things
  // failures, and what the old one called so explains nothing of them.
  void ForgetUsualFailures(Time now) { failures_ = UsualRate(now); }
  // Forgets the calls in flight: their tickets must not come back.
  void ForgetCalls();
  // There are others in the options that it was made with. A window of another
  // kind or size starts anew, and with another limit for slow calls all that is
  // known of them. The rest stays.
  void OnOptionsChanged(Time now);

  // A call begins, after Advance(now).
  Ticket Begin(Time now, CallKind kind);
  // Before End(), where the verdict takes time of its own: the call took until
  // `now`. Whether it turns out to be slow.
  bool NoteAnswered(Ticket* ticket, Time now);
  // Whether it counted: for a rule, there is nothing to judge else.
  bool End(Ticket ticket, Verdict verdict, Time now);
  // The same for successes of calls that End() would count as no more than
  // that: not watched, and not slower than slowest(). With Time::min() they
  // came before anything that was due since the result before them.
  void AddSuccesses(int64_t calls, Time now);
  // Whether no number of such successes before current_until() can be what
  // makes a rule hold.
  bool AreSuccessesHarmless() const;
  Time current_until() const { return results_.current_until(); }
  Duration slowest() const { return slowest_; }
  // Whether a call that began then is slow if it ends now.
  bool IsSlow(const Ticket& ticket, Time now) const;
  // Counts the calls that have become slow, and drops what has grown old beside
  // those that hang; whether there is something new to judge.
  bool Advance(Time now);
  // When Advance() will next have something to count; kInfiniteFuture for
  // never.
  Time next_due() const;
  // The same for the call that began last, if its speed is of interest.
  Time last_due() const { return watch_->last_due(); }

  // A rule that holds.
  Rule Check(Time now);
  // "5 failures in a row (limit 5)".
  std::string Describe(Rule rule, Time now);
  Counts counts(Time now);

 private:
  // What a rate is judged on.
  struct Share {
    int64_t bad = 0;
    int64_t total = 0;
    double rate() const {
      return total == 0 ? 0.0
                        : static_cast<double>(bad) / static_cast<double>(total);
    }
  };
  Share Results(Time now);
  // With those in flight.
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
  // Slow calls hang beside results that will grow old.
  bool HangsBesideResults() const {
    return slow_in_flight() > 0 && speeds_ && speeds_->last_total() > 0;
  }

  const BreakerOptions& options_;
  double z_;  // of the confidence; 0 when it is off
  Window results_;
  UsualRate failures_;
  int leaky_ = 0;
  // Only once there is, or was, a rule on slow calls.
  absl::optional<SlowWatch> watch_;
  Duration watched_limit_ = Duration::zero();
  absl::optional<Window> speeds_;
  UsualRate slow_calls_;
  int leaky_slow_ = 0;
  Duration slowest_ = Duration::zero();
};

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_BREAKER_TRIP_RULES_H_
