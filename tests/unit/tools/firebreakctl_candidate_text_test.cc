// What firebreakctl says of a candidate policy.
#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "tools/firebreakctl/show/render.h"

namespace firebreak::ctl {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

v1::CandidateMethod Parse(const std::string& text) {
  v1::CandidateMethod method;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(
      absl::StrCat("method: '/p.S/M' has_entry: true ", text), &method));
  return method;
}

std::string Compare(const v1::CandidateMethod& method) {
  v1::CompareCandidateResponse response;
  response.mutable_candidate()->set_id(1);
  *response.add_methods() = method;
  return RenderComparison(response, Style());
}

// A black hole: both timeouts end every call, the shorter one sooner.
TEST(CandidateTextTest, AShorterTimeoutEndsTheSameCallsSooner) {
  const std::string cut =
      "calls: 500 failed: 500 timed_out: 500 would_time_out { failed: 500 } "
      "live_timeout { seconds: 1 } ";
  EXPECT_EQ(
      CandidateText(Parse(cut + "timeout { nanos: 250000000 }")),
      "of 500 calls it would have ended 500 calls by its timeout of 250ms (the "
      "live timeout of 1s ended 500 calls), of which 500 failed, so the "
      "candidate was right");
  EXPECT_EQ(CandidateText(Parse(cut + "timeout { seconds: 1 }")),
            "no difference on 500 calls");
  EXPECT_EQ(CandidateText(Parse(cut + "timeout { seconds: 2 }")),
            "no difference on 500 calls");
}

TEST(CandidateTextTest, ATimeoutWhereThereIsNoneEndsCalls) {
  EXPECT_EQ(CandidateText(Parse("calls: 2 succeeded: 2 would_time_out { "
                                "succeeded: 1 } timeout { seconds: 1 }")),
            "of 2 calls it would have ended 1 call by its timeout of 1s, of "
            "which 1 succeeded, so the live policy was right");
}

TEST(CandidateTextTest, ReasonsAreOfAllThatItRefuses) {
  EXPECT_EQ(
      CandidateText(Parse("calls: 10 would_refuse { failed: 3 } "
                          "refusals { name: 'breaker_open' count: 3 }")),
      "of 10 calls it would have refused 3 calls (breaker_open 3), of which 3 "
      "failed, so the candidate was right");
  EXPECT_EQ(
      CandidateText(Parse("calls: 9000 refused: 4708 would_refuse_too: 4708 "
                          "would_refuse { failed: 3 } "
                          "refusals { name: 'breaker_open' count: 4711 }")),
      "of 9000 calls it would have refused 3 calls (with the 4708 calls that "
      "the live policy refused as well: breaker_open 4711), of which 3 failed, "
      "so the candidate was right");
}

TEST(CandidateTextTest, MethodsPastTheLimitAreNobodys) {
  v1::CandidateMethod other;
  other.set_method("other");
  EXPECT_THAT(Compare(other),
              AllOf(HasSubstr("other is not seen"), HasSubstr("max_methods"),
                    Not(HasSubstr("has no entry"))));
  EXPECT_THAT(CandidateText(other), Not(HasSubstr("has no entry")));
  v1::CandidateMethod strange = Parse("");
  strange.set_has_entry(false);
  EXPECT_THAT(Compare(strange),
              HasSubstr("/p.S/M has no entry in the candidate"));
  EXPECT_EQ(CandidateText(strange), "has no entry for it");
}

}  // namespace
}  // namespace firebreak::ctl
