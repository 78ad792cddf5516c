// Policies in which calls do not get the entry that was meant for them: the
// findings of the lint, the breakers that an update loses, and the log.
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "firebreak/engine.h"
#include "firebreak/testing/idempotency.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/engine/engine_core.h"
#include "src/engine/policy/lint.h"
#include "src/engine/policy/policy.h"
#include "src/engine/policy/protection.h"

namespace firebreak::engine {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Severity = LintFinding::Severity;

PolicyTable TableOf(absl::string_view text) {
  const absl::StatusOr<PolicyTable> table = ParsePolicyText(text, "p");
  EXPECT_TRUE(table.ok()) << table.status() << "\n" << text;
  return table.ok() ? *table : PolicyTable();
}

// Returns "where: problem" for each finding, with "!" before an error.
std::vector<std::string> Told(absl::string_view text,
                              const Traffic* traffic = nullptr) {
  std::vector<std::string> lines;
  for (const LintFinding& finding : Lint(TableOf(text), traffic)) {
    EXPECT_FALSE(finding.fix.empty());
    // Calls that hang for ever are tested elsewhere.
    if (absl::StrContains(finding.problem, "no timeout:")) continue;
    lines.push_back(
        absl::StrCat(finding.severity == Severity::kError ? "!" : "",
                     finding.where, ": ", finding.problem));
  }
  return lines;
}

TEST(LintEntriesTest, AnEntryWithoutANameIsForNoCall) {
  EXPECT_THAT(Told("method { id: 'pay' breaker {} }"),
              ElementsAre(AllOf(HasSubstr("!pay: "), HasSubstr("no name"))));
  // The presets, as they are printed, are meant as bases.
  EXPECT_THAT(Told("method { id: 'payment' breaker {} }"), IsEmpty());
  // A base is used by other entries.
  EXPECT_THAT(Told("method { id: 'pay' breaker {} } "
                   "method { base: 'pay' name {} }"),
              IsEmpty());
}

TEST(LintEntriesTest, ThereAreNoWildcards) {
  EXPECT_THAT(
      Told("method { name { channel: '*' } breaker {} }"),
      ElementsAre(AllOf(HasSubstr("!method[0]: "), HasSubstr("in channel"))));
  EXPECT_THAT(Told("method { name { service: 'shop.*' } breaker {} }"),
              ElementsAre(HasSubstr("in service")));
  EXPECT_THAT(Told("method { name { service: 's.S' method: '*' } breaker {} }"),
              ElementsAre(HasSubstr("in method")));
  EXPECT_THAT(Told("method { name {} } channel { name: 'pay*' }"),
              ElementsAre(HasSubstr("!channel \"pay*\": ")));
}

TEST(LintHiddenTest, AnEntryThatHidesAWiderOnesBreaker) {
  const std::string wide =
      "method { id: 'wide' name { service: 's.S' } breaker {} }";
  EXPECT_THAT(
      Told(wide + "method { name { service: 's.S' method: 'M' } retry {} }"),
      ElementsAre(AllOf(HasSubstr("method[1]: /s.S/M: "),
                        HasSubstr("hides that of wide"))));
  // An entry that has its own part, or switches it off, hides nothing.
  EXPECT_THAT(
      Told(wide + "method { name { service: 's.S' method: 'M' } breaker {} }"),
      IsEmpty());
  EXPECT_THAT(Told(wide + "method { name { service: 's.S' method: 'M' } "
                          "breaker { mode: DISABLED } }"),
              IsEmpty());
  // An entry for another service or another channel hides nothing either.
  EXPECT_THAT(
      Told(wide + "method { name { service: 's.T' method: 'M' } retry {} }"),
      IsEmpty());
  EXPECT_THAT(Told("method { name { channel: 'a' service: 's.S' } breaker {} }"
                   "method { name { channel: 'b' service: 's.S' method: 'M' } "
                   "retry {} }"),
              IsEmpty());
  // An entry for a service hides the entry for everything, and one for any
  // channel hides one for a channel.
  EXPECT_THAT(Told("method { name {} breaker {} }"
                   "method { name { service: 's.S' } retry {} }"),
              ElementsAre(HasSubstr("every method of s.S")));
  EXPECT_THAT(Told("method { name { channel: 'a' service: 's.S' } breaker {} }"
                   "method { name { service: 's.S' method: 'M' } retry {} }"),
              ElementsAre(HasSubstr("/s.S/M")));
}

TEST(LintHedgingTest, NoneIsSentOfWhatMayNotRunTwice) {
  EXPECT_THAT(Told("method { name {} idempotent: false hedging {} }"),
              ElementsAre(HasSubstr("no hedge is ever sent")));
  EXPECT_THAT(Told("method { name {} idempotent: true hedging {} }"),
              IsEmpty());
}

TEST(LintSpellingTest, ServicesNearOneThatIsLinked) {
  EXPECT_NE(testing::ShelfMessage::descriptor(), nullptr);
  // From Protobuf 26 on, full_name() is a string_view.
  const std::string right(
      testing::ShelfMessage::descriptor()->file()->service(0)->full_name());
  const auto policy = [](const std::string& service) {
    return absl::StrCat("method { name { service: '", service,
                        "' } breaker {} } ");
  };
  std::string wrong = right;
  std::swap(wrong[wrong.size() - 1], wrong[wrong.size() - 2]);
  // The name is known from another entry, or from calls.
  EXPECT_THAT(Told(policy(right) + policy(wrong)),
              ElementsAre(AllOf(HasSubstr(wrong), HasSubstr(right))));
  Traffic traffic;
  traffic.services.insert(right);
  EXPECT_THAT(Told(policy(wrong), &traffic), ElementsAre(HasSubstr(right)));
  // The name lacks its package, which is the usual mistake.
  EXPECT_THAT(Told(policy(right.substr(right.rfind('.') + 1)), &traffic),
              ElementsAre(HasSubstr(right)));
  EXPECT_THAT(Told(policy(right), &traffic), IsEmpty());
  EXPECT_THAT(Told(policy("quite.another.Service"), &traffic), IsEmpty());
}

TEST(LintSpellingTest, ChannelsNearOneThatHasBeenMade) {
  Traffic traffic;
  traffic.channels = {"payment", "shard1"};
  const auto told = [&](const std::string& channel) {
    return Told(
        absl::StrCat("method { name { channel: '", channel, "' } breaker {} }"),
        &traffic);
  };
  EXPECT_THAT(told("paymnt"), ElementsAre(HasSubstr("\"payment\"")));
  EXPECT_THAT(told("Payment"), ElementsAre(HasSubstr("\"payment\"")));
  EXPECT_THAT(told("payment"), IsEmpty());
  EXPECT_THAT(told("inventory"), IsEmpty());
  // A different number is not taken for a mistake.
  EXPECT_THAT(told("shard2"), IsEmpty());
}

TEST(LintTrafficTest, AnEngineKnowsItsChannelsAndWhatPassesUnguarded) {
  const auto engine = *Engine::FromText(
      "method { name { service: 'a.Servce' } timeout: '1s' breaker {} }"
      "method { name { channel: 'paymnt' } timeout: '1s' breaker {} }");
  EXPECT_THAT(engine->Lint(), IsEmpty());
  const auto channel = engine->core()->BindChannel("payment", {""});
  EXPECT_EQ(channel->Find("/a.Service/M"), nullptr);
  EXPECT_THAT(engine->Lint(), SizeIs(2));
}

std::vector<std::string> Lost(const std::string& before,
                              const std::string& after) {
  return FindLostBreakers(TableOf(before), TableOf(after),
                          {{"c", "/s.S/Called"}})
      .calls;
}

TEST(ProtectionTest, MethodsThatLoseTheirBreaker) {
  const std::string guarded = "method { name { service: 's.S' } breaker {} }";
  EXPECT_THAT(Lost(guarded, guarded), IsEmpty());
  EXPECT_THAT(
      Lost(guarded, "method { name {} timeout: '1s' }"),
      ElementsAre("/s.S/Called on channel \"c\"", "every method of s.S"));
  // Because of a mistake in the name.
  EXPECT_THAT(Lost(guarded, "method { name { service: 's.T' } breaker {} }"),
              SizeIs(2));
  // Because of an entry that hides it.
  EXPECT_THAT(Lost(guarded, guarded + "method { name { service: 's.S' method: "
                                      "'Called' } retry {} }"),
              ElementsAre("/s.S/Called on channel \"c\""));
  // A shadow, and a breaker that is off, refuse nothing.
  for (const char* mode : {"SHADOW", "DISABLED"}) {
    const std::string off = absl::StrCat(
        "method { name { service: 's.S' } breaker { mode: ", mode, " } }");
    EXPECT_THAT(Lost(guarded, off), SizeIs(2)) << mode;
    EXPECT_THAT(Lost(off, "method { name {} }"), IsEmpty()) << mode;
  }
  EXPECT_THAT(Lost(guarded, "method { name {} breaker {} }"), IsEmpty());
}

TEST(ProtectionTest, TheListHasABound) {
  std::string before;
  for (int i = 0; i < 150; ++i) {
    absl::StrAppend(&before, "method { name { service: 's.S", i,
                    "' } breaker {} }\n");
  }
  const struct Lost lost =
      FindLostBreakers(TableOf(before), TableOf("method { name {} }"), {});
  EXPECT_THAT(lost.calls, SizeIs(kMostLost));
  EXPECT_EQ(lost.left_out, 50);
}

class PolicyLossTest : public ::testing::Test {
 protected:
  std::vector<std::string> Causes() const {
    std::vector<std::string> causes;
    for (const core::Event& e :
         engine_->core()->events().Since(0, 1000).events) {
      causes.push_back(e.cause);
    }
    return causes;
  }
  std::shared_ptr<Engine> engine_ =
      *Engine::FromText("method { id: 'all' name {} breaker {} }");
};

TEST_F(PolicyLossTest, AnUpdateTellsAndSoDoesItsEvent) {
  const auto change =
      engine_->UpdatePolicy("method { id: 'all' name {} timeout: '1s' }");
  ASSERT_TRUE(change.ok()) << change.status();
  EXPECT_THAT(change->lost_breakers,
              ElementsAre("every method without a better entry"));
  EXPECT_THAT(Causes(), ElementsAre(HasSubstr("; takes the breaker of 1: ")));
}

TEST_F(PolicyLossTest, ErrorsAreLoggedAtTheStartAndWithEachPolicy) {
  EXPECT_THAT(Causes(), IsEmpty());
  const char* const wrong =
      "method { id: 'pay' breaker {} } method { name {} breaker {} }";
  ASSERT_TRUE(engine_->UpdatePolicy(wrong).ok());
  EXPECT_THAT(Causes(), ElementsAre(HasSubstr("difference"),
                                    HasSubstr("the policy: pay: has no name")));
  // It is logged once: the same policy again is not a change.
  ASSERT_TRUE(engine_->UpdatePolicy(wrong).ok());
  EXPECT_THAT(Causes(), SizeIs(2));
  engine_ = *Engine::FromText(wrong);
  EXPECT_THAT(Causes(), ElementsAre(HasSubstr("pay: has no name")));
  // If there are many, the first few are logged, and the number of the others.
  std::string many = "method { name {} breaker {} }";
  for (int i = 0; i < 9; ++i) {
    absl::StrAppend(&many, "method { id: 'e", i, "' breaker {} }");
  }
  engine_ = *Engine::FromText(many);
  EXPECT_THAT(Causes(), SizeIs(6));
  EXPECT_THAT(Causes().back(), HasSubstr("4 more errors"));
}

TEST_F(PolicyLossTest, TheLastTenPoliciesAreKept) {
  EXPECT_THAT(engine_->PolicyHistory(), IsEmpty());
  for (int i = 1; i <= 12; ++i) {
    ASSERT_TRUE(engine_
                    ->SetPolicyText(absl::StrCat("method { name {} breaker {} "
                                                 "timeout: '",
                                                 i, "s' }"))
                    .ok());
  }
  const std::vector<PolicyInForce> kept = engine_->PolicyHistory();
  ASSERT_THAT(kept, SizeIs(10));
  EXPECT_EQ(kept.front().version, 12u);
  EXPECT_EQ(kept.back().version, 3u);
  EXPECT_EQ(engine_->policy().version, 13u);
}

TEST(LintFindingTest, Prints) {
  LintFinding finding;
  finding.severity = Severity::kError;
  finding.where = "pay";
  finding.problem = "has no name";
  finding.fix = "say one";
  std::ostringstream out;
  out << finding;
  EXPECT_EQ(out.str(), "error: pay: has no name; fix: say one");
}

}  // namespace
}  // namespace firebreak::engine
