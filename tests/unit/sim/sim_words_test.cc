// The simulator's input language: what-ifs and distributions.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "src/sim/distribution_text.h"
#include "src/sim/what_if.h"
#include "tests/support/core_fixtures.h"

namespace firebreak::sim {
namespace {

using core::Ms;
using core::Sec;
using ::testing::StartsWith;
using Kind = Incident::Kind;

TEST(SimWhatIf, UnderstandsItsParts) {
  const auto incidents = ParseWhatIf(
      " payment frozen for 60s at 30s;load x15 ; 5% of replicas slow;"
      "stock 50% of replicas fails 20% at 1m for 500ms; down; slow x2.5;");
  ASSERT_TRUE(incidents.ok()) << incidents.status();
  ASSERT_EQ(incidents->size(), 6u);
  const Incident& frozen = (*incidents)[0];
  EXPECT_EQ(frozen.kind, Kind::kFrozen);
  EXPECT_EQ(frozen.who, "payment");
  EXPECT_EQ(frozen.at, Sec(30));
  EXPECT_EQ(frozen.end(), Sec(90));
  const Incident& load = (*incidents)[1];
  EXPECT_EQ(load.kind, Kind::kLoad);
  EXPECT_EQ(load.factor, 15);
  EXPECT_EQ(load.at, Sec(0));
  EXPECT_EQ(load.end(), core::kInfiniteDuration);
  const Incident& slow = (*incidents)[2];
  EXPECT_EQ(slow.kind, Kind::kSlow);
  EXPECT_EQ(slow.factor, 10);
  EXPECT_DOUBLE_EQ(slow.share, 0.05);
  const Incident& fails = (*incidents)[3];
  EXPECT_EQ(fails.kind, Kind::kFails);
  EXPECT_DOUBLE_EQ(fails.failing, 0.2);
  EXPECT_DOUBLE_EQ(fails.share, 0.5);
  EXPECT_EQ(fails.end(), Sec(60) + Ms(500));
  EXPECT_EQ((*incidents)[4].kind, Kind::kDown);
  EXPECT_EQ((*incidents)[5].factor, 2.5);
  EXPECT_TRUE(ParseWhatIf("")->empty());
}

TEST(SimWhatIf, WritesWhatItReads) {
  for (const char* text :
       {"payment frozen for 60s at 30s", "load x15", "fails 100%",
        "5% of replicas slow x10", "stock 50% of replicas down at 1.5s"}) {
    const auto incidents = ParseWhatIf(text);
    ASSERT_TRUE(incidents.ok()) << incidents.status();
    EXPECT_EQ(ToString(incidents->front()), text);
  }
}

TEST(SimWhatIf, NamesTheWordThatDoesNotFit) {
  const struct {
    const char* text;
    const char* error;
  } cases[] = {
      {"payment frozn for 60s",
       "part 1, word 2: 'frozn' is not understood; expected frozen, down"},
      {"load x15; payment", "part 2, word 1: 'payment' is not understood"},
      {"load 15", "part 1, word 2: '15' is not understood; expected a factor"},
      {"load", "part 1 ends too early; expected a factor"},
      {"load x0", "part 1, word 2: 'x0'"},
      {"load xnan", "part 1, word 2: 'xnan'"},
      {"load x1e9", "part 1, word 2: 'x1e9'"},
      {"load x-1", "part 1, word 2: 'x-1'"},
      {"payment load x2", "part 1, word 2: 'load' is not understood"},
      {"frozen for ever",
       "part 1, word 3: 'ever' is not understood; expected "
       "a duration"},
      {"frozen for", "part 1 ends too early; expected a duration"},
      {"frozen for 0s", "part 1, word 3: '0s'"},
      {"frozen at 30s at 40s",
       "part 1, word 4: 'at' is not understood; "
       "expected \"for 60s\""},
      {"frozen for 1s at 2s please",
       "part 1, word 6: 'please' is not "
       "understood; expected no more"},
      {"5% of servers slow", "part 1, word 3: 'servers' is not understood"},
      {"5% slow", "part 1, word 2: 'slow' is not understood"},
      {"0% of replicas slow", "part 1, word 2: 'of' is not understood"},
      {"101% of replicas slow", "part 1, word 2: 'of' is not understood"},
      {"fails 200%", "part 1, word 2: '200%' is not understood"},
      {"slow xx", "part 1, word 2: 'xx' is not understood"},
      {"\x01 frozn", "part 1, word 2: 'frozn'"},
      {"frozen \x01", "part 1, word 2: '\\x01' is not understood"},
  };
  for (const auto& c : cases) {
    const auto incidents = ParseWhatIf(c.text);
    EXPECT_THAT(std::string(incidents.status().message()), StartsWith(c.error))
        << c.text;
  }
  std::string many;
  for (size_t i = 0; i <= kMaxIncidents; ++i) many += "down;";
  EXPECT_FALSE(ParseWhatIf(many).ok());
  EXPECT_FALSE(ParseWhatIf(std::string(1 << 20, 'x')).ok());
}

// Returns the q-quantile of many samples.
Duration SampledQuantile(const std::string& text, double q) {
  const auto of = ParseDistribution(text);
  EXPECT_TRUE(of.ok()) << text << ": " << of.status();
  core::Rng rng(7);
  std::vector<Duration> samples;
  for (int i = 0; i < 50'000; ++i) samples.push_back(of->Sample(&rng));
  return Quantile(samples, q);
}

// Expects that they agree within 5 %.
void ExpectNear(Duration found, Duration expected) {
  EXPECT_NEAR(core::ToSeconds(found), core::ToSeconds(expected),
              0.05 * core::ToSeconds(expected));
}

TEST(SimDistributionText, ReadsEachKind) {
  EXPECT_EQ(SampledQuantile("20ms", 0.5), Ms(20));
  ExpectNear(SampledQuantile("exponential(20ms)", 0.5),
             core::Scale(Ms(20), 0.693));
  // exp(mu) is the median: mean / sqrt(1 + (deviation / mean)^2).
  ExpectNear(SampledQuantile(" lognormal( 20ms , 20ms ) ", 0.5),
             core::Scale(Ms(20), 0.7071));
  // The median of a Pareto distribution is its smallest value times 2^(1 /
  // shape).
  ExpectNear(SampledQuantile("pareto(5ms, 2)", 0.5),
             core::Scale(Ms(5), 1.4142));
}

TEST(SimDistributionText, QuantilesAreThoseGiven) {
  const std::string text = "quantiles(p50=20ms, p90=50ms, p99=180ms)";
  ExpectNear(SampledQuantile(text, 0.5), Ms(20));
  ExpectNear(SampledQuantile(text, 0.9), Ms(50));
  ExpectNear(SampledQuantile(text, 0.99), Ms(180));
  EXPECT_LE(SampledQuantile(text, 1), Ms(1800));
}

TEST(SimDistributionText, AMixtureHasItsShares) {
  const std::string text = "90% 10ms + 7% exponential(1ms) + 3% 1s";
  EXPECT_EQ(SampledQuantile(text, 0.5), Ms(10));
  EXPECT_EQ(SampledQuantile(text, 0.965), Ms(10));
  EXPECT_EQ(SampledQuantile(text, 0.975), Sec(1));
}

TEST(SimDistributionText, NamesTheWordThatDoesNotFit) {
  const struct {
    const char* text;
    const char* error;
  } cases[] = {
      {"", "'' is not understood"},
      {"nan", "'nan' is not understood"},
      {"normal(1ms, 2ms)", "'normal' is not understood; expected exponential"},
      {"lognormal(nan, 1ms)", "'nan' is not understood; expected a duration"},
      {"lognormal(20ms, nan)", "'nan' is not understood; expected a duration"},
      {"lognormal(20ms)", "lognormal: has 1 values; expected 2"},
      {"lognormal(20ms, 1ms", "'lognormal(20ms, 1ms' is not understood"},
      {"exponential(-1ms)", "'-1ms' is not understood"},
      {"exponential(0s)", "'0s' is not understood"},
      {"exponential(2h)", "'2h' is not understood"},
      {"pareto(5ms, nan)", "'nan' is not understood; expected a shape"},
      {"pareto(5ms, inf)", "'inf' is not understood"},
      {"pareto(5ms, 0)", "'0' is not understood"},
      {"quantiles(p50=20ms)", "quantiles: has 1; allowed 2 to 20"},
      {"quantiles(p50=20ms, p50=30ms)",
       "'p50=30ms' is not understood; "
       "expected quantiles that rise"},
      {"quantiles(p50=20ms, p99=10ms)", "'p99=10ms' is not understood"},
      {"quantiles(p50=20ms, p100=1s)", "'p100=1s' is not understood"},
      {"quantiles(p50=20ms, pnan=1s)", "'pnan=1s' is not understood"},
      {"90% 1ms + 1s", "'1s' is not understood; expected a share"},
      {"90% 1ms + 20% 1s", "the shares of a mixture add up to 110%"},
      {"nan% 1ms + 20% 1s", "'nan% 1ms' is not understood"},
  };
  for (const auto& c : cases) {
    EXPECT_THAT(std::string(ParseDistribution(c.text).status().message()),
                StartsWith(c.error))
        << c.text;
  }
}

}  // namespace
}  // namespace firebreak::sim
