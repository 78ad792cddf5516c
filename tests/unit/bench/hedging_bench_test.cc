// The ideal with which the hedging bench compares, and its flags.
#include <algorithm>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/bench/hedging/flags.h"
#include "tests/bench/hedging/ideal.h"
#include "tests/bench/hedging/leaf.h"

namespace firebreak::bench {
namespace {

using ::testing::HasSubstr;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

Ideal Of(int hedges, double delay_ms, double rho = kStragglers) {
  Ideal ideal;
  ideal.hedges = hedges;
  ideal.delay_ms = delay_ms;
  ideal.rho = rho;
  return ideal;
}

// The values are from a simulation of four million calls that shares no code
// with this one.
TEST(HedgingIdealTest, AgreesWithSimulation) {
  struct Row {
    int hedges;
    double delay_ms, p95, p99, p999, mean, extra;
  };
  for (const Row& row : std::vector<Row>{
           {0, 1, 17.2, 64.2, 102.4, 7.25, 0},
           {1, 8.67, 11.7, 15.5, 45.1, 5.50, 0.100},
           {1, 10, 12.7, 16.9, 45.7, 5.57, 0.072},
           {1, 17.2, 17.2, 23.9, 48.2, 5.91, 0.050},
           {1, 50, 17.2, 54.4, 59.7, 6.97, 0.021},
           {2, 8.67, 11.7, 15.5, 22.6, 5.45, 0.105},
           {2, 10, 12.7, 16.9, 25.2, 5.52, 0.076},
           {1, 0, 6.6, 8.7, 40.9, 4.12, 1.0},
       }) {
    const Ideal ideal = Of(row.hedges, row.delay_ms);
    SCOPED_TRACE(row.delay_ms);
    EXPECT_NEAR(ideal.Quantile(0.95), row.p95, row.p95 * 0.02);
    EXPECT_NEAR(ideal.Quantile(0.99), row.p99, row.p99 * 0.01);
    EXPECT_NEAR(ideal.Quantile(0.999), row.p999, row.p999 * 0.01);
    EXPECT_NEAR(ideal.Mean(), row.mean, 0.01);
    EXPECT_NEAR(ideal.Extra(), row.extra, 0.001);
  }
}

TEST(HedgingIdealTest, AgreesWithTheDrawsOfTheServer) {
  constexpr int kCalls = 200'000;
  constexpr double kDelayMs = 8.67;
  for (double rho : {kStragglers, 0.25}) {
    const Ideal ideal = Of(2, kDelayMs, rho);
    const double p99 = ideal.Quantile(0.99);
    const double p90 = ideal.Quantile(0.9);
    int over_p99 = 0;
    int over_p90 = 0;
    int extra = 0;
    for (int call = 0; call < kCalls; ++call) {
      double ends = Ideal::kNeverMs;
      for (int n = 0; n < 3 && ends > n * kDelayMs; ++n) {
        const double sleep = core::ToSeconds(DrawSleep(3, call, n, rho)) * 1000;
        ends = std::min(ends, n * kDelayMs + sleep);
        if (n > 0) ++extra;
      }
      if (ends > p99) ++over_p99;
      if (ends > p90) ++over_p90;
    }
    // Within four standard deviations.
    EXPECT_NEAR(over_p99, kCalls * 0.01, 180) << rho;
    EXPECT_NEAR(over_p90, kCalls * 0.1, 540) << rho;
    EXPECT_NEAR(extra, kCalls * ideal.Extra(), 800) << rho;
  }
}

TEST(HedgingIdealTest, AHedgeChangesNothingBeforeItsStart) {
  for (double ms : {9.0, 13.0, 17.0}) {
    EXPECT_EQ(Of(2, 8.67).Survival(ms), Of(1, 8.67).Survival(ms));
    EXPECT_LT(Of(1, 8.67).Survival(ms), Of(0, 8.67).Survival(ms));
  }
}

TEST(HedgingIdealTest, FindsTheDelayForAnExtraLoad) {
  for (int hedges : {1, 2, 5}) {
    for (double extra : {0.001, 0.05, 0.105, 0.9}) {
      Ideal ideal = Of(hedges, 0);
      ideal.delay_ms = ideal.DelayFor(extra);
      EXPECT_NEAR(ideal.Extra(), extra, 1e-5);
    }
  }
}

TEST(HedgingIdealTest, OfNothingIsNever) {
  EXPECT_EQ(Of(0, 10).DelayFor(0.1), Ideal::kNeverMs);
  EXPECT_EQ(Of(1, 10).DelayFor(0), Ideal::kNeverMs);
  EXPECT_EQ(Of(1, 10).DelayFor(-1), Ideal::kNeverMs);
  EXPECT_EQ(Of(1, 10).DelayFor(kNaN), Ideal::kNeverMs);
  // One hedge cannot add more than one attempt per call.
  EXPECT_LT(Of(1, 10).DelayFor(7), 1e-5);
  for (double q : {-1.0, 0.0, 1.0, 2.0, kNaN, kInfinity}) {
    const double ms = Of(1, 10).Quantile(q);
    EXPECT_GE(ms, 0) << q;
    EXPECT_LE(ms, Ideal::kNeverMs) << q;
  }
}

TEST(HedgingLeafTest, IsTheDistributionItSays) {
  constexpr int kDraws = 400'000;
  double sum = 0;
  int over = 0;
  int stragglers_over = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double ms = core::ToSeconds(DrawSleep(1, i, 0, 1)) * 1000;
    sum += ms;
    if (ms > 8.67) ++over;
    if (ms > 20) ++stragglers_over;
  }
  // 0.95 * 5 + 0.05 * 50.
  EXPECT_NEAR(sum / kDraws, 7.25, 0.08);
  EXPECT_NEAR(over, kDraws * MixedSurvival(8.67, kStragglers), 800);
  EXPECT_NEAR(stragglers_over, kDraws * MixedSurvival(20, kStragglers), 600);
}

TEST(HedgingLeafTest, DependsOnItsArgumentsOnly) {
  EXPECT_EQ(DrawSleep(1, 2, 3, 0.5), DrawSleep(1, 2, 3, 0.5));
  EXPECT_NE(DrawSleep(1, 2, 3, 0.5), DrawSleep(2, 2, 3, 0.5));
  EXPECT_NE(DrawSleep(1, 2, 3, 0.5), DrawSleep(1, 3, 3, 0.5));
  EXPECT_NE(DrawSleep(1, 2, 3, 0.5), DrawSleep(1, 2, 4, 0.5));
  // The first attempt does not depend on the others.
  for (int call = 0; call < 200; ++call) {
    EXPECT_EQ(DrawSleep(1, call, 0, 0), DrawSleep(1, call, 0, 1));
  }
}

TEST(HedgingLeafTest, SurvivesWhatIsNoTime) {
  for (double ms : {-1.0, 0.0, kNaN}) EXPECT_EQ(MixedSurvival(ms, 0.5), 1);
  EXPECT_EQ(MixedSurvival(kInfinity, 0.5), 0);
}

absl::StatusOr<Flags> Parse(std::vector<const char*> words) {
  words.insert(words.begin(), "hedging_bench");
  return ParseFlags(static_cast<int>(words.size()), words.data());
}

TEST(HedgingFlagsTest, Defaults) {
  const absl::StatusOr<Flags> flags = Parse({});
  ASSERT_TRUE(flags.ok()) << flags.status();
  EXPECT_EQ(flags->calls, 50'000);
  EXPECT_EQ(flags->callers, 20);
  EXPECT_TRUE(flags->study.empty());
}

TEST(HedgingFlagsTest, TakesWhatIsInRange) {
  const absl::StatusOr<Flags> flags =
      Parse({"--calls", "200", "--callers=256", "--quantile", "0.5", "--budget",
             "1", "--rho", "0.05", "--seed", "0", "--study", "quantiles"});
  ASSERT_TRUE(flags.ok()) << flags.status();
  EXPECT_EQ(flags->calls, 200);
  EXPECT_EQ(flags->callers, 256);
  EXPECT_EQ(flags->quantile, 0.5);
  EXPECT_EQ(flags->budget, 1);
  EXPECT_EQ(flags->rho, 0.05);
  EXPECT_EQ(flags->seed, 0);
  EXPECT_EQ(flags->study, "quantiles");
}

TEST(HedgingFlagsTest, QuickIsNeverMoreThanAskedFor) {
  EXPECT_EQ(Parse({"--quick"})->calls, 10'000);
  EXPECT_EQ(Parse({"--quick", "--calls", "300"})->calls, 300);
}

TEST(HedgingFlagsTest, HelpNamesEveryFlag) {
  const absl::StatusOr<Flags> flags = Parse({"--help"});
  ASSERT_TRUE(flags.ok());
  for (const char* flag : {"--study", "--calls", "--callers", "--quantile",
                           "--budget", "--rho", "--seed", "--out", "--quick"}) {
    EXPECT_THAT(flags->help, HasSubstr(flag));
  }
}

TEST(HedgingFlagsTest, GarbageIsNamedWithItsFlagAndRange) {
  struct Flag {
    const char* name;
    std::vector<const char*> bad;
    const char* range;
  };
  for (const Flag& flag : std::vector<Flag>{
           {"--calls", {"199", "1000001", "1e4"}, "[200, 1000000]"},
           {"--callers", {"0", "257", "2.5"}, "[1, 256]"},
           {"--quantile", {"0.49", "1", "90"}, "[0.5, 0.999]"},
           {"--budget", {"1.01", "-0.1"}, "[0, 1]"},
           {"--rho", {"0", "1.5"}, "[0.05, 1]"},
           {"--seed", {"-1", "1000000001"}, "[0, 1000000000]"},
           {"--study", {"Quantiles", "all"}, "quantiles"},
           {"--out", {"/no/such/folder"}, "exist"},
       }) {
    std::vector<const char*> values = flag.bad;
    for (const char* each : {"", "x", "nan", "inf", "-inf", "1x", "0x10",
                             "1e999", "99999999999999999999"}) {
      values.push_back(each);
    }
    for (const char* value : values) {
      const std::string word = std::string(flag.name) + "=" + value;
      const absl::StatusOr<Flags> flags = Parse({word.c_str()});
      ASSERT_FALSE(flags.ok()) << word;
      const std::string message(flags.status().message());
      EXPECT_THAT(message, HasSubstr(flag.name)) << word;
      EXPECT_THAT(message, HasSubstr(value)) << word;
      if (*value == '\0') continue;  // CLI11 sees no value at all
      EXPECT_THAT(message, HasSubstr(flag.range)) << word;
    }
  }
}

TEST(HedgingFlagsTest, UnknownWordsAreNamed) {
  const std::vector<std::pair<const char*, const char*>> words = {
      {"--cals=3", "--cals"}, {"fast", "fast"}, {"--quick=7x", "quick"}};
  for (const auto& [word, named] : words) {
    const absl::StatusOr<Flags> flags = Parse({word});
    ASSERT_FALSE(flags.ok()) << word;
    EXPECT_THAT(std::string(flags.status().message()), HasSubstr(named));
  }
}

}  // namespace
}  // namespace firebreak::bench
