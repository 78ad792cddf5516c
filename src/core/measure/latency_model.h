// What a method takes: quantiles of its latency over the last 30 s.
//
//   LatencyModel model;
//   model.OnAttemptEnd(code, attribution, took, now);
//   absl::optional<Duration> p95 = model.Quantile(0.95, now);
//   if (!p95) ...                                       // nothing known
//   absl::optional<Duration> usual = model.Baseline(now);   // 10 min's median
//
// Counts are kept in log buckets, 19 to a factor of two, in five sub-windows
// that are dropped whole, so the span covered lies between 24 s and 30 s. A
// quantile is the middle of its bucket: the relative error is at most 2 % from
// 4 us to 73 min; what is shorter counts as 2 us, what is longer as 73 min.
//
// What was given up (a hedge's loser, an attempt at its deadline) is known to
// have taken *at least* so long. To leave these out would be to keep only the
// fast ones, and a hedge delay learned from what hedging leaves over would
// creep towards zero. So they are told with RecordAtLeast() and their weight
// goes to the longer ones that were seen to end (Kaplan and Meier,
// "Nonparametric estimation from incomplete observations", JASA 1958). Where
// nothing longer ended, the answer is the longest that was waited: at least so
// much (Efron's convention for the tail).
//
// The baseline is the median of the p50s of the last 20 half minutes, each
// weighted by its successes; half minutes with fewer than kFew do not count. So
// it first exists after half a minute, and a slow spell moves it only once it
// has made up half of the calls of ten minutes.
//
// Quantiles are worked out at most every 100 ms of the time handed in and
// remembered, so an answer may be that much behind, and asking costs a few
// nanoseconds for up to 8 different quantiles.
//
// Memory: about 16 KiB, all of it in the object. Counts stop at 2^32 - 1 for
// each bucket and sub-window.
//
// Thread safety: safe from any thread; recording takes no lock but for the
// first record of each 6 s, and threads that record at once hardly meet
// (sample_buffer.h). A record made while a sub-window ends may go into
// the neighbouring one. Time: `now` may stand still, or run back a little;
// earlier is then taken as the latest seen.
#ifndef FIREBREAK_SRC_CORE_MEASURE_LATENCY_MODEL_H_
#define FIREBREAK_SRC_CORE_MEASURE_LATENCY_MODEL_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <limits>

#include "absl/status/status.h"
#include "absl/types/optional.h"
#include "src/core/base/mutex.h"
#include "src/core/base/outcome.h"
#include "src/core/base/striped.h"
#include "src/core/base/time.h"
#include "src/core/measure/sample_buffer.h"

namespace firebreak::core {

class LatencyModel {
 public:
  // Fewer successes than this say little about the median,
  static constexpr int64_t kFew = 20;
  // and than this about the tail: one in a hundred has not been seen.
  static constexpr int64_t kMany = 100;

  LatencyModel();
  LatencyModel(const LatencyModel&) = delete;
  LatencyModel& operator=(const LatencyModel&) = delete;

  // One attempt: recorded as what EvidenceOf() makes of it.
  void OnAttemptEnd(absl::StatusCode code, Attribution attribution,
                    Duration took, Time now);
  // A success that took so long, so many times.
  void Record(Duration latency, Time now, uint32_t times = 1);
  // Given up after so long: it would have taken more.
  void RecordAtLeast(Duration waited, Time now, uint32_t times = 1);

  // Successes in the window.
  int64_t samples(Time now);
  // The same, and what was given up.
  int64_t evidence(Time now);
  // `q` is clamped to [0, 1]. Nothing without a success, and for NaN.
  absl::optional<Duration> Quantile(double q, Time now);
  // The median of the current sub-window, or of the last two where that has
  // less than kFew successes; nothing where these have less, too. A server that
  // has become slow answers fewer calls than while it was fast, and in a longer
  // span these outweigh them. Looks at all counts: for whoever reports.
  absl::optional<Duration> MedianLately(Time now);
  // The same, but for what is known without a success: the longest that was
  // waited in vain.
  absl::optional<Duration> AtLeast(double q, Time now);
  // The usual median: of ten minutes.
  absl::optional<Duration> Baseline(Time now);

  // True for one caller a second: who acts on what the model says, and so
  // keeps it from learning better, lets that one through all the same. `needed`
  // is what the model says that it takes. If the next attempt to end is sooner
  // than that, and so three times in a row, what was given up is forgotten: it
  // stays in the window for half a minute else, and one success a second would
  // never outweigh it. Where a sixth of the attempts is as fast, as the gate
  // wants it, that comes by chance once in three or four minutes of refusals.
  static constexpr int kPassesToForget = 3;
  bool TakePass(Time now, Duration needed = Duration::zero());

 private:
  static constexpr int kOctaves = 30;
  static constexpr int kPerOctave = 19;
  static constexpr int kBuckets = 1 + kOctaves * kPerOctave;
  // What was given up may be known less exactly: four buckets to one.
  static constexpr int kCoarse = 4;
  static constexpr int kCoarseBuckets = (kBuckets + kCoarse - 1) / kCoarse;
  static constexpr int kSubWindows = 5;
  static constexpr int kPasts = 20;
  static constexpr int kCached = 8;
  static constexpr int64_t kNothing = -1;
  static constexpr int64_t kNever = std::numeric_limits<int64_t>::min();

  using Counter = std::atomic<uint32_t>;
  struct SubWindow {
    std::array<Counter, kBuckets> ended{};
    std::array<Counter, kCoarseBuckets> given_up{};
  };
  // A half minute, for the baseline.
  struct Past {
    int64_t number = kNever;
    int64_t p50 = 0;
    int64_t samples = 0;
  };
  struct Curve;  // the share of attempts that take longer than each bucket
  // An answer worked out before; of no quantile while `q` is NaN.
  struct Cached {
    std::atomic<double> q{std::numeric_limits<double>::quiet_NaN()};
    std::atomic<int64_t> ns{kNothing};
  };

  // What an attempt says that may be the pass.
  void JudgePass(Duration took, bool has_ended) {
    if (pass_needs_.load(std::memory_order_relaxed) == kNothing) return;
    JudgeOpenPass(took, has_ended);
  }
  void JudgeOpenPass(Duration took, bool has_ended);
  void ForgetWhatWasGivenUp();

  static int BucketOf(Duration latency);
  static int64_t LowOf(int bucket);
  static int64_t MiddleOf(int bucket);
  static void Add(Counter* counter, uint32_t times);

  // A sample that waits is a bucket, and this bit where it was given up.
  static constexpr uint16_t kGivenUp = 1 << 15;
  static_assert(kBuckets < kGivenUp);
  void Count(uint16_t sample);
  // All of them, into the sub-window that they came in.
  void HandOn() {
    pending_.HandOn([this](uint16_t sample) { Count(sample); });
  }

  SubWindow* current() {
    return &subs_[static_cast<size_t>(
        current_.load(std::memory_order_acquire))];
  }
  // Lets the sub-window end that ended before `now`.
  void RollIfDue(Time now);
  void Roll(Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void KeepPast() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Refresh(Time now);
  // Of the last so many sub-windows.
  Curve Gather(int subs = kSubWindows);
  int64_t MedianOfPasts() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  SampleBuffer pending_;
  std::array<SubWindow, kSubWindows> subs_;
  // What every call reads and hardly any writes, apart from what they write.
  alignas(kCacheLine) std::atomic<int> current_{0};  // index into subs_
  std::atomic<int64_t> rolls_at_;                    // when `current_` ends
  std::atomic<int64_t> refreshes_at_;  // when the answers below are too old
  std::array<Cached, kCached> cached_;
  std::atomic<int64_t> samples_{0};
  std::atomic<int64_t> evidence_{0};
  std::atomic<int64_t> longest_{kNothing};  // that was waited, if none ended
  std::atomic<int64_t> baseline_{kNothing};
  std::atomic<int64_t> next_pass_;
  std::atomic<int64_t> pass_needs_{kNothing};  // of one that has not ended
  std::atomic<int> good_passes_{0};            // in a row

  Mutex mu_;
  int64_t number_ ABSL_GUARDED_BY(mu_) = kNever;  // of the sub-window
  std::array<Past, kPasts> pasts_ ABSL_GUARDED_BY(mu_);
  size_t next_past_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_MEASURE_LATENCY_MODEL_H_
