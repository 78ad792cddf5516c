// Live quantiles: within 2 % of the true values, over the last 30 s, and
// correct for attempts that were given up.
#include "src/core/measure/latency_model.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/core_fixtures.h"
#include "tests/support/latencies.h"

namespace firebreak::core {
namespace {

using ::testing::Eq;
using ::testing::Optional;

constexpr double kQuantiles[] = {0, 0.01, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1};

double ErrorOf(Duration found, Duration truth) {
  return std::abs(static_cast<double>((found - truth).count()) /
                  static_cast<double>(truth.count()));
}

// Returns the exact quantile of sorted values.
Duration Exact(const std::vector<Duration>& sorted, double q) {
  const double n = static_cast<double>(sorted.size());
  const double rank = std::ceil(q * n - 1e-9);
  return sorted[static_cast<size_t>(std::max(rank, 1.0)) - 1];
}

TEST(LatencyModelTest, IsAtMost16KiB) {
  EXPECT_LE(sizeof(LatencyModel), 16u * 1024);
}

TEST(LatencyModelTest, OneValueIsEveryQuantile) {
  for (int64_t ns = 4'096; ns < Sec(4'398).count(); ns += 1 + ns / 59) {
    auto model = std::make_unique<LatencyModel>();
    model->Record(Duration(ns), At(Sec(1)));
    for (double q : {0.0, 0.5, 1.0}) {
      const auto found = model->Quantile(q, At(Sec(1)));
      ASSERT_TRUE(found.has_value());
      ASSERT_LE(ErrorOf(*found, Duration(ns)), 0.02) << ns;
    }
  }
}

TEST(LatencyModelTest, IsWithin2PercentOfManyDistributions) {
  Rng rng(7);
  const auto judge = [&](const char* name, auto draw) {
    LatencyModel model;
    std::vector<Duration> all;
    for (int i = 0; i < 20'000; ++i) {
      all.push_back(draw());
      model.Record(all.back(), At(Ms(i)));
    }
    std::sort(all.begin(), all.end());
    for (double q : kQuantiles) {
      const auto found = model.Quantile(q, At(Sec(20)));
      ASSERT_TRUE(found.has_value());
      EXPECT_LE(ErrorOf(*found, Exact(all, q)), 0.02) << name << " " << q;
    }
  };
  judge("even", [&] { return Us(10) + Scale(Ms(50), rng.Uniform()); });
  judge("exponential",
        [&] { return Us(5) + Scale(Ms(10), -std::log(1 - rng.Uniform())); });
  judge("with stragglers", [&] { return WithStragglers(&rng); });
  judge("two humps", [&] {
    return rng.Uniform() < 0.7 ? Ms(2) : Sec(3) + Ms(rng.Next() % 100);
  });
  judge("heavy tail",
        [&] { return Scale(Us(20), std::pow(1 - rng.Uniform(), -1.5)); });
}

TEST(LatencyModelTest, ForgetsAfter30Seconds) {
  LatencyModel model;
  for (int i = 0; i < 100; ++i) model.Record(Ms(10), At(Sec(1)));
  EXPECT_EQ(model.samples(At(Sec(29))), 100);
  for (int i = 0; i < 300; ++i) model.Record(Ms(40), At(Sec(29)));
  EXPECT_EQ(model.samples(At(Ms(29'900))), 400);
  EXPECT_LE(ErrorOf(*model.Quantile(0.25, At(Ms(29'900))), Ms(10)), 0.02);
  // The sub-window with the first second ends.
  EXPECT_EQ(model.samples(At(Sec(30))), 300);
  EXPECT_LE(ErrorOf(*model.Quantile(0.25, At(Sec(30))), Ms(40)), 0.02);
  EXPECT_EQ(model.samples(At(Sec(53))), 300);
  EXPECT_EQ(model.samples(At(Sec(54))), 0);
  EXPECT_EQ(model.Quantile(0.5, At(Sec(54))), absl::nullopt);
}

TEST(LatencyModelTest, TheLastSecondsAreNotOutweighedByWhatWasFaster) {
  // It may become slow at any time within a sub-window.
  for (int begin = 30; begin < 36; ++begin) {
    LatencyModel model;
    for (int s = 0; s < begin; ++s) model.Record(Ms(5), At(Sec(s)), 50);
    EXPECT_LE(ErrorOf(*model.MedianLately(At(Sec(begin))), Ms(5)), 0.02);
    for (int s = begin; s < begin + 10; ++s) {
      model.Record(Ms(1000), At(Sec(s)), 8);
    }
    const Time later = At(Sec(begin + 9));
    EXPECT_LE(ErrorOf(*model.MedianLately(later), Ms(1000)), 0.02) << begin;
    EXPECT_LE(ErrorOf(*model.Quantile(0.5, later), Ms(5)), 0.02) << begin;
  }
}

TEST(LatencyModelTest, FewOfTheLastSecondsSayNothing) {
  LatencyModel model;
  EXPECT_FALSE(model.MedianLately(At(Sec(1))));
  model.Record(Ms(5), At(Sec(1)), 1000);
  model.Record(Ms(5), At(Sec(13)), LatencyModel::kFew - 1);
  EXPECT_FALSE(model.MedianLately(At(Sec(13))));
  model.Record(Ms(5), At(Sec(13)));
  EXPECT_TRUE(model.MedianLately(At(Sec(13))));
  EXPECT_FALSE(model.MedianLately(At(Sec(25)))) << "and are forgotten";
}

TEST(LatencyModelTest, AnswersAreAtMost100MsOld) {
  LatencyModel model;
  model.Record(Ms(10), At(Sec(1)));
  EXPECT_EQ(model.samples(At(Sec(1))), 1);
  model.Record(Ms(10), At(Sec(1)));
  EXPECT_EQ(model.samples(At(Sec(1) + Ms(99))), 1);
  EXPECT_EQ(model.samples(At(Sec(1) + Ms(100))), 2);
}

TEST(LatencyModelTest, AnyNumberOfQuantilesMayBeAskedFor) {
  LatencyModel model;
  for (int i = 1; i <= 100; ++i) model.Record(Ms(i), At(Sec(1)));
  for (int round = 0; round < 2; ++round) {
    for (int i = 1; i <= 100; ++i) {
      const auto found = model.Quantile(i / 100.0, At(Sec(1 + round)));
      EXPECT_LE(ErrorOf(*found, Ms(i)), 0.02) << i;
    }
  }
}

// A hedge that wins hides how long the loser would have taken.
TEST(LatencyModelTest, WhatWasGivenUpDoesNotMakeItLookFast) {
  for (const int cut_ms : {9, 15, 30}) {
    Rng rng(3);
    LatencyModel model;
    LatencyModel naive;
    std::vector<Duration> truth;
    for (int i = 0; i < 20'000; ++i) {
      const Duration primary = WithStragglers(&rng);
      const Duration cut = Ms(cut_ms) + WithStragglers(&rng);
      truth.push_back(primary);
      if (primary <= cut) {
        model.Record(primary, At(Ms(i)));
        naive.Record(primary, At(Ms(i)));
      } else {
        model.RecordAtLeast(cut, At(Ms(i)));
      }
    }
    std::sort(truth.begin(), truth.end());
    // The higher the quantile, the fewer attempts have ended there.
    using Bound = std::pair<double, double>;
    for (const auto& [q, error] : {Bound(0.5, 0.02), Bound(0.9, 0.03),
                                   Bound(0.97, 0.15), Bound(0.98, 0.15)}) {
      EXPECT_LE(ErrorOf(*model.Quantile(q, At(Sec(20))), Exact(truth, q)),
                error)
          << q << " cut at " << cut_ms;
    }
    EXPECT_LT(*naive.Quantile(0.97, At(Sec(20))),
              Scale(Exact(truth, 0.97), 0.85));
  }
}

TEST(LatencyModelTest, KaplanAndMeierByHand) {
  // Attempts end at 10 and 30. Of the two that last longer than 10, one is
  // given up at 20, and its share goes to the other.
  LatencyModel model;
  model.Record(Ms(10), At(Sec(1)));
  model.RecordAtLeast(Ms(20), At(Sec(1)));
  model.Record(Ms(30), At(Sec(1)));
  EXPECT_LE(ErrorOf(*model.Quantile(0.33, At(Sec(1))), Ms(10)), 0.02);
  EXPECT_LE(ErrorOf(*model.Quantile(0.34, At(Sec(1))), Ms(30)), 0.02);
}

TEST(LatencyModelTest, WithoutALongerOneItIsAtLeastTheLongestWait) {
  LatencyModel model;
  for (int i = 0; i < 60; ++i) model.Record(Ms(10), At(Sec(1)));
  for (int i = 0; i < 40; ++i) model.RecordAtLeast(Ms(200), At(Sec(1)));
  EXPECT_LE(ErrorOf(*model.Quantile(0.5, At(Sec(1))), Ms(10)), 0.02);
  EXPECT_LE(ErrorOf(*model.Quantile(0.7, At(Sec(1))), Ms(200)), 0.1);
  EXPECT_EQ(model.samples(At(Sec(1))), 60) << "successes only";
}

TEST(LatencyModelTest, WhatWasOnlyGivenUpSaysNothing) {
  LatencyModel model;
  for (int i = 0; i < 1000; ++i) model.RecordAtLeast(Ms(50), At(Sec(1)));
  EXPECT_EQ(model.samples(At(Sec(1))), 0);
  EXPECT_EQ(model.Quantile(0.5, At(Sec(1))), absl::nullopt);
  EXPECT_EQ(model.Baseline(At(Sec(100))), absl::nullopt);
}

TEST(LatencyModelTest, EndsOfAttemptsCountByWhatTheySay) {
  LatencyModel model;
  const Time now = At(Sec(1));
  model.OnAttemptEnd(absl::StatusCode::kOk, Attribution::kSuccess, Ms(10), now);
  // These attempts fail fast.
  model.OnAttemptEnd(absl::StatusCode::kUnavailable,
                     Attribution::kServerFailure, Us(9), now);
  model.OnAttemptEnd(absl::StatusCode::kInvalidArgument, Attribution::kSuccess,
                     Us(9), now);
  model.OnAttemptEnd(absl::StatusCode::kUnavailable, Attribution::kNotSent,
                     Us(9), now);
  model.OnAttemptEnd(absl::StatusCode::kCancelled, Attribution::kAbandoned,
                     Sec(9), now);
  EXPECT_EQ(model.samples(now), 1);
  EXPECT_LE(ErrorOf(*model.Quantile(0, now), Ms(10)), 0.02);
  EXPECT_LE(ErrorOf(*model.Quantile(1, now), Ms(10)), 0.02);
  // These attempts are given up.
  model.OnAttemptEnd(absl::StatusCode::kCancelled, Attribution::kSuperseded,
                     Ms(80), now);
  model.OnAttemptEnd(absl::StatusCode::kDeadlineExceeded,
                     Attribution::kServerFailure, Ms(160), now);
  const Time later = now + Ms(100);
  EXPECT_EQ(model.samples(later), 1);
  EXPECT_LE(ErrorOf(*model.Quantile(1, later), Ms(160)), 0.1);
}

TEST(LatencyModelTest, GarbageIsHarmless) {
  LatencyModel model;
  const Time now = At(Sec(5));
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(model.Quantile(0.5, now), absl::nullopt);
  for (Duration d : {Duration::zero(), Duration(-5), Duration::min(),
                     Duration(1), kInfiniteDuration}) {
    model.Record(d, now);
    model.RecordAtLeast(d, now);
  }
  model.Record(std::chrono::hours(1), now);
  EXPECT_EQ(model.samples(now + Ms(100)), 6);
  EXPECT_EQ(model.Quantile(nan, now), absl::nullopt);
  EXPECT_EQ(model.Quantile(-1, now), model.Quantile(0, now));
  EXPECT_EQ(model.Quantile(-INFINITY, now), model.Quantile(0, now));
  EXPECT_EQ(model.Quantile(INFINITY, now), model.Quantile(1, now));
  EXPECT_LE(*model.Quantile(0, now), Us(4));
  EXPECT_GE(*model.Quantile(1, now), std::chrono::minutes(70));
  for (Time t : {Time::min(), Time::max(), Time{}}) {
    LatencyModel other;
    other.Record(Ms(10), t);
    other.RecordAtLeast(Ms(10), t);
    EXPECT_TRUE(other.Quantile(0.5, t).has_value());
    EXPECT_EQ(other.Baseline(t), absl::nullopt);
    EXPECT_TRUE(other.TakePass(t));
  }
}

TEST(LatencyModelTest, AnHourIsWithin2Percent) {
  LatencyModel model;
  model.Record(std::chrono::hours(1), At(Sec(1)));
  EXPECT_LE(ErrorOf(*model.Quantile(0.5, At(Sec(1))), std::chrono::hours(1)),
            0.02);
}

TEST(LatencyModelTest, ManySamplesDoNotOverflow) {
  LatencyModel model;
  const Time now = At(Sec(1));
  // More than 2^32 in one bucket, where a 32-bit counter would wrap.
  for (int i = 0; i < 5; ++i) model.Record(Ms(10), now, 1'000'000'000);
  for (int i = 0; i < 5; ++i) model.RecordAtLeast(Ms(5), now, 1'000'000'000);
  model.Record(Ms(90), now, 1'000);
  EXPECT_GE(model.samples(now), 4'000'000'000);
  EXPECT_LE(ErrorOf(*model.Quantile(0.999, now), Ms(10)), 0.02);
  EXPECT_LE(ErrorOf(*model.Quantile(1, now), Ms(90)), 0.02);
}

TEST(LatencyModelTest, TheClockMayStandStillOrRunBack) {
  LatencyModel model;
  model.Record(Ms(10), At(Sec(60)));
  model.Record(Ms(10), At(Sec(60)));
  model.Record(Ms(10), At(Sec(59)));  // of the sub-window before
  model.Record(Ms(10), At(Sec(40)));
  EXPECT_EQ(model.samples(At(Sec(60))), 4);
  EXPECT_EQ(model.samples(At(Sec(59))), 4);
  EXPECT_TRUE(model.Quantile(0.5, At(Sec(31))).has_value());
}

TEST(LatencyModelTest, TheBaselineIsTheMedianOfTenMinutes) {
  LatencyModel model;
  int at = 0;
  const auto run = [&](int seconds, Duration latency) {
    for (const int end = at + seconds; at < end; ++at) {
      model.Record(latency, At(Sec(at)), 10);
    }
  };
  run(30, Ms(10));
  EXPECT_EQ(model.Baseline(At(Ms(29'800))), absl::nullopt) << "too early";
  EXPECT_LE(ErrorOf(*model.Baseline(At(Sec(30))), Ms(10)), 0.02);
  // A slow period does not count until it is most of the time.
  run(30, Ms(80));
  EXPECT_LE(ErrorOf(*model.Baseline(At(Sec(at))), Ms(10)), 0.02);
  run(240, Ms(10));
  run(210, Ms(80));
  EXPECT_LE(ErrorOf(*model.Baseline(At(Sec(at))), Ms(10)), 0.02);
  run(90, Ms(80));
  EXPECT_LE(ErrorOf(*model.Baseline(At(Sec(at))), Ms(80)), 0.02);
  // It is forgotten when there are no more calls.
  EXPECT_NE(model.Baseline(At(Sec(at + 560))), absl::nullopt);
  EXPECT_EQ(model.Baseline(At(Sec(at + 640))), absl::nullopt);
}

TEST(LatencyModelTest, AHalfMinuteOfFewSuccessesIsNoBaseline) {
  LatencyModel model;
  model.Record(Ms(10), At(Sec(1)), LatencyModel::kFew - 1);
  model.Record(Ms(10), At(Sec(31)), LatencyModel::kFew);
  EXPECT_EQ(model.Baseline(At(Sec(32))), absl::nullopt);
  EXPECT_THAT(model.Baseline(At(Sec(61))),
              Optional(Eq(*model.Quantile(0.5, At(Sec(59))))));
}

TEST(LatencyModelTest, OnePassASecond) {
  LatencyModel model;
  EXPECT_TRUE(model.TakePass(At(Sec(5))));
  EXPECT_FALSE(model.TakePass(At(Sec(5))));
  EXPECT_FALSE(model.TakePass(At(Sec(6) - Duration(1))));
  EXPECT_TRUE(model.TakePass(At(Sec(6))));
}

TEST(LatencyModelTest, ThreadsLoseNothing) {
  LatencyModel model;
  constexpr int kEach = 20'000;
  std::vector<std::thread> threads;
  threads.reserve(3);
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kEach; ++i) {
        const Time now = At(Sec(6) + Us(50) * i);  // within a sub-window
        model.Record(Ms(10), now);
        if (i % 7 == 0) model.RecordAtLeast(Ms(20), now);
        if (i % 5 == 0) {
          // More than eight quantiles, so that some are not cached.
          EXPECT_LE(ErrorOf(*model.Quantile(i % 50 / 100.0, now), Ms(10)),
                    0.02);
          model.Baseline(now);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(model.samples(At(Sec(8))), 3 * kEach);
}

TEST(LatencyModelTest, ThreadsMayRollIt) {
  LatencyModel model;
  std::vector<std::thread> threads;
  threads.reserve(2);
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 5'000; ++i) {
        const Time now = At(Ms(200) * i);
        model.Record(Ms(10), now);
        model.Quantile(0.9, now);
        model.TakePass(now);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(ErrorOf(*model.Baseline(At(Sec(1000))), Ms(10)), 0.02);
}

}  // namespace
}  // namespace firebreak::core
