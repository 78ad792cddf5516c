// Bulkhead, rate limit and throttle in the policy language.
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "src/engine/policy/policy.h"

namespace firebreak::engine {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

PolicyTable Compile(absl::string_view text) {
  absl::StatusOr<PolicyTable> table = ParsePolicyText(text, "p");
  EXPECT_TRUE(table.ok()) << table.status() << "\n" << text;
  return table.ok() ? *table : PolicyTable();
}

core::AdmissionOptions AdmissionOf(absl::string_view body) {
  return Compile(absl::StrCat("method { name {} ", body, " }"))
      .Find("c", "/s/m")
      ->admission;
}

std::string ErrorOf(absl::string_view text) {
  return std::string(ParsePolicyText(text, "p").status().message());
}

TEST(PolicyAdmissionTest, IsOffUnlessThere) {
  const core::AdmissionOptions none = AdmissionOf("breaker {}");
  EXPECT_FALSE(none.bulkhead.has_value());
  EXPECT_FALSE(none.rate_limit.has_value());
  EXPECT_FALSE(none.throttle.has_value());
  EXPECT_FALSE(none.no_bulkhead);
}

TEST(PolicyAdmissionTest, EmptyPartsHaveTheDefaults) {
  const core::AdmissionOptions all =
      AdmissionOf("bulkhead {} rate_limit { rate: 1.5 } throttle {}");
  EXPECT_EQ(all.bulkhead->max_concurrent, 25);
  EXPECT_EQ(all.bulkhead->max_queue, 100);
  EXPECT_EQ(all.bulkhead->max_wait, milliseconds(100));
  EXPECT_EQ(all.rate_limit->rate, 1.5);
  EXPECT_EQ(all.rate_limit->tokens(), 2);
  EXPECT_EQ(all.rate_limit->max_wait, seconds(0));
  EXPECT_EQ(all.throttle->k, 2);
  EXPECT_EQ(all.throttle->window, minutes(2));
}

TEST(PolicyAdmissionTest, EveryFieldArrives) {
  const core::AdmissionOptions all = AdmissionOf(
      "bulkhead { max_concurrent: 3 max_queue: 0 max_wait: \"2s\" }"
      "rate_limit { rate: 7 burst: 9 max_wait: \"3s\" }"
      "throttle { k: 1.1 window: \"30s\" }");
  EXPECT_EQ(all.bulkhead->max_concurrent, 3);
  EXPECT_EQ(all.bulkhead->max_queue, 0);
  EXPECT_EQ(all.bulkhead->max_wait, seconds(2));
  EXPECT_EQ(all.rate_limit->burst, 9);
  EXPECT_EQ(all.rate_limit->max_wait, seconds(3));
  EXPECT_EQ(all.throttle->k, 1.1);
  EXPECT_EQ(all.throttle->window, seconds(30));
}

TEST(PolicyAdmissionTest, IsInheritedChangedAndSwitchedOff) {
  const PolicyTable table = Compile(R"(
      method { id: "a" bulkhead { max_concurrent: 3 } rate_limit { rate: 5 } }
      method { name { method: "m" service: "s" } base: "a"
               bulkhead { max_queue: 8 } rate_limit { enabled: false } }
      method { name { method: "n" service: "s" }
               bulkhead { enabled: false } rate_limit { enabled: false }
               throttle { enabled: false } })");
  const core::AdmissionOptions m = table.Find("c", "/s/m")->admission;
  EXPECT_EQ(m.bulkhead->max_concurrent, 3);
  EXPECT_EQ(m.bulkhead->max_queue, 8);
  EXPECT_FALSE(m.rate_limit.has_value());
  EXPECT_TRUE(m.no_rate_limit);
  const core::AdmissionOptions n = table.Find("c", "/s/n")->admission;
  EXPECT_TRUE(n.no_bulkhead && n.no_rate_limit && n.no_throttle);
}

TEST(PolicyAdmissionTest, AChannelHasItsOwnOrThatOfAll) {
  const PolicyTable table = Compile(R"(
      method { name {} }
      channel { bulkhead { max_concurrent: 1 } }
      channel { name: "b" rate_limit { rate: 2 } throttle {} })");
  EXPECT_EQ(table.AdmissionFor("a").bulkhead->max_concurrent, 1);
  EXPECT_FALSE(table.AdmissionFor("a").rate_limit.has_value());
  EXPECT_FALSE(table.AdmissionFor("b").bulkhead.has_value());
  EXPECT_EQ(table.AdmissionFor("b").rate_limit->rate, 2);
  EXPECT_TRUE(table.AdmissionFor("b").throttle.has_value());
  EXPECT_FALSE(
      Compile("method { name {} }").AdmissionFor("a").bulkhead.has_value());
}

TEST(PolicyAdmissionTest, ErrorsNameFieldValueAndRange) {
  EXPECT_EQ(ErrorOf("method { name {}\n bulkhead { max_concurrent: 0 } }"),
            "p:2: method[0].bulkhead.max_concurrent: is 0; allowed [1, "
            "100000]");
  EXPECT_EQ(ErrorOf("method { name {} rate_limit { burst: 3 } }"),
            "p:1: method[0].rate_limit.rate: is 0; allowed [0.001, 1000000]");
  // A part that is off is checked too.
  EXPECT_EQ(ErrorOf("method { name {} throttle { enabled: false k: 0 } }"),
            "p:1: method[0].throttle.k: is 0; allowed [1, 1000]");
  EXPECT_EQ(ErrorOf("method { name {} bulkhead { max_wait: \"soon\" } }")
                .find("p:1: method[0].bulkhead.max_wait: "),
            0U);
  EXPECT_EQ(ErrorOf("channel { throttle { window: \"2h\" } }"),
            "p:1: channel[0].throttle.window: is 7200s; allowed [1s, 3600s]");
  EXPECT_EQ(ErrorOf("channel { rate_limit { rate: nan max_wait: \"x\" } }")
                .find("rate_limit.max_wait: is"),
            std::string::npos);
}

}  // namespace
}  // namespace firebreak::engine
