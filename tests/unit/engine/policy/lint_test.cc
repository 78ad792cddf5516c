// Policies that are allowed, but most likely not what their author means.
#include "src/engine/policy/lint.h"

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/substitute.h"
#include "firebreak/engine.h"
#include "firebreak/testing/idempotency.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/engine/policy/policy.h"

namespace firebreak::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Severity = LintFinding::Severity;

std::vector<LintFinding> LintOf(absl::string_view text) {
  // A use that the optimizer cannot remove, so that the linker keeps the proto.
  EXPECT_NE(testing::ShelfMessage::descriptor(), nullptr);
  const absl::StatusOr<PolicyTable> table = ParsePolicyText(text, "p");
  EXPECT_TRUE(table.ok()) << table.status() << "\n" << text;
  if (!table.ok()) return {};
  // Calls that hang for ever have their own test.
  std::vector<LintFinding> findings;
  for (const LintFinding& each : Lint(*table)) {
    if (!absl::StrContains(each.problem, "no timeout")) {
      findings.push_back(each);
    }
  }
  return findings;
}

// Returns only the places of the findings, with "!" before an error.
std::vector<std::string> Places(absl::string_view text) {
  std::vector<std::string> places;
  for (const LintFinding& finding : LintOf(text)) {
    places.push_back(absl::StrCat(
        finding.severity == Severity::kError ? "!" : "", finding.where));
  }
  return places;
}

TEST(LintTest, SaysWhereWhyAndWhatToDo) {
  const std::vector<LintFinding> hedged = LintOf(
      R"(method { id: "pay" name { service: "s" method: "m" } hedging {} })");
  ASSERT_EQ(hedged.size(), 1u);
  EXPECT_EQ(hedged[0].severity, Severity::kError);
  EXPECT_EQ(hedged[0].where, "pay: /s/m");
  EXPECT_THAT(hedged[0].problem, HasSubstr("nothing says"));
  EXPECT_THAT(hedged[0].fix, HasSubstr("idempotent: true"));
  EXPECT_THAT(hedged[0].fix, HasSubstr("idempotency_level"));

  const std::vector<LintFinding> retried = LintOf(
      R"(method { name { service: "s" method: "m" }
                  retry { codes: [UNAVAILABLE, INTERNAL, ABORTED] } })");
  ASSERT_EQ(retried.size(), 1u);
  EXPECT_EQ(retried[0].severity, Severity::kWarning);
  EXPECT_EQ(retried[0].where, "method[0]: /s/m");
  EXPECT_THAT(retried[0].problem, HasSubstr("after ABORTED, INTERNAL, with"));
  EXPECT_THAT(retried[0].fix, HasSubstr("RESOURCE_EXHAUSTED"));
}

TEST(LintTest, NothingToSay) {
  for (const char* body : {"", "breaker {}", "timeout: \"1s\"", "retry {}",
                           "retry { codes: [UNAVAILABLE, RESOURCE_EXHAUSTED] }",
                           "hedging {} idempotent: true",
                           "retry { codes: INTERNAL } idempotent: true",
                           "retry { codes: INTERNAL } idempotent: false",
                           "hedging { enabled: false }",
                           "retry { codes: INTERNAL enabled: false }"}) {
    EXPECT_THAT(Places(absl::StrCat("method { name {} ", body, " }")),
                IsEmpty())
        << body;
  }
  // A base applies only to the entries that are based on it.
  EXPECT_THAT(Places("method { id: \"a\" hedging {} }"
                     "method { base: \"a\" name {} idempotent: true }"),
              IsEmpty());
  EXPECT_THAT(Places("channel {}"), IsEmpty());
}

TEST(LintTest, EveryKindOfName) {
  EXPECT_THAT(Places(R"(method { id: "e"
                          name {} name { channel: "c" } name { service: "s" }
                          name { channel: "c" service: "s" }
                          name { channel: "c" service: "s" method: "m" }
                          hedging {} })"),
              ElementsAre("!e: /s/m on channel \"c\"", "!e: every method of s",
                          "!e: every method of s on channel \"c\"",
                          "!e: every method without a better entry",
                          "!e: every method without a better entry on channel "
                          "\"c\""));
}

TEST(LintTest, AServiceThatIsLinkedInIsLookedAtMethodByMethod) {
  EXPECT_THAT(
      Places(R"(method { id: "e" name { service: "firebreak.testing.Shelf" }
                         hedging {} })"),
      ElementsAre("!e: /firebreak.testing.Shelf/Add"));
  EXPECT_THAT(
      Places(R"(method { id: "e" name { service: "firebreak.testing.Catalog" }
                         hedging {} })"),
      IsEmpty());
  EXPECT_THAT(Places(R"(method { id: "e"
                  name { service: "firebreak.testing.Shelf" method: "Set" }
                  name { service: "firebreak.testing.Shelf" method: "Add" }
                  name { service: "firebreak.testing.Shelf" method: "Watch" }
                  hedging {} })"),
              ElementsAre("!e: /firebreak.testing.Shelf/Add"));
}

TEST(LintTest, AMethodOfABetterEntryIsThatEntrysOwn) {
  EXPECT_THAT(
      Places(R"(method { id: "e" name { service: "firebreak.testing.Shelf" }
                         hedging {} }
                method { id: "add" idempotent: true hedging {}
                  name { service: "firebreak.testing.Shelf" method: "Add" } })"),
      IsEmpty());
}

TEST(LintTest, ErrorsFirst) {
  EXPECT_THAT(Places(R"(
      method { id: "a" name { service: "x" } retry { codes: INTERNAL } }
      method { id: "b" name { service: "y" } hedging {} }
      method { id: "c" name { service: "z" } hedging {}
               retry { codes: INTERNAL } })"),
              ElementsAre("!b: every method of y", "!c: every method of z",
                          "a: every method of x"));
}

TEST(LintTest, MoreHedgesThanTheBudgetPaysFor) {
  constexpr char kPolicy[] = R"(
      method { id: "a" name { channel: "c" service: "s" } idempotent: $0
               hedging { quantile: $1 } }
      channel { budget { ratio: 0.5 } } channel { name: "c" })";
  const auto places = [&](const char* idempotent, const char* quantile) {
    return Places(absl::Substitute(kPolicy, idempotent, quantile));
  };
  EXPECT_THAT(places("true", "0.9"), IsEmpty());
  EXPECT_THAT(places("true", "0.89"), ElementsAre("a: on channel \"c\""));
  EXPECT_THAT(places("false", "0.5"), ElementsAre("a")) << "never hedged";
  EXPECT_THAT(Places("method { name {} idempotent: true hedging {} }"),
              IsEmpty());
}

TEST(LintTest, TheEngineHasIt) {
  const auto engine = Engine::FromServiceConfig(R"({"methodConfig":[
      {"name":[{"service":"s"}],"hedgingPolicy":{"maxAttempts":2}}]})");
  ASSERT_TRUE(engine.ok()) << engine.status();
  const std::vector<LintFinding> findings = (*engine)->Lint();
  // In a service config, a missing delay means 0.
  ASSERT_EQ(findings.size(), 2u);
  EXPECT_EQ(findings[0].where, "methodConfig[0]: every method of s");
  EXPECT_THAT(findings[1].problem, HasSubstr("hedged at once"));
}

}  // namespace
}  // namespace firebreak::engine
