#include "src/core/measure/latency_model.h"

#include <algorithm>
#include <cmath>

namespace firebreak::core {
namespace {

constexpr int64_t kSubWindow = Duration(std::chrono::seconds(6)).count();
constexpr int64_t kHalfMinute = 5;  // in sub-windows
constexpr Duration kRefresh = std::chrono::milliseconds(100);
constexpr Duration kPassEvery = std::chrono::seconds(1);

// A factor of two is divided into 128 equal steps, which form buckets whose
// bounds are at most 4 % apart.
constexpr int kStepBits = 7;
constexpr int kSteps = 1 << kStepBits;
constexpr int kFirstOctave = 12;  // 2^12 ns is about 4 us

struct Layout {
  std::array<uint8_t, kSteps> bucket_of{};
  // Where each bucket begins, and the last one ends; in steps, from kSteps on.
  std::array<int, kSteps + 1> begin{};
  int buckets = 0;
};

constexpr Layout MakeLayout() {
  Layout layout;
  int step = kSteps;
  while (step < 2 * kSteps) {
    const int end = std::min(step + step / 25, 2 * kSteps);
    layout.begin[static_cast<size_t>(layout.buckets)] = step;
    for (; step < end; ++step) {
      layout.bucket_of[static_cast<size_t>(step - kSteps)] =
          static_cast<uint8_t>(layout.buckets);
    }
    ++layout.buckets;
  }
  layout.begin[static_cast<size_t>(layout.buckets)] = step;
  return layout;
}

constexpr Layout kLayout = MakeLayout();

int64_t Nanos(Time t) { return t.time_since_epoch().count(); }

absl::optional<Duration> ToOptional(int64_t ns) {
  if (ns < 0) return absl::nullopt;
  return Duration(ns);
}

}  // namespace

struct LatencyModel::Curve {
  std::array<double, kBuckets> longer;  // only where an attempt ended
  std::array<bool, kBuckets> has_any;
  int64_t ended = 0;
  int64_t evidence = 0;
  int64_t longest = 0;

  // The first bucket that at most a share of 1 - q exceeds.
  int64_t At(double q) const {
    if (ended == 0) return kNothing;
    // More than the rounding error of the sums.
    constexpr double kRounding = 1e-12;
    const double may_outlast = 1 - q + kRounding;
    for (size_t i = 0; i < longer.size(); ++i) {
      if (has_any[i] && longer[i] <= may_outlast) {
        return MiddleOf(static_cast<int>(i));
      }
    }
    return longest;
  }
};

LatencyModel::LatencyModel()
    : rolls_at_(kNever), refreshes_at_(kNever), next_pass_(kNever) {
  static_assert(kLayout.buckets == kPerOctave, "the header says how many");
  static_assert(sizeof(LatencyModel) <= size_t{16} * 1024,
                "one for each method");
}

int LatencyModel::BucketOf(Duration latency) {
  if (latency.count() < int64_t{1} << kFirstOctave) return 0;
  const auto ns = static_cast<uint64_t>(latency.count());
  const int octave = 63 - __builtin_clzll(ns);
  if (octave >= kFirstOctave + kOctaves) return kBuckets - 1;
  const uint64_t step = (ns >> (octave - kStepBits)) & (kSteps - 1);
  return 1 + (octave - kFirstOctave) * kPerOctave + kLayout.bucket_of[step];
}

int64_t LatencyModel::LowOf(int bucket) {
  if (bucket == 0) return 0;
  const int octave = kFirstOctave + (bucket - 1) / kPerOctave;
  const int64_t steps =
      kLayout.begin[static_cast<size_t>((bucket - 1) % kPerOctave)];
  return steps << (octave - kStepBits);
}

int64_t LatencyModel::MiddleOf(int bucket) {
  return (LowOf(bucket) + LowOf(bucket + 1)) / 2;
}

void LatencyModel::Add(Counter* counter, uint32_t times) {
  constexpr uint32_t kMax = std::numeric_limits<uint32_t>::max();
  uint32_t old = counter->load(std::memory_order_relaxed);
  while (!counter->compare_exchange_weak(
      old, old > kMax - times ? kMax : old + times,
      std::memory_order_relaxed)) {
  }
}

void LatencyModel::OnAttemptEnd(absl::StatusCode code, Attribution attribution,
                                Duration took, Time now) {
  switch (EvidenceOf(code, attribution)) {
    case Evidence::kExact:
      Record(took, now);
      break;
    case Evidence::kAtLeast:
      RecordAtLeast(took, now);
      break;
    case Evidence::kNone:
      break;
  }
}

void LatencyModel::Record(Duration latency, Time now, uint32_t times) {
  RollIfDue(now);
  JudgePass(latency, /*has_ended=*/true);
  const auto bucket = static_cast<uint16_t>(BucketOf(latency));
  if (times == 1) {
    pending_.Add(bucket, [this](uint16_t sample) { Count(sample); });
  } else {
    Add(&current()->ended[bucket], times);
  }
}

void LatencyModel::RecordAtLeast(Duration waited, Time now, uint32_t times) {
  RollIfDue(now);
  JudgePass(waited, /*has_ended=*/false);
  const auto bucket = static_cast<uint16_t>(BucketOf(waited) / kCoarse);
  if (times == 1) {
    pending_.Add(bucket | kGivenUp, [this](uint16_t sample) { Count(sample); });
  } else {
    Add(&current()->given_up[bucket], times);
  }
}

void LatencyModel::Count(uint16_t sample) {
  SubWindow* const sub = current();
  if ((sample & kGivenUp) != 0) {
    Add(&sub->given_up[sample & ~kGivenUp], 1);
  } else {
    Add(&sub->ended[sample], 1);
  }
}

int64_t LatencyModel::samples(Time now) {
  Refresh(now);
  return samples_.load(std::memory_order_relaxed);
}

int64_t LatencyModel::evidence(Time now) {
  Refresh(now);
  return evidence_.load(std::memory_order_relaxed);
}

absl::optional<Duration> LatencyModel::AtLeast(double q, Time now) {
  const absl::optional<Duration> quantile = Quantile(q, now);
  if (quantile) return quantile;
  return ToOptional(longest_.load(std::memory_order_relaxed));
}

absl::optional<Duration> LatencyModel::Quantile(double q, Time now) {
  if (std::isnan(q)) return absl::nullopt;
  q = std::clamp(q, 0.0, 1.0);
  Refresh(now);
  for (const Cached& each : cached_) {
    if (each.q.load(std::memory_order_acquire) == q) {
      return ToOptional(each.ns.load(std::memory_order_relaxed));
    }
  }
  // This quantile is requested for the first time.
  MutexLock lock(&mu_);
  const int64_t ns = Gather().At(q);
  for (Cached& each : cached_) {
    const double used_for = each.q.load(std::memory_order_relaxed);
    if (used_for == q) break;  // another thread has added it
    if (!std::isnan(used_for)) continue;
    each.ns.store(ns, std::memory_order_relaxed);
    each.q.store(q, std::memory_order_release);
    break;
  }
  return ToOptional(ns);
}

absl::optional<Duration> LatencyModel::MedianLately(Time now) {
  RollIfDue(now);
  MutexLock lock(&mu_);
  for (int subs : {1, 2}) {
    const Curve curve = Gather(subs);
    if (curve.ended >= kFew) return ToOptional(curve.At(0.5));
  }
  return absl::nullopt;
}

absl::optional<Duration> LatencyModel::Baseline(Time now) {
  Refresh(now);
  return ToOptional(baseline_.load(std::memory_order_relaxed));
}

bool LatencyModel::TakePass(Time now, Duration needed) {
  int64_t due = next_pass_.load(std::memory_order_relaxed);
  if (Nanos(now) < due || !next_pass_.compare_exchange_strong(
                              due, Nanos(SaturatingAdd(now, kPassEvery)),
                              std::memory_order_relaxed)) {
    return false;
  }
  if (needed > Duration::zero()) {
    pass_needs_.store(needed.count(), std::memory_order_relaxed);
  }
  return true;
}

void LatencyModel::JudgeOpenPass(Duration took, bool has_ended) {
  int64_t needs = pass_needs_.load(std::memory_order_relaxed);
  // An attempt that was given up sooner than that shows nothing.
  if (needs == kNothing || (!has_ended && took.count() < needs / 2) ||
      !pass_needs_.compare_exchange_strong(needs, kNothing,
                                           std::memory_order_relaxed)) {
    return;
  }
  if (!has_ended || took.count() >= needs) {
    good_passes_.store(0, std::memory_order_relaxed);
  } else if (good_passes_.fetch_add(1, std::memory_order_relaxed) + 1 >=
             kPassesToForget) {
    good_passes_.store(0, std::memory_order_relaxed);
    ForgetWhatWasGivenUp();
  }
}

void LatencyModel::ForgetWhatWasGivenUp() {
  MutexLock lock(&mu_);
  HandOn();
  for (SubWindow& sub : subs_) {
    for (Counter& each : sub.given_up) {
      each.store(0, std::memory_order_relaxed);
    }
  }
  refreshes_at_.store(kNever, std::memory_order_relaxed);
}

void LatencyModel::RollIfDue(Time now) {
  if (Nanos(now) < rolls_at_.load(std::memory_order_relaxed)) return;
  MutexLock lock(&mu_);
  Roll(now);
}

void LatencyModel::Roll(Time now) {
  // Sub-windows are numbered from the start of time, and five of them are a
  // half minute of the baseline.
  const int64_t number = Nanos(now) / kSubWindow;
  if (number_ != kNever && number <= number_) return;
  HandOn();
  int64_t steps = kSubWindows;
  if (number_ != kNever) {
    if (number / kHalfMinute != number_ / kHalfMinute) KeepPast();
    steps = std::min(steps, number - number_);
  }
  int current = current_.load(std::memory_order_relaxed);
  for (; steps > 0; --steps) {
    current = (current + 1) % kSubWindows;
    SubWindow& old = subs_[static_cast<size_t>(current)];
    for (Counter& each : old.ended) each.store(0, std::memory_order_relaxed);
    for (Counter& each : old.given_up) each.store(0, std::memory_order_relaxed);
  }
  number_ = number;
  current_.store(current, std::memory_order_release);
  const Time began{Duration(number * kSubWindow)};
  rolls_at_.store(Nanos(SaturatingAdd(began, Duration(kSubWindow))),
                  std::memory_order_relaxed);
}

void LatencyModel::KeepPast() {
  const Curve curve = Gather();
  if (curve.ended < kFew) return;
  pasts_[next_past_] = {number_ / kHalfMinute, curve.At(0.5), curve.ended};
  next_past_ = (next_past_ + 1) % pasts_.size();
}

void LatencyModel::Refresh(Time now) {
  int64_t due = refreshes_at_.load(std::memory_order_relaxed);
  if (Nanos(now) < due) return;
  // One thread refreshes; the others use the old values meanwhile.
  if (!refreshes_at_.compare_exchange_strong(
          due, Nanos(SaturatingAdd(now, kRefresh)),
          std::memory_order_relaxed)) {
    return;
  }
  MutexLock lock(&mu_);
  Roll(now);
  const Curve curve = Gather();
  samples_.store(curve.ended, std::memory_order_relaxed);
  evidence_.store(curve.evidence, std::memory_order_relaxed);
  longest_.store(
      curve.ended == 0 && curve.evidence > 0 ? curve.longest : kNothing,
      std::memory_order_relaxed);
  baseline_.store(MedianOfPasts(), std::memory_order_relaxed);
  for (Cached& each : cached_) {
    const double q = each.q.load(std::memory_order_relaxed);
    if (std::isnan(q)) break;
    each.ns.store(curve.At(q), std::memory_order_relaxed);
  }
}

LatencyModel::Curve LatencyModel::Gather(int subs) {
  HandOn();
  Curve curve;
  std::array<int64_t, kBuckets> ended{};
  std::array<int64_t, kCoarseBuckets> given_up{};
  const int last = current_.load(std::memory_order_relaxed);
  for (int back = 0; back < subs; ++back) {
    const SubWindow& sub =
        subs_[static_cast<size_t>((last + kSubWindows - back) % kSubWindows)];
    for (size_t i = 0; i < ended.size(); ++i) {
      ended[i] += sub.ended[i].load(std::memory_order_relaxed);
    }
    for (size_t i = 0; i < given_up.size(); ++i) {
      given_up[i] += sub.given_up[i].load(std::memory_order_relaxed);
    }
  }
  // Kaplan and Meier: of the attempts that lasted until each bucket, how many
  // ended in it? One that was given up counts as lasting up to the middle of
  // its coarse bucket.
  int64_t lasting = 0;
  for (int64_t n : ended) lasting += n;
  curve.ended = lasting;
  for (int64_t n : given_up) lasting += n;
  curve.evidence = lasting;
  double longer = 1;
  for (size_t i = 0; i < ended.size(); ++i) {
    curve.has_any[i] = ended[i] > 0;
    if (curve.has_any[i]) {
      longer *=
          1 - static_cast<double>(ended[i]) / static_cast<double>(lasting);
      lasting -= ended[i];
      curve.longest = MiddleOf(static_cast<int>(i));
    }
    curve.longer[i] = longer;
    if (i % kCoarse == kCoarse / 2 && given_up[i / kCoarse] > 0) {
      lasting -= given_up[i / kCoarse];
      curve.longest = std::max(curve.longest, LowOf(static_cast<int>(i)));
    }
  }
  return curve;
}

int64_t LatencyModel::MedianOfPasts() const {
  std::array<Past, kPasts> sorted = pasts_;
  std::sort(sorted.begin(), sorted.end(),
            [](const Past& a, const Past& b) { return a.p50 < b.p50; });
  const int64_t oldest = number_ / kHalfMinute - kPasts;
  int64_t all = 0;
  for (Past& past : sorted) {
    if (past.number < oldest) past.samples = 0;
    all += past.samples;
  }
  int64_t seen = 0;
  for (const Past& past : sorted) {
    seen += past.samples;
    if (past.samples > 0 && 2 * seen >= all) return past.p50;
  }
  return kNothing;
}

}  // namespace firebreak::core
