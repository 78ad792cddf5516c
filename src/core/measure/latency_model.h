// The latency of a method: its quantiles over the last 30 s.
//
//   LatencyModel model;
//   model.OnAttemptEnd(code, attribution, took, now);
//   absl::optional<Duration> p95 = model.Quantile(0.95, now);
//   if (!p95) ...                                       // nothing known
//   absl::optional<Duration> usual = model.Baseline(now);   // 10 min's median
//
// Counts are kept in log buckets, 19 per factor of two, in five sub-windows
// that are dropped as a whole, so the window covers between 24 s and 30 s. A
// quantile is the middle of its bucket: the relative error is at most 2 % from
// 4 us to 73 min. A shorter latency counts as 2 us, a longer one as 73 min.
//
// An attempt that was given up (a hedge that lost, an attempt at its deadline)
// is known to have taken *at least* that long. Without these attempts only the
// fast ones would count, and a hedge delay that is learned from them would
// shrink towards zero. So RecordAtLeast() records them, and their weight goes
// to the longer attempts that did end (Kaplan and Meier, "Nonparametric
// estimation from incomplete observations", JASA 1958). If nothing longer
// ended, the result is the longest wait: at least that long (Efron's convention
// for the tail).
//
// The baseline is the median of the p50s of the last 20 half minutes, each
// weighted by its successes; half minutes with fewer than kFew do not count. So
// it exists after the first half minute, and a slow period moves it only once
// it makes up half of the calls of ten minutes.
//
// Quantiles are computed at most every 100 ms of the given time and cached. So
// a result may be that old, and a query costs a few nanoseconds for up to 8
// different quantiles.
//
// Memory: about 16 KiB, all within the object. Counters stop at 2^32 - 1 per
// bucket and sub-window.
//
// Thread safety: safe from any thread. Recording takes no lock except for the
// first record of each 6 s, and threads that record at the same time rarely
// contend (sample_buffer.h). A record made while a sub-window ends may go into
// the next or the previous one. Time: `now` may stand still or run back a
// little; an earlier time counts as the latest one seen.
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
  // With fewer successes than this, the median is not reliable.
  static constexpr int64_t kFew = 20;
  // With fewer than this, the slowest of a hundred is not known, nor the tail.
  static constexpr int64_t kMany = 100;

  LatencyModel();
  LatencyModel(const LatencyModel&) = delete;
  LatencyModel& operator=(const LatencyModel&) = delete;

  // Records one attempt, in the way that EvidenceOf() says.
  void OnAttemptEnd(absl::StatusCode code, Attribution attribution,
                    Duration took, Time now);
  // Records `times` successes that took this long.
  void Record(Duration latency, Time now, uint32_t times = 1);
  // Records attempts that were given up after this long.
  void RecordAtLeast(Duration waited, Time now, uint32_t times = 1);

  // The number of successes in the window.
  int64_t samples(Time now);
  // The number of successes and of attempts that were given up.
  int64_t evidence(Time now);
  // `q` is clamped to [0, 1]. nullopt without a success, and for NaN.
  absl::optional<Duration> Quantile(double q, Time now);
  // The median of the current sub-window, or of the last two if that one has
  // fewer than kFew successes; nullopt if both have fewer. A server that has
  // become slow answers fewer calls than before, so in a longer window the
  // earlier, fast ones outweigh them. It reads all counters, so it is for
  // reports only.
  absl::optional<Duration> MedianLately(Time now);
  // Like Quantile(). Without a success it is the longest wait that got no
  // answer.
  absl::optional<Duration> AtLeast(double q, Time now);
  // The usual median, over ten minutes.
  absl::optional<Duration> Baseline(Time now);

  // True for one caller per second. A caller that refuses attempts because of
  // the model also keeps the model from learning that the method is fast again,
  // so it lets this attempt through. `needed` is the time that the model
  // expects. If the next attempt that ends is faster than that, and this
  // happens three times in a row, the attempts that were given up are
  // forgotten; they would otherwise stay in the window for half a minute, and
  // one success a second would never outweigh them. If a sixth of the attempts
  // is that fast, as the gate wants it, this happens by chance once in three or
  // four minutes of refusals.
  static constexpr int kPassesToForget = 3;
  bool TakePass(Time now, Duration needed = Duration::zero());

 private:
  static constexpr int kOctaves = 30;
  static constexpr int kPerOctave = 19;
  static constexpr int kBuckets = 1 + kOctaves * kPerOctave;
  // Attempts that were given up are kept less exactly: four buckets in one.
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
  // A cached quantile; unused while `q` is NaN.
  struct Cached {
    std::atomic<double> q{std::numeric_limits<double>::quiet_NaN()};
    std::atomic<int64_t> ns{kNothing};
  };

  // Uses an attempt that may be the one let through by TakePass().
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

  // A pending sample is a bucket; this bit marks one that was given up.
  static constexpr uint16_t kGivenUp = 1 << 15;
  static_assert(kBuckets < kGivenUp);
  void Count(uint16_t sample);
  // Moves all pending samples into the sub-window in which they came.
  void HandOn() {
    pending_.HandOn([this](uint16_t sample) { Count(sample); });
  }

  SubWindow* current() {
    return &subs_[static_cast<size_t>(
        current_.load(std::memory_order_acquire))];
  }
  // Starts a new sub-window if the current one ended before `now`.
  void RollIfDue(Time now);
  void Roll(Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void KeepPast() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Refresh(Time now);
  // The curve of the last `subs` sub-windows.
  Curve Gather(int subs = kSubWindows);
  int64_t MedianOfPasts() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  SampleBuffer pending_;
  std::array<SubWindow, kSubWindows> subs_;
  // Members that every call reads and few write are kept on other cache lines
  // than those that are written often.
  alignas(kCacheLine) std::atomic<int> current_{0};  // index into subs_
  std::atomic<int64_t> rolls_at_;                    // when `current_` ends
  std::atomic<int64_t> refreshes_at_;  // when the values below are out of date
  std::array<Cached, kCached> cached_;
  std::atomic<int64_t> samples_{0};
  std::atomic<int64_t> evidence_{0};
  // The longest wait, if no attempt in the window succeeded.
  std::atomic<int64_t> longest_{kNothing};
  std::atomic<int64_t> baseline_{kNothing};
  std::atomic<int64_t> next_pass_;
  // What the attempt let through by TakePass() needs, until one ends.
  std::atomic<int64_t> pass_needs_{kNothing};
  std::atomic<int> good_passes_{0};  // in a row

  Mutex mu_;
  int64_t number_ ABSL_GUARDED_BY(mu_) = kNever;  // of the current sub-window
  std::array<Past, kPasts> pasts_ ABSL_GUARDED_BY(mu_);
  size_t next_past_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_MEASURE_LATENCY_MODEL_H_
