#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <string>

#include "src/sim/distribution.h"
#include "src/sim/trace.h"
#include "tests/support/core_fixtures.h"

namespace firebreak::sim {
namespace {

using core::Ms;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string ErrorOf(const absl::StatusOr<Trace>& trace) {
  return std::string(trace.status().message());
}

std::string WithRows(absl::string_view rows) {
  return "at_ms,latency_ms\n" + std::string(rows);
}

TEST(SimTrace, ReadsRows) {
  const auto trace = ParseTrace("at_ms,latency_ms\r\n0,4.5\r\n0,0\n10,1e0\n");
  EXPECT_THAT(ErrorOf(trace), StartsWith("line 4, column 2"));
  const auto good = ParseTrace(WithRows("0,4.5\r\n0,0\n1000000000,.25\n"));
  ASSERT_TRUE(good.ok()) << good.status();
  ASSERT_EQ(good->rows.size(), 3u);
  EXPECT_EQ(good->rows[0].latency, std::chrono::microseconds(4500));
  EXPECT_EQ(good->rows[2].at, Ms(1'000'000'000));
}

TEST(SimTrace, SaysWhatIsWrongAndWhere) {
  const struct {
    std::string csv;
    const char* error;
  } cases[] = {
      {"", "line 1, column 1: found ''; expected at_ms,latency_ms"},
      {"\n", "line 1, column 1: found ''"},
      {"1,2\n", "line 1, column 1: found '1,2'"},
      {"at_ms,latency_ms", "line 2, column 1: no rows"},
      {WithRows(""), "line 2, column 1: no rows"},
      {WithRows("\n"), "line 2, column 1: found ''"},
      {WithRows("5"), "line 2, column 2: missing"},
      {WithRows("5,\n"), "line 2, column 2: found ''"},
      {WithRows(",5\n"), "line 2, column 1: found ''"},
      {WithRows("1,2\n3,4"), "line 3, column 2: cut short"},
      {WithRows("1,2\n3"), "line 3, column 2: missing"},
      {WithRows("1,2,3\n"), "line 2, column 3: found '3'; expected no more"},
      {WithRows("1,2,\n"), "line 2, column 3: found ''; expected no more"},
      {WithRows("2,2\n1,2\n"), "line 3, column 1: found '1', before"},
      {WithRows("1,nan\n"), "line 2, column 2: found 'nan'"},
      {WithRows("1,inf\n"), "line 2, column 2: found 'inf'"},
      {WithRows("1,-2\n"), "line 2, column 2: found '-2'"},
      {WithRows("1,+2\n"), "line 2, column 2: found '+2'"},
      {WithRows("1, 2\n"), "line 2, column 2: found ' 2'"},
      {WithRows("1,0x10\n"), "line 2, column 2: found '0x10'"},
      {WithRows("1,1.2.3\n"), "line 2, column 2: found '1.2.3'"},
      {WithRows("1,.\n"), "line 2, column 2: found '.'"},
      {WithRows("1000000001,1\n"), "line 2, column 1: found '1000000001'"},
      {WithRows("1," + std::string(400, '9') + "\n"),
       "line 2, column 2: found '99999999999999999999...'"},
      {WithRows(std::string("1,\0\xff\n", 5)),
       "line 2, column 2: found '\\x00\\xff'"},
  };
  for (const auto& c : cases) {
    EXPECT_THAT(ErrorOf(ParseTrace(c.csv)), StartsWith(c.error)) << c.csv;
    EXPECT_LT(ErrorOf(ParseTrace(c.csv)).size(), 200u);
  }
}

TEST(SimTrace, ReadsAnyBytesToAnEnd) {
  core::Dice dice(11);
  const std::string alphabet = "0123456789.,\n\r-eE \xff\"#";
  for (int i = 0; i < 20'000; ++i) {
    std::string csv = dice.Chance(0.9) ? WithRows("") : "";
    for (int n = dice.Int(0, 30); n > 0; --n) {
      csv += alphabet[dice.Below(alphabet.size())];
    }
    const auto trace = ParseTrace(csv);
    if (trace.ok()) {
      EXPECT_FALSE(trace->rows.empty());
    } else {
      EXPECT_THAT(ErrorOf(trace), StartsWith("line "));
    }
  }
}

TEST(SimTrace, HasLimits) {
  std::string csv = WithRows("");
  for (int i = 0; i < 11; ++i) csv += "1,1\n";
  EXPECT_TRUE(ParseTrace(csv, 11).ok());
  EXPECT_THAT(ErrorOf(ParseTrace(csv, 10)),
              StartsWith("line 12, column 1: over 10 rows"));
  // One field of many megabytes, and a line of nothing but commas.
  EXPECT_FALSE(ParseTrace(WithRows("1," + std::string(8 << 20, '1'))).ok());
  EXPECT_FALSE(ParseTrace(WithRows(std::string(8 << 20, ','))).ok());
}

TEST(SimTrace, ReadsFiles) {
  const std::string path = ::testing::TempDir() + "sim_trace_test.csv";
  std::ofstream(path) << WithRows("0,3\n1,5\n");
  const auto trace = ReadTrace(path);
  ASSERT_TRUE(trace.ok()) << trace.status();
  core::Rng rng(1);
  const auto recorded = Distribution::Recorded(*trace);
  for (int i = 0; i < 20; ++i) {
    const Duration sample = recorded.Sample(&rng);
    EXPECT_TRUE(sample == Ms(3) || sample == Ms(5));
  }
  EXPECT_THAT(ErrorOf(ReadTrace(path, 10)), HasSubstr("over 10 b"));
  std::ofstream(path) << "garbage\n";
  EXPECT_THAT(ErrorOf(ReadTrace(path)), HasSubstr(".csv: line 1, column 1"));
  std::remove(path.c_str());
  EXPECT_EQ(ReadTrace(path).status().code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(ReadTrace("/").ok());
}

}  // namespace
}  // namespace firebreak::sim
