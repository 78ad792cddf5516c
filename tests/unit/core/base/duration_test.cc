#include "src/core/base/duration.h"

#include <cstdint>
#include <limits>
#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace firebreak::core {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::nanoseconds;
using std::chrono::seconds;

constexpr int64_t kMaxNs = std::numeric_limits<int64_t>::max();

TEST(ParseDurationTest, ReadsEveryUnit) {
  const struct {
    const char* text;
    Duration want;
  } kCases[] = {
      {"0", Duration::zero()},
      {"0s", Duration::zero()},
      {"0h", Duration::zero()},
      {"0.0ms", Duration::zero()},
      {"7ns", nanoseconds(7)},
      {"20us", nanoseconds(20'000)},
      {"250ms", milliseconds(250)},
      {"1s", seconds(1)},
      {"90m", minutes(90)},
      {"24h", hours(24)},
      {"007s", seconds(7)},
      {"1.5s", milliseconds(1500)},
      {"0.5us", nanoseconds(500)},
      {"1.000ns", nanoseconds(1)},
      {"0.000000001s", nanoseconds(1)},
      {"1.5h", minutes(90)},
      {"0.00000000000500h", nanoseconds(18)},
      {"0.1m", seconds(6)},
      {"1.50000000000000000000000000000000000000000s", milliseconds(1500)},
      {"000000000000000000000000000000000000000000001s", seconds(1)},
      {"9223372036854775806ns", nanoseconds(kMaxNs - 1)},
      {"9223372036.854775806s", nanoseconds(kMaxNs - 1)},
  };
  for (const auto& c : kCases) {
    const absl::StatusOr<Duration> got = ParseDuration(c.text);
    ASSERT_TRUE(got.ok()) << c.text << ": " << got.status();
    EXPECT_EQ(*got, c.want) << c.text;
  }
}

TEST(ParseDurationTest, RefusesEverythingElse) {
  for (const char* text :
       {"",     " ",     "s",       "5",     "00",     "0.0",      "-1s",
        "+1s",  "1 s",   " 1s",     "1s ",   "1S",     "1MS",      "1sec",
        "1d",   "1.s",   ".5s",     "1..5s", "1.5.5s", "1e3s",     "0x10s",
        "1,5s", "1h30m", "1s1s",    "inf",   "nan",    "infinite", "1\ns",
        "1µs",  "--1s",  "1_000ms", "٣s",    "1.5",    "."}) {
    const absl::StatusOr<Duration> got = ParseDuration(text);
    ASSERT_FALSE(got.ok()) << text;
    EXPECT_EQ(got.status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
  EXPECT_FALSE(ParseDuration(absl::string_view("1s\0", 3)).ok());
  EXPECT_FALSE(ParseDuration(absl::string_view("1\0s", 3)).ok());
}

TEST(ParseDurationTest, ErrorsNameTheValueAndWhatIsAllowed) {
  EXPECT_EQ(ParseDuration("5 s").status().message(),
            "\"5 s\" is not a duration; allowed: a decimal number and one of "
            "ns, us, ms, s, m, h, as in \"250ms\" or \"1.5s\", or \"0\"");
  EXPECT_EQ(ParseDuration("1.5ns").status().message(),
            "\"1.5ns\" has a part of a nanosecond; allowed: whole nanoseconds");
  EXPECT_EQ(ParseDuration("9999999h").status().message(),
            "\"9999999h\" is too long; allowed: less than 292 years");
  EXPECT_THAT(std::string(ParseDuration("\x01\"\xff").status().message()),
              ::testing::StartsWith("\"\\x01\\\"\\xff\" is not"));
  // A value as long as a file does not make an error as long as a file.
  EXPECT_LT(ParseDuration(std::string(100'000, 'x')).status().message().size(),
            300u);
}

TEST(ParseDurationTest, RefusesPartsOfANanosecond) {
  for (const char* text :
       {"0.1ns", "1.0001us", "0.0000000001s", "0.00000000001m",
        "0.00000000000001h", "0.1234567890123456789012345678901234567890s"}) {
    EXPECT_FALSE(ParseDuration(text).ok()) << text;
  }
  EXPECT_FALSE(ParseDuration("0." + std::string(200, '1') + "s").ok());
}

TEST(ParseDurationTest, RefusesOverflowAndTheInfinite) {
  for (const std::string& text :
       {std::string("9223372036854775807ns"),  // kInfiniteDuration itself
        std::string("9223372036854775808ns"), std::string("9223372036.9s"),
        std::string("18446744073709551616ns"),                     // 2^64
        std::string("340282366920938463463374607431768211456ns"),  // 2^128
        std::string("2562048h"), absl::StrCat(std::string(500, '9'), "ns"),
        absl::StrCat(std::string(500, '9'), "h")}) {
    EXPECT_FALSE(ParseDuration(text).ok()) << text;
  }
}

TEST(FormatDurationTest, IsExactAndShort) {
  EXPECT_EQ(FormatDuration(Duration::zero()), "0s");
  EXPECT_EQ(FormatDuration(nanoseconds(10)), "10ns");
  EXPECT_EQ(FormatDuration(nanoseconds(90'000)), "90us");
  EXPECT_EQ(FormatDuration(milliseconds(250)), "250ms");
  EXPECT_EQ(FormatDuration(milliseconds(1500)), "1.5s");
  EXPECT_EQ(FormatDuration(milliseconds(1001)), "1.001s");
  EXPECT_EQ(FormatDuration(minutes(2)), "120s");
  EXPECT_EQ(FormatDuration(nanoseconds(1'000'000'001)), "1000000001ns");
  EXPECT_EQ(FormatDuration(kInfiniteDuration), "infinite");
}

TEST(FormatDurationTest, RoundTrips) {
  std::mt19937_64 random(42);
  for (int i = 0; i < 20'000; ++i) {
    // Values of every magnitude, and round ones as people write them.
    int64_t ns = static_cast<int64_t>(random() >> (1 + random() % 63));
    if (i % 2 == 0) ns -= ns % 1'000;
    if (i % 3 == 0) ns -= ns % 1'000'000;
    if (ns == kMaxNs) continue;
    const std::string text = FormatDuration(nanoseconds(ns));
    const absl::StatusOr<Duration> back = ParseDuration(text);
    ASSERT_TRUE(back.ok()) << back.status();
    ASSERT_EQ(back->count(), ns) << text;
  }
}

}  // namespace
}  // namespace firebreak::core
