// The usual failure rate of a method, and thus what chance alone explains.
//
//   UsualRate failures(now);
//   failures.AddGood(3);
//   failures.AddBad(now);                              // a run of 1
//   if (!failures.Explains(12, 20, /*most=*/0.5)) ...  // something has changed
//
// If 30 % of a method's attempts fail independently, then at ten attempts a
// second five in a row fail every minute or so. A breaker that opens for that
// takes away the 70 % that succeed. So `bad` of `n` results count as a change
// only if they are less likely than once a day, at the method's own rate p of
// bad results and its own traffic:
//
//   n KL(bad / n, p) >= ln(results in a day),
//   KL(b, p) = b ln(b / p) + (1 - b) ln((1 - b) / (1 - p)).
//
// The left side bounds the chance of so many or more: P <= exp(-n KL)
// (Chernoff, Annals of Mathematical Statistics 23, 1952; Hoeffding, JASA 58,
// 1963, theorem 1). The right side sums that over the results of a day, each of
// which is tested. For a run, bad = n, this is n ln(1 / p): at ten results a
// second a run of 5 is enough up to p = 0.06, 6 at 0.1, 12 at 0.3 and 20 at
// 0.5. So an outage of a method that usually works is still found after 5
// failures, and that of the others a second later. False trips, measured at ten
// results a second: 2 in four days, one day at each p of 0.05, 0.1, 0.3 and 0.5
// (usual_rate_test.cc).
//
// p is never taken to be over `most`, the policy's limit; otherwise a method
// that fails for long enough would never trip.
//
// p and the traffic are those of the last 1,000 results and about ten minutes,
// by decay. The current run of bad results is not part of them: it is what is
// judged. If the method has never failed before, chance explains nothing, and
// the limits are those of the policy. Once it has, there is also a prior of 2
// results with a rate of 0.02.
//
// Only AddBad() changes p. Good results take effect with the next bad one, so
// they may be counted late and any number at once.
//
// Thread safety: none; the breaker that owns it locks. Cost: O(1) per result
// and no allocation; an exponential per run, and logarithms only near a limit.
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
  // The number of bad results since the last good one.
  int64_t run() const { return run_; }
  // Calls were not sent for a while: the run is over, and that time does not
  // count as the method's. The usual rate stays.
  void Resume(Time now);

  // Whether chance explains `bad` of `n` > 0 results. `most` is in (0, 1].
  bool Explains(int64_t bad, int64_t n, double most) const;
  // The shortest run, of at least `least`, that chance does not explain.
  int64_t TellingRun(int64_t least, double most) const;
  double rate() const;

 private:
  void TakeIn(Time now);
  double NatsPerDay() const;

  Time latest_;  // when `bad_` and `all_` were updated
  double bad_ = 0;
  double all_ = 0;
  double seconds_ = 0;  // the time that these took
  // Results since then, without the current run.
  int64_t new_bad_ = 0;
  int64_t new_all_ = 0;
  int64_t run_ = 0;
};

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_BREAKER_USUAL_RATE_H_
