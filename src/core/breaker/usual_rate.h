// How often a method goes wrong as a rule, and so what chance alone explains.
//
//   UsualRate failures(now);
//   failures.AddGood(3);
//   failures.AddBad(now);                              // a run of 1
//   if (!failures.Explains(12, 20, /*most=*/0.5)) ...  // something has changed
//
// A method of which 30 % of the attempts fail, each by itself, fails five times
// in a row every minute or so, at ten attempts a second. A breaker that opens
// then takes away the 70 % that succeed. So `bad` of `n` results say that
// something has changed only if they are less likely than once a day, at the
// method's own rate p of bad results and its own traffic:
//
//   n KL(bad / n, p) >= ln(results in a day),
//   KL(b, p) = b ln(b / p) + (1 - b) ln((1 - b) / (1 - p)).
//
// The left side bounds the chance of so many or more: P <= exp(-n KL)
// (Chernoff, Annals of Mathematical Statistics 23, 1952; Hoeffding, JASA 58,
// 1963, theorem 1); the right side sums it over the results of a day, each of
// which is looked at. For a run, bad = n, this is n ln(1 / p): at ten results a
// second a run of 5 is enough up to p = 0.06, 6 at 0.1, 12 at 0.3 and 20 at
// 0.5. So a method that usually works is found dead after 5 failures as ever,
// and the others a second later. False trips, measured at ten results a second:
// 2 in four days, one at each p of 0.05, 0.1, 0.3 and 0.5 (usual_rate_test.cc).
//
// p is never taken to be over `most`, the limit at which the policy calls the
// method broken: or who fails for long enough would never be found to.
//
// p and the traffic are those of the last 1,000 results and some ten minutes,
// by decay. The run of bad results that goes on is not among them: it is what
// is judged. Of a method that has not gone wrong before, chance explains
// nothing: the limits are those of the policy. Once it has there is a prior
// too, of 2 results and a rate of 0.02.
//
// Only AddBad() changes p. What good results change shows with the next bad
// one, so good ones may be counted late and in any number at once.
//
// Thread safety: none; the breaker that owns it locks. Cost: O(1), no memory
// but its own; an exponential for each run, logarithms where a rule is near.
#ifndef FIREBREAK_SRC_CORE_BREAKER_USUAL_RATE_H_
#define FIREBREAK_SRC_CORE_BREAKER_USUAL_RATE_H_

#include <cstdint>

#include "src/core/base/time.h"

namespace firebreak::core {

class UsualRate {
 public:
  explicit UsualRate(Time now) : latest_(now) {}

  void AddGood(int64_t results);
  void AddBad(Time now, int64_t results = 1);
  // The bad results since the last good one.
  int64_t run() const { return run_; }
  // There were no results for a while, since none were asked for: the run is
  // over, and that time is none of the method's. What is usual stays.
  void Resume(Time now);

  // Whether `bad` of `n` > 0 results are no news. `most` is in (0, 1].
  bool Explains(int64_t bad, int64_t n, double most) const;
  // The shortest run, of at least `least`, that is news.
  int64_t TellingRun(int64_t least, double most) const;
  double rate() const;

 private:
  void TakeIn(Time now);
  double NatsPerDay() const;

  Time latest_;  // when `bad_` and `all_` were as they are
  double bad_ = 0;
  double all_ = 0;
  double seconds_ = 0;  // that these took
  // Since then, but for the run.
  int64_t new_bad_ = 0;
  int64_t new_all_ = 0;
  int64_t run_ = 0;
};

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_BREAKER_USUAL_RATE_H_
