// The HALF_OPEN phase of a breaker: a few probes, each with a lease, and a
// verdict.
//
//   Probation probation(options);
//   uint64_t probe = probation.Begin(now, deadline);  // 0: no slot is free
//   if (probation.Arrive(probe, now)) {               // false: lease is over
//     probation.End(probe);
//     probation.Count(failed, slow);
//   }
//   switch (probation.verdict(now)) ...
//
// At most `probes` run at a time, and never more than results are missing,
// since a further probe would only load the target. A lease ends at
// min(deadline + kGrace, now + lease_time()). lease_time() is probe_timeout;
// where successes are known to take longer (NoteSuccessTook()), it is one and a
// half times as long as they take, up to max_open_duration, so that a server
// that hangs is probed as often as one that is down. The verdict is final as
// soon as the success ratio is reached or out of reach. After
// `half_open_duration`, the results so far decide, if there is one. No further
// probes start then, and the verdict follows when those in flight have ended.
// If a slow-call rate is set, as many slow probes as would trip that rule have
// the same effect as failed ones.
//
// Thread safety: none; the breaker that owns it locks. Memory: one entry per
// probe in flight.
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

  // gRPC ends a call at its deadline, and the status arrives milliseconds
  // later. That status has to judge the probe, since a deadline may not be the
  // target's fault. The grace is much longer, so that only a lost status lets a
  // lease end there.
  static constexpr Duration kGrace = std::chrono::seconds(1);
  // If there is a connection, a stream to a server that is gone has ended by
  // then.
  static constexpr Duration kSilentFor = std::chrono::seconds(1);
  // A server that hangs keeps its connections, and with them its silent
  // streams: if unary calls of the same breaker get no answer, open streams
  // prove nothing. This is longer than most clients wait for an answer, and no
  // longer than a breaker stays OPEN without a probe.
  static constexpr Duration kDoubtFor = std::chrono::seconds(10);

  // Reads `options` at every call: they outlive this object, and may change.
  explicit Probation(const BreakerOptions& options) : options_(options) {}

  // Starts a new round. Probes of the previous round are forgotten, and their
  // numbers are never reused.
  void Restart(Time now);

  bool HasRoom(Time now) const;
  // Starts a probe and returns its number, or 0 if no slot is free.
  uint64_t Begin(Time now, Time deadline, bool is_stream = false);
  // The probe has ended. Its lease now lasts until End(), so that leases that
  // ended earlier can be judged first. False if its own lease is already over.
  bool Arrive(uint64_t probe, Time now);
  // Frees the slot of the probe.
  void End(uint64_t probe);
  // Ends the lease of a stream that has been open for kSilentFor without a sign
  // of life; nullopt if there is none. kProgress: the open stream counts as a
  // success. kNothing: it does not, since a unary call got no answer less than
  // kDoubtFor ago, and no call was answered since. Such a stream is remembered
  // until End().
  absl::optional<Sign> EndSilentStream(Time now);
  // A unary call, probe or not, got no answer. This is kept across rounds.
  void NoteNoAnswer(Time now) {
    silence_counts_from_ = SaturatingAdd(now, kDoubtFor);
  }
  // Some call got an answer, even if it was an error: open streams count again.
  void NoteAnswer() { silence_counts_from_ = Time::min(); }
  // The probe does not hang: if its lease ends, it has succeeded. True if it is
  // a stream whose lease has ended in doubt; it succeeds now.
  bool NoteProgress(uint64_t probe);
  // The probe was answered at `now`, and its verdict is known by `judged_by`.
  // If its lease has not ended, it lasts until then, and its end counts for
  // nothing.
  void NoteAnswered(uint64_t probe, Time now, Time judged_by);
  // Ends the earliest lease that is over by `now`, if any, and returns the sign
  // of life that the probe has shown.
  absl::optional<Sign> EndOverdue(Time now);

  // A success that came too late to count took this long: with a shorter lease
  // every healthy probe would be judged hung. It is kept across rounds, and
  // halved by each lease that ends without an answer.
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
  // That, or when the results so far decide; kInfiniteFuture for never.
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
  // Removes the probe from doubted_. False if it was not there.
  bool Undoubt(uint64_t probe);
  // When the results so far decide; kInfiniteFuture while there is none.
  Time patience_end() const;

  const BreakerOptions& options_;
  Time started_;
  std::vector<Lease> leases_;
  std::vector<uint64_t> doubted_;  // streams whose lease ended in doubt
  uint64_t last_probe_ = 0;
  int successes_ = 0;
  int failures_ = 0;
  int slow_ = 0;
  Duration longest_success_ = Duration::zero();
  Time silence_counts_from_ = Time::min();
};

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_BREAKER_PROBATION_H_
