#include "src/sim/recording.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/support/core_fixtures.h"

namespace firebreak::sim {
namespace {

using core::Ms;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using Code = absl::StatusCode;

absl::StatusOr<Recording> Parse(const std::string& csv,
                                size_t max_calls = Recording::kMaxCalls) {
  std::istringstream in(csv);
  return ReadRecording(&in, max_calls);
}
std::string ErrorOf(const std::string& csv) {
  return std::string(Parse(csv).status().message());
}
std::string WithRows(absl::string_view rows) {
  return absl::StrCat("start_ms,latency_ms\n", rows);
}

TEST(SimRecording, ReadsColumnsByTheirNames) {
  const auto recording = Parse(
      "#firebreak-calls 1\n"
      "code,user,latency_ms,method,start_ms\r\n"
      "OK,ann,4.5,/a.S/M,1700000000000\r\n"
      "\n# a comment\n"
      "14,bob,0,/a.S/N,1700000000000.25\n"
      "DEADLINE_EXCEEDED,,1000,/a.S/M,1700000001000\n");
  ASSERT_TRUE(recording.ok()) << recording.status();
  EXPECT_THAT(recording->methods, ElementsAre("/a.S/M", "/a.S/N"));
  ASSERT_EQ(recording->calls.size(), 3u);
  EXPECT_EQ(recording->calls[0].at, Duration::zero());
  EXPECT_EQ(recording->calls[0].latency, std::chrono::microseconds(4500));
  EXPECT_EQ(recording->calls[1].at, std::chrono::microseconds(250));
  EXPECT_EQ(recording->calls[1].code, Code::kUnavailable);
  EXPECT_EQ(recording->calls[1].method, 1);
  EXPECT_EQ(recording->calls[2].code, Code::kDeadlineExceeded);
  EXPECT_FALSE(recording->is_cut);
  EXPECT_EQ(recording->out_of_order, 0);
}

TEST(SimRecording, SaysWhatIsWrongAndWhere) {
  const struct {
    std::string csv;
    const char* error;
  } cases[] = {
      {"", "line 1, column 1: found ''; expected the names of the columns"},
      {"\n", "line 1, column 1: found ''"},
      {"1,2\n", "line 1, column 1: found '1,2'"},
      {"start_ms,code\n",
       "line 1, column 1: found 'start_ms,code'; expected "
       "the names of the columns, with latency_ms"},
      {"start_ms,latency_ms,start_ms\n",
       "line 1, column 3: has the name start_ms twice"},
      {"start_ms,latency_ms", "line 1, column 1: found 'start_ms,latency_ms'"},
      {WithRows(""), "line 2, column 1: no calls"},
      {WithRows("5\n"), "line 2, column 2: missing"},
      {WithRows("5,\n"), "line 2, column 2: found ''"},
      {WithRows(",5\n"), "line 2, column 1: found ''"},
      {WithRows("1,2\n3\n"), "line 3, column 2: missing"},
      {WithRows("1,nan\n"), "line 2, column 2: found 'nan'"},
      {WithRows("1,inf\n"), "line 2, column 2: found 'inf'"},
      {WithRows("1,-2\n"), "line 2, column 2: found '-2'"},
      {WithRows("1,+2\n"), "line 2, column 2: found '+2'"},
      {WithRows("1, 2\n"), "line 2, column 2: found ' 2'"},
      {WithRows("1,1e3\n"), "line 2, column 2: found '1e3'"},
      {WithRows("1,1000000001\n"), "line 2, column 2: found '1000000001'"},
      {WithRows("1e3,1\n"), "line 2, column 1: found '1e3'"},
      {WithRows("9999999999999999,1\n"), "line 2, column 1: found"},
      {WithRows("1\n,2\n"), "line 2, column 2: missing"},
      {"start_ms,latency_ms,code\n1,2,GONE\n",
       "line 2, column 3: found 'GONE'; expected a status code"},
      {"start_ms,latency_ms,code\n1,2,17\n", "line 2, column 3: found '17'"},
      {"start_ms,latency_ms,code\n1,2,-1\n", "line 2, column 3: found '-1'"},
      {"start_ms,latency_ms,method\n1,2,\n", "line 2, column 3: found ''"},
      {"#firebreak-calls 2\n" + WithRows("1,2\n"),
       "line 1, column 1: is of version 2; this program reads versions up to "
       "1, so take a newer one"},
      {"#firebreak-calls x\n", "line 1, column 1: found version 'x'"},
  };
  for (const auto& c : cases) {
    EXPECT_THAT(ErrorOf(c.csv), StartsWith(c.error)) << c.csv;
    EXPECT_LT(ErrorOf(c.csv).size(), 250u);
  }
}

TEST(SimRecording, SortsWhatIsOutOfOrder) {
  // The order of a log that is written when calls end.
  const auto recording = Parse(WithRows("500,1\n100,401\n300,300\n700,2\n"));
  ASSERT_TRUE(recording.ok()) << recording.status();
  EXPECT_EQ(recording->out_of_order, 2);
  ASSERT_EQ(recording->calls.size(), 4u);
  EXPECT_EQ(recording->calls[0].at, Ms(0));
  EXPECT_EQ(recording->calls[0].latency, Ms(401));
  EXPECT_EQ(recording->calls[1].at, Ms(200));
  EXPECT_EQ(recording->calls[3].at, Ms(600));
}

TEST(SimRecording, KnowsClocksThatDisagree) {
  const std::string week_and_a_bit = "604900000";
  const char* const error =
      "column 1: is 604900 s from the start of the first call; allowed "
      "604800s. Do the clocks agree?";
  EXPECT_THAT(ErrorOf(WithRows("0,1\n" + week_and_a_bit + ",1\n")),
              HasSubstr(error));
  // Neither row is that far from the first one of the file.
  EXPECT_THAT(ErrorOf(WithRows("302400000,1\n0,1\n" + week_and_a_bit + ",1\n")),
              HasSubstr(error));
}

TEST(SimRecording, TellsThatItIsCutOff) {
  const auto recording = Parse(WithRows("0,1\n10,20\n20,3"));
  ASSERT_TRUE(recording.ok()) << recording.status();
  EXPECT_TRUE(recording->is_cut);
  // The row is dropped, since "3" may be the beginning of 31.
  EXPECT_EQ(recording->calls.size(), 2u);
}

TEST(SimRecording, PutsMethodsPastTheLimitTogether) {
  std::string csv = "start_ms,latency_ms,method\n";
  constexpr int kNames = 1'000'000;
  csv.reserve(size_t{20} * kNames);
  for (int i = 0; i < kNames; ++i) absl::StrAppend(&csv, "1,1,/S/", i, "\n");
  const auto recording = Parse(csv);
  ASSERT_TRUE(recording.ok()) << recording.status();
  EXPECT_EQ(recording->methods.size(), Recording::kMaxMethods + 1);
  EXPECT_EQ(recording->methods.back(), kOtherMethods);
  EXPECT_EQ(recording->of_other_methods,
            kNames - static_cast<int64_t>(Recording::kMaxMethods));
  EXPECT_EQ(recording->calls.back().method, Recording::kMaxMethods);
}

TEST(SimRecording, ReadsAnyBytesToAnEnd) {
  core::Dice dice(11);
  const std::string alphabet = "0123456789.,\n\r-eE \xff\"#";
  for (int i = 0; i < 20'000; ++i) {
    std::string csv = dice.Chance(0.9) ? WithRows("") : "";
    for (int n = dice.Int(0, 30); n > 0; --n) {
      csv += alphabet[dice.Below(alphabet.size())];
    }
    const auto recording = Parse(csv);
    if (recording.ok()) {
      EXPECT_FALSE(recording->calls.empty());
    } else {
      EXPECT_THAT(std::string(recording.status().message()),
                  StartsWith("line "));
    }
  }
}

TEST(SimRecording, HasLimits) {
  std::string csv = WithRows("");
  for (int i = 0; i < 11; ++i) csv += "1,1\n";
  EXPECT_TRUE(Parse(csv, 11).ok());
  EXPECT_THAT(std::string(Parse(csv, 10).status().message()),
              StartsWith("line 12, column 1: over 10 calls"));
  // One field of many megabytes, a line of nothing but commas, a long name.
  EXPECT_FALSE(Parse(WithRows("1," + std::string(8 << 20, '1') + "\n")).ok());
  EXPECT_FALSE(Parse(WithRows(std::string(8 << 20, ',') + "\n")).ok());
  EXPECT_FALSE(
      Parse("start_ms,latency_ms,method\n1,1," + std::string(300, 'm') + "\n")
          .ok());
}

TEST(SimRecording, ReadsWhatItWrites) {
  auto recording = Parse(
      "start_ms,method,latency_ms,code\n"
      "0,/a.S/M,4.711,OK\n12.5,/a.S/N,100,UNAVAILABLE\n");
  ASSERT_TRUE(recording.ok());
  std::ostringstream out;
  WriteRecording(*recording, &out);
  EXPECT_THAT(out.str(), StartsWith("#firebreak-calls 1\n"));
  const auto again = Parse(out.str());
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->methods, recording->methods);
  ASSERT_EQ(again->calls.size(), 2u);
  EXPECT_EQ(again->calls[1].latency, Ms(100));
  EXPECT_EQ(again->calls[1].at, recording->calls[1].at);
  EXPECT_EQ(again->calls[1].code, Code::kUnavailable);
}

TEST(SimRecording, KeepsTheMethodsThatAreAskedFor) {
  const auto all =
      Parse("start_ms,method,latency_ms\n0,/a.S/M,1\n1,/b.S/M,2\n2,/a.S/N,3\n");
  ASSERT_TRUE(all.ok());
  const Recording some = OnlyMethods(
      *all, [](const std::string& name) { return name != "/b.S/M"; });
  EXPECT_THAT(some.methods, ElementsAre("/a.S/M", "/a.S/N"));
  ASSERT_EQ(some.calls.size(), 2u);
  EXPECT_EQ(some.calls[1].method, 1);
  EXPECT_EQ(some.calls[1].at, Ms(2));
  EXPECT_TRUE(OnlyMethods(*all, [](const std::string&) {
                return false;
              }).calls.empty());
}

}  // namespace
}  // namespace firebreak::sim
