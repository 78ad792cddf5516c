// Faults that Protobuf's parsers find: firebreak adds what to write instead.
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/engine/policy/policy.h"

namespace firebreak::engine {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

std::string FaultOf(absl::string_view text) {
  const absl::Status status = ParsePolicyText(text, "p").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
  return std::string(status.message());
}

TEST(ParseHelpTest, ATimeIsAStringWithItsUnit) {
  EXPECT_THAT(FaultOf("method {\n  name {}\n  timeout: 2\n}"),
              AllOf(HasSubstr("p:3:"),
                    HasSubstr("a time is a string with its unit: \"2s\"")));
  EXPECT_THAT(FaultOf("method { name {} hedging { delay: 0.5 } }"),
              HasSubstr("\"0.5s\""));
  // A field that is not a duration gets no advice about durations.
  EXPECT_THAT(FaultOf("method { id: 7 name {} }"),
              AllOf(HasSubstr("write \"7\""), Not(HasSubstr("time"))));
  // Protobuf counts a tab as up to eight columns.
  EXPECT_THAT(FaultOf("method {\n\tname {}\n \tid: 7 timeout: '1s'\n}"),
              AllOf(HasSubstr("write \"7\""), Not(HasSubstr("unit"))));
}

TEST(ParseHelpTest, BracesThatDoNotMatch) {
  EXPECT_THAT(FaultOf("method {\n  name {}\n  breaker {\n  timeout: '1s'\n}"),
              HasSubstr("a } is missing: the { on line 1 is never closed"));
  EXPECT_THAT(FaultOf("method {\n  name {}\n}\n}\n"),
              HasSubstr("the } on line 4 closes nothing"));
}

TEST(ParseHelpTest, CodesAndOtherValues) {
  EXPECT_THAT(FaultOf("method { name {} retry { codes: [UNAVALABLE] } }"),
              HasSubstr("did you mean \"UNAVAILABLE\"?"));
  EXPECT_THAT(FaultOf("method { name {} breaker { mode: SHADOWED } }"),
              HasSubstr("did you mean \"SHADOW\"?"));
  EXPECT_THAT(FaultOf("method { name {} retry { codes: [XYZZY] } }"),
              Not(HasSubstr("did you mean")));
}

TEST(ParseHelpTest, Fields) {
  EXPECT_THAT(FaultOf("method { name {} timeuot: '1s' }"),
              HasSubstr("did you mean \"timeout\"?"));
  // It exists, one level below.
  EXPECT_THAT(FaultOf("method { name {} failure_rate: 0.5 }"),
              HasSubstr("it is a field of breaker"));
  EXPECT_THAT(FaultOf("method { name {} frobnicate: 1 }"),
              Not(HasSubstr("did you mean")));
}

TEST(ParseHelpTest, Json) {
  EXPECT_THAT(FaultOf(R"({"method": [{"name": [{}], "timeuot": "1s"}]})"),
              HasSubstr("did you mean \"timeout\"?"));
  EXPECT_THAT(FaultOf(R"({"method": [{"name": [{}], "failureRate": 1}]})"),
              HasSubstr("it is a field of breaker"));
  EXPECT_THAT(
      FaultOf(R"({"method":[{"name":[{}],"retry":{"codes":["UNAVALABLE"]}}]})"),
      HasSubstr("did you mean \"UNAVAILABLE\"?"));
}

// Each one costs a search through the text, and nobody reads that many.
TEST(ParseHelpTest, OnlyTheFirstAreHelped) {
  std::string text;
  for (int i = 0; i < 60; ++i) absl::StrAppend(&text, "methd {}\n");
  const std::string fault = FaultOf(text);
  int helped = 0;
  for (size_t at = fault.find("did you"); at != std::string::npos;
       at = fault.find("did you", at + 1)) {
    ++helped;
  }
  EXPECT_EQ(helped, 20);
}

}  // namespace
}  // namespace firebreak::engine
