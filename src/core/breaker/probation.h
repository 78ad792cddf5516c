// A breaker's time in HALF_OPEN: a few probes, each on a lease, and a verdict.
//
//   Probation probation(options);
//   uint64_t probe = probation.Begin(now, deadline);  // 0: no slot is free
//   if (probation.Arrive(probe, now)) {               // false: lease is over
//     probation.End(probe);
//     probation.Count(failed, slow);
//   }
//   switch (probation.verdict(now)) ...
//
// At most `probes` at a time, and never more than results are missing: one more
// would only load the target. A lease ends at min(deadline + kGrace, now +
// lease_time()), which is probe_timeout or, where successes are known to take
// longer (NoteSuccessTook()), one and a half times as long as they do, but no
// longer than max_open_duration: a server that hangs is looked at as often as
// one that is down. The verdict stands as soon as the success ratio is reached
// or out of reach. After `half_open_duration`, the ratio of the results there
// are decides, if there is one: as soon as the probes under way have ended,
// which may be the ones that hang, and no more are begun. Where a rule on the
// slow-call rate is on, as many slow probes as would trip it are as bad as
// failed ones.
//
// Thread safety: none; the breaker that owns it locks. Memory: one entry for
// each probe under way.
#ifndef FIREBREAK_SRC_CORE_BREAKER_PROBATION_H_
#define FIREBREAK_SRC_CORE_BREAKER_PROBATION_H_

#include <cstdint>
#include <vector>

#include "absl/types/optional.h"
#include "src/core/base/time.h"
#include "src/core/options.h"

namespace firebreak::core {

class Probation {
 public:
  enum class Verdict { kOpen, kPassed, kFailed, kSlow };
  // What a probe has shown of its target.
  enum class Sign { kNothing, kProgress, kAnswer };

  // gRPC ends a call at its deadline, and its status comes milliseconds later:
  // that is to judge the probe, since it may not be the target's fault. Longer
  // by far, so that a lease that does end there means a status that got lost.
  static constexpr Duration kGrace = std::chrono::seconds(1);
  // A server that is not there has ended a stream by then, if there is a
  // connection to it.
  static constexpr Duration kSilentFor = std::chrono::seconds(1);
  // A server that is frozen keeps its connections, and with them its silent
  // streams: where unary calls of the same breaker get no answer, these say
  // nothing. Longer than most clients wait for an answer, and no longer than a
  // breaker stays open without a look.
  static constexpr Duration kDoubtFor = std::chrono::seconds(10);

  // Reads `options` at every turn: it outlives this, and what is in it may
  // change.
  explicit Probation(const BreakerOptions& options) : options_(options) {}

  // A new round. Probes of the one before are forgotten, their numbers are not
  // given again.
  void Restart(Time now);

  // The number of a new probe, or 0.
  uint64_t Begin(Time now, Time deadline, bool is_stream = false);
  // It has ended: its lease runs until End() now, so that leases that ended
  // before can be judged before. False when its own has.
  bool Arrive(uint64_t probe, Time now);
  // Gives its slot back.
  void End(uint64_t probe);
  // The same for a stream that has been open for kSilentFor without a sign;
  // nothing when there is none. kProgress: that is life. kNothing: it would be,
  // but a unary call got no answer less than kDoubtFor ago, which shows more,
  // and nothing was answered since. Such a stream is remembered until End().
  absl::optional<Sign> EndSilentStream(Time now);
  // A unary call, a probe or not, got no answer. Kept over rounds.
  void NoteNoAnswer(Time now) {
    silence_counts_from_ = SaturatingAdd(now, kDoubtFor);
  }
  // Any call got one, be it an error: that ends the doubt.
  void NoteAnswer() { silence_counts_from_ = Time::min(); }
  // It does not hang: should its lease end, it has succeeded. True: it is a
  // stream whose lease ended in doubt, and it succeeds now.
  bool NoteProgress(uint64_t probe);
  // Its answer came at `now`, and what it is worth is known by `judged_by`: if
  // its lease is not over, it lasts until then, and its end says nothing.
  void NoteAnswered(uint64_t probe, Time now, Time judged_by);
  // Ends the first lease of those that are over by `now`, if there is one, and
  // says how far the probe got.
  absl::optional<Sign> EndOverdue(Time now);

  // A success that came too late to count took so long: a lease that is shorter
  // would call every healthy probe hung. Kept over rounds, and halved by each
  // lease that ends without an answer.
  void NoteSuccessTook(Duration took);
  Duration lease_time() const;

  void Count(bool failed, bool slow) {
    ++(failed ? failures_ : successes_);
    if (slow) ++slow_;
  }
  Verdict verdict(Time now) const;

  int in_flight() const { return static_cast<int>(leases_.size()); }
  int successes() const { return successes_; }
  int decided() const { return successes_ + failures_; }
  int slow() const { return slow_; }
  int samples() const { return options_.samples(); }
  int needed() const;
  // When the next lease ends; kInfiniteFuture when none runs.
  Time next_lease_end() const;
  // The same, or when the results there are decide; kInfiniteFuture for never.
  Time next_end() const;

 private:
  struct Lease {
    uint64_t probe;
    Time ends;
    Sign sign;
    Time begun;
    bool is_stream;
  };

  std::vector<Lease>::iterator Find(uint64_t probe);
  // False: it was not.
  bool Undoubt(uint64_t probe);
  // The end of the time to wait for all results; kInfiniteFuture while there is
  // none.
  Time patience_end() const;

  const BreakerOptions& options_;
  Time started_;
  std::vector<Lease> leases_;
  std::vector<uint64_t> doubted_;  // streams without a lease, for all that
  uint64_t last_probe_ = 0;
  int successes_ = 0;
  int failures_ = 0;
  int slow_ = 0;
  Duration longest_success_ = Duration::zero();
  Time silence_counts_from_ = Time::min();
};

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_BREAKER_PROBATION_H_
