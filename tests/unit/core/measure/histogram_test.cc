// Latencies in fixed memory, within 1/64 of the truth.
#include "src/core/measure/histogram.h"

#include <algorithm>
#include <cmath>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/core_fixtures.h"

namespace firebreak::core {
namespace {

constexpr Duration Us(int64_t n) { return std::chrono::microseconds(n); }

TEST(HistogramTest, IsZeroWhenEmpty) {
  Histogram h;
  EXPECT_EQ(h.count(), 0);
  EXPECT_EQ(h.Quantile(0.5), Duration::zero());
}

TEST(HistogramTest, OneValueIsEveryQuantileWithinOneIn64) {
  for (int64_t us = 32; us < 60'000'000'000; us += 1 + us / 57) {
    for (Duration value : {Us(us), Us(us) + Duration(999)}) {
      Histogram h;
      h.Record(value);
      for (double q : {0.0, 0.5, 1.0}) {
        const double error =
            std::abs(static_cast<double>((h.Quantile(q) - value).count()) /
                     static_cast<double>(value.count()));
        ASSERT_LE(error, 1.0 / 64) << FormatDuration(value);
      }
    }
  }
}

TEST(HistogramTest, ShortValuesAreWithinHalfAMicrosecond) {
  for (int64_t ns = 0; ns < 32'000; ns += 37) {
    Histogram h;
    h.Record(Duration(ns));
    ASSERT_LE(std::abs((h.Quantile(0.5) - Duration(ns)).count()), 500) << ns;
  }
}

TEST(HistogramTest, NegativeIsZeroAndEndlessIsTheLastBucket) {
  Histogram h;
  h.Record(-Sec(5));
  EXPECT_LT(h.Quantile(1), Us(1));
  h.Record(kInfiniteDuration);
  h.Record(std::chrono::hours(30));
  EXPECT_EQ(h.count(), 3);
  EXPECT_GT(h.Quantile(1), std::chrono::hours(18));
  EXPECT_LT(h.Quantile(1), std::chrono::hours(20));
}

TEST(HistogramTest, QuantilesOfAHundredValues) {
  Histogram h;
  for (int i = 1; i <= 100; ++i) h.Record(Us(i));
  EXPECT_EQ(h.count(), 100);
  const struct {
    double q;
    int64_t want_us;
  } kCases[] = {{-1, 1},
                {0, 1},
                {0.001, 1},
                {0.01, 1},
                {0.011, 2},
                {0.5, 50},
                {0.99, 99},
                {1, 100},
                {7, 100},
                // In binary, 0.07 * 100 is a little more than 7.
                {0.07, 7},
                {0.14, 14},
                {0.28, 28},
                {NAN, 1}};
  for (const auto& c : kCases) {
    EXPECT_NEAR(static_cast<double>(h.Quantile(c.q).count()),
                static_cast<double>(c.want_us) * 1000,
                std::max(500.0, static_cast<double>(c.want_us) * 1000 / 64))
        << c.q;
  }
}

TEST(HistogramTest, QuantilesAgreeWithTheSortedSamples) {
  Rng rng(3);
  Histogram h;
  std::vector<Duration> samples;
  for (int i = 0; i < 9'973; ++i) {
    samples.push_back(Us(static_cast<int64_t>(std::exp(rng.Uniform(4, 18)))));
    h.Record(samples.back());
  }
  std::sort(samples.begin(), samples.end());
  Duration before = Duration::zero();
  for (double q = 0.001; q < 1; q += 0.001) {
    const auto rank =
        static_cast<size_t>(std::ceil(q * static_cast<double>(samples.size())));
    const double want = static_cast<double>(samples[rank - 1].count());
    const Duration got = h.Quantile(q);
    ASSERT_NEAR(static_cast<double>(got.count()), want, want / 64) << q;
    ASSERT_GE(got, before);
    before = got;
  }
}

TEST(HistogramTest, SummarizesInCoarserSteps) {
  Histogram h;
  const std::vector<Duration> bounds = {Ms(1), Ms(10), Ms(100)};
  const Histogram::Summary none = h.Summarize(bounds);
  EXPECT_EQ(none.at_most, (std::vector<int64_t>{0, 0, 0}));
  EXPECT_EQ(none.count, 0);
  EXPECT_EQ(none.sum_seconds, 0);
  for (const Duration sample : {Us(0), Us(900), Ms(2), Ms(9), Ms(50), Sec(4)}) {
    h.Record(sample);
  }
  const Histogram::Summary some = h.Summarize(bounds);
  EXPECT_EQ(some.at_most, (std::vector<int64_t>{2, 4, 5}));
  EXPECT_EQ(some.count, 6);
  EXPECT_NEAR(some.sum_seconds, 4.0619, 4.0619 / 64);
  EXPECT_EQ(h.Summarize({}).count, 6);
}

TEST(HistogramTest, NoStepIsFurtherFromItsBoundThanAQuantile) {
  Histogram h;
  for (int64_t us = 1; us <= 20'000; ++us) h.Record(Us(us));
  for (const int64_t bound : {33, 100, 1'000, 2'500, 5'000, 10'000}) {
    const double at_most =
        static_cast<double>(h.Summarize({Us(bound)}).at_most[0]);
    EXPECT_NEAR(at_most, static_cast<double>(bound),
                static_cast<double>(bound) / 64 + 1)
        << bound;
  }
  // A value above the largest bucket only counts in the last step.
  h.Record(kInfiniteDuration);
  const Histogram::Summary s = h.Summarize({std::chrono::hours(1)});
  EXPECT_EQ(s.at_most[0], 20'000);
  EXPECT_EQ(s.count, 20'001);
}

TEST(HistogramTest, NoSampleIsLostBetweenThreads) {
  Histogram h;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&h, t] {
      for (int i = 0; i < 10'000; ++i) h.Record(Us(t * 1000 + i % 50));
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(h.count(), 40'000);
}

}  // namespace
}  // namespace firebreak::core
