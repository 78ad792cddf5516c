// The differences between two policies.
#include "src/engine/policy/policy_diff.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/engine/policy/policy.h"

namespace firebreak::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

v1::PolicySet SetOf(absl::string_view text) {
  const absl::StatusOr<PolicyTable> table = ParsePolicyText(text, "p");
  EXPECT_TRUE(table.ok()) << table.status() << "\n" << text;
  return table.ok() ? *table->source() : v1::PolicySet();
}

// Returns the differences as "path: before -> after".
std::vector<std::string> Diff(absl::string_view before,
                              absl::string_view after) {
  std::vector<std::string> lines;
  const PolicyDiff diff = DiffPolicies(SetOf(before), SetOf(after));
  for (const PolicyDifference& d : diff.differences) {
    lines.push_back(absl::StrCat(d.path, ": ", d.before, " -> ", d.after));
  }
  EXPECT_EQ(diff.left_out, 0);
  return lines;
}

TEST(PolicyDiffTest, NamesTheFieldAndBothValues) {
  EXPECT_THAT(
      Diff(R"(method { id: "pay" name {} breaker { failure_rate: 0.3 } })",
           R"(method { id: "pay" name {} timeout: "1s"
                       breaker { failure_rate: 0.5 window { calls: 9 }
                                 mode: SHADOW minimum_calls: 9 } })"),
      ElementsAre("method[pay].timeout:  -> \"1s\"",
                  "method[pay].breaker.failure_rate: 0.3 -> 0.5",
                  "method[pay].breaker.minimum_calls:  -> 9",
                  "method[pay].breaker.window:  -> { calls: 9 }",
                  "method[pay].breaker.mode:  -> SHADOW"));
  EXPECT_THAT(Diff(R"(method { name {} breaker { window { calls: 50 } } })",
                   R"(method { name {} breaker { window { calls: 60 } } })"),
              ElementsAre("method[*].breaker.window.calls: 50 -> 60"));
}

TEST(PolicyDiffTest, APartThatComesOrGoesIsOneDifference) {
  EXPECT_THAT(Diff("method { name {} breaker {} }", "method { name {} }"),
              ElementsAre("method[*].breaker: {} -> "));
  EXPECT_THAT(
      Diff("method { name {} }",
           "method { name {} retry { max_attempts: 4 codes: ABORTED } }"),
      ElementsAre("method[*].retry:  -> { max_attempts: 4 codes: ABORTED }"));
}

TEST(PolicyDiffTest, AnEntryThatComesOrGoesIsOneDifference) {
  EXPECT_THAT(
      Diff(R"(method { id: "a" name {} } channel { name: "x" budget {} })",
           R"(method { id: "b" name { channel: "c" } } channel {})"),
      ElementsAre("method[a]: { name { } id: \"a\" } -> ",
                  "method[b]:  -> { name { channel: \"c\" } id: \"b\" }",
                  "channel[x]: { name: \"x\" budget { } } -> ",
                  "channel[*]:  -> {}"));
}

TEST(PolicyDiffTest, OrderSaysNothing) {
  EXPECT_THAT(
      Diff(R"(method { id: "a" name { service: "s" } name { service: "t" }
                       retry { codes: [ABORTED, UNAVAILABLE] } }
              method { name { channel: "c" } timeout: "1s" }
              channel { name: "x" } channel { name: "y" budget {} })",
           R"(method { name { channel: "c" } timeout: "1s" }
              method { id: "a" name { service: "t" } name { service: "s" }
                       retry { codes: [UNAVAILABLE, ABORTED] } }
              channel { name: "y" budget {} } channel { name: "x" })"),
      IsEmpty());
  // The same policy in the other format.
  EXPECT_THAT(Diff(R"(method { name {} timeout: "1s" })",
                   R"({"method": [{"name": [{}], "timeout": "1s"}]})"),
              IsEmpty());
}

// An explicit 0 differs from an absent field, since it overrides a base.
TEST(PolicyDiffTest, WhatIsWrittenDiffersFromWhatIsMeantAnyway) {
  EXPECT_THAT(Diff("method { name {} breaker {} }",
                   "method { name {} breaker { leaky_failures: 0 } }"),
              ElementsAre("method[*].breaker.leaky_failures:  -> 0"));
}

TEST(PolicyDiffTest, ListsAreOneValueEach) {
  EXPECT_THAT(
      Diff("method { name {} retry { codes: [ABORTED] } }",
           "method { name {} retry { codes: [UNAVAILABLE, ABORTED] } }"),
      ElementsAre("method[*].retry.codes: [ABORTED] -> "
                  "[ABORTED, UNAVAILABLE]"));
  EXPECT_THAT(
      Diff(R"(method { id: "a" name { service: "s" } name { service: "t" } })",
           R"(method { id: "a" name { service: "u" } name { service: "t" } })"),
      ElementsAre("method[a].name: { service: \"s\" } -> ",
                  "method[a].name:  -> { service: \"u\" }"));
}

TEST(PolicyDiffTest, EntriesWithoutIdGoByAName) {
  EXPECT_THAT(
      Diff(R"(method { name { service: "s" method: "m" } }
              method { name { service: "s" channel: "c" } })",
           R"(method { name { service: "s" channel: "c" } timeout: "2s" }
              method { name { service: "s" method: "m" } timeout: "1s" })"),
      ElementsAre("method[s@c].timeout:  -> \"2s\"",
                  "method[/s/m].timeout:  -> \"1s\""));
  // One entry gets an id, and one gets another id.
  EXPECT_THAT(Diff(R"(method { name { service: "s" } }
                      method { id: "old" name { service: "t" } })",
                   R"(method { id: "new" name { service: "t" } }
                      method { id: "s" name { service: "s" } })"),
              ElementsAre("method[new].id: \"old\" -> \"new\"",
                          "method[s].id:  -> \"s\""));
}

// An id identifies an entry better than a name, which may have moved from one
// entry to another.
TEST(PolicyDiffTest, AnIdIsStrongerThanAName) {
  EXPECT_THAT(Diff(R"(method { id: "a" name { service: "s" } }
                      method { id: "b" name { service: "t" } })",
                   R"(method { name { service: "s" } timeout: "1s" }
                      method { id: "a" name { service: "t" } }
                      method { id: "b" })"),
              ElementsAre("method[s]:  -> { name { service: \"s\" } timeout: "
                          "\"1s\" }",
                          "method[a].name: { service: \"s\" } -> ",
                          "method[a].name:  -> { service: \"t\" }",
                          "method[b].name: { service: \"t\" } -> "));
}

TEST(PolicyDiffTest, ManyDifferencesAreCountedNotKept) {
  std::string before;
  std::string after;
  for (int i = 0; i < 1200; ++i) {
    absl::StrAppend(&before, "method { id: \"", i, "\" timeout: \"1s\" }");
    absl::StrAppend(&after, "method { id: \"", i, "\" timeout: \"2s\" }");
  }
  const PolicyDiff diff = DiffPolicies(SetOf(before), SetOf(after));
  EXPECT_EQ(diff.differences.size(), kMaxDifferences);
  EXPECT_EQ(diff.left_out, 1200 - static_cast<int64_t>(kMaxDifferences));
  EXPECT_EQ(diff.differences.back().path, "method[499].timeout");
}

TEST(PolicyDiffTest, ALongValueIsCut) {
  std::string names;
  for (int i = 0; i < 100; ++i) {
    absl::StrAppend(&names, "name { service: \"s", i, "\" } ");
  }
  const PolicyDiff diff =
      DiffPolicies(SetOf("method { name {} }"),
                   SetOf(absl::StrCat("method { name {} } method { id: \"a\" ",
                                      names, " }")));
  ASSERT_EQ(diff.differences.size(), 1u);
  EXPECT_EQ(diff.differences[0].after.size(), 203u);
}

// The cost is not quadratic: comparing each with each would take hours here.
TEST(PolicyDiffTest, AnEntryOfVeryManyNamesAndCodes) {
  std::string names;
  std::string reversed;
  constexpr int kNames = 20'000;
  for (int i = 0; i < kNames; ++i) {
    absl::StrAppend(&names, "name { service: \"", i, "\" }");
    absl::StrAppend(&reversed, "name { service: \"", kNames - 1 - i, "\" }");
  }
  std::string codes = "retry { codes: [14";
  for (int i = 0; i < 100'000; ++i) codes += ",14";
  codes += "] }";
  EXPECT_THAT(Diff(absl::StrCat("method { id: \"a\" ", names, codes, " }"),
                   absl::StrCat("method { id: \"a\" ", reversed, codes, " }")),
              IsEmpty());
}

}  // namespace
}  // namespace firebreak::engine
