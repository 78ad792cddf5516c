// Numbers that do not fit together, names that match nothing, and entries that
// the calls so far have not used.
#include "src/engine/policy/lint_rules.h"

#include <grpcpp/security/credentials.h>

#include <algorithm>
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
#include "src/engine/policy/presets.h"
#include "src/engine/policy/service_config.h"

namespace firebreak::engine {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

PolicyTable Compile(absl::string_view text) {
  // A use that the optimizer cannot remove, so that the linker keeps the proto.
  EXPECT_NE(testing::ShelfMessage::descriptor(), nullptr);
  const absl::StatusOr<PolicyTable> table = ParsePolicyText(text, "p");
  EXPECT_TRUE(table.ok()) << table.status() << "\n" << text;
  return table.ok() ? *table : PolicyTable();
}

std::vector<std::string> Lines(const std::vector<LintFinding>& findings) {
  std::vector<std::string> lines;
  for (const LintFinding& finding : findings) {
    EXPECT_FALSE(finding.fix.empty()) << finding.problem;
    lines.push_back(
        absl::StrCat(finding.where, ": ", finding.problem, ": ", finding.fix));
  }
  return lines;
}

std::vector<std::string> EveryLineOf(absl::string_view text) {
  return Lines(Lint(Compile(text)));
}

// Removes findings about calls that hang for ever, which have their own test.
std::vector<std::string> WithoutHangs(std::vector<std::string> lines) {
  lines.erase(std::remove_if(lines.begin(), lines.end(),
                             [](const std::string& line) {
                               return absl::StrContains(line, "no timeout:");
                             }),
              lines.end());
  return lines;
}

std::vector<std::string> LintOf(absl::string_view text) {
  return WithoutHangs(EveryLineOf(text));
}

// Returns the findings in one entry for a method that may run twice.
std::vector<std::string> Of(absl::string_view body) {
  return LintOf(
      absl::StrCat("method { id: \"e\" name {} idempotent: true ", body, " }"));
}

struct Case {
  const char* sound;    // no finding, by a small margin
  const char* unsound;  // one finding
  const char* says;
};

TEST(LintRulesTest, EachRuleAtItsEdge) {
  const Case cases[] = {
      {R"(hedging { delay: "499ms" max_attempts: 3 } timeout: "1s")",
       R"(hedging { delay: "500ms" max_attempts: 3 } timeout: "1s")",
       "attempt 3 would begin when its timeout of 1s is over: say "
       "hedging.max_attempts: 2"},
      {R"(hedging { delay: "99ms" }
          retry { attempt_timeout: "100ms" codes: DEADLINE_EXCEEDED })",
       R"(hedging { delay: "100ms" }
          retry { attempt_timeout: "100ms" codes: DEADLINE_EXCEEDED })",
       "no hedge is ever sent"},
      {R"(hedging { quantile: 0.95 min_delay: "99ms" }
          retry { attempt_timeout: "100ms" codes: DEADLINE_EXCEEDED })",
       R"(hedging { quantile: 0.95 min_delay: "100ms" }
          retry { attempt_timeout: "100ms" codes: DEADLINE_EXCEEDED })",
       "no hedge is ever sent"},
      {R"(hedging { quantile: 0.9 })", R"(hedging { quantile: 0.89 })",
       "say hedging.quantile: 0.9 or more, or a budget.ratio of 0.11"},
      {R"(hedging { delay: "1ms" })", R"(hedging { delay: "0" })",
       "hedged at once, so each call wants 1 hedges, and brings 0.1"},
      {R"(retry { codes: DEADLINE_EXCEEDED attempt_timeout: "1s" })",
       R"(retry { attempt_timeout: "1s" })", "add DEADLINE_EXCEEDED"},
      {R"(timeout: "100ms" retry { codes: DEADLINE_EXCEEDED max_attempts: 2
            backoff { initial: "1ms" } attempt_timeout: "99ms" })",
       R"(timeout: "100ms" retry { max_attempts: 2
            codes: DEADLINE_EXCEEDED
            backoff { initial: "1ms" } attempt_timeout: "99.6ms" })",
       "attempt 2 of 2 would as a rule begin 0.1001s after the call, when"},
      // With FULL jitter the mean waits are half of 100 ms and of 200 ms.
      {R"(timeout: "151ms" retry {})", R"(timeout: "150ms" retry {})",
       "attempt 3 of 3 would as a rule begin 0.15s after the call: say "
       "max_attempts: 2"},
      {R"(timeout: "226ms" retry { backoff { jitter: EQUAL } })",
       R"(timeout: "225ms" retry { backoff { jitter: EQUAL } })",
       "attempt 3 of 3"},
      {R"(timeout: "301ms" retry { backoff { jitter: NONE } })",
       R"(timeout: "300ms" retry { backoff { jitter: PLUS_MINUS } })",
       "attempt 3 of 3"},
      {R"(timeout: "101ms" retry { max_attempts: 2 backoff { jitter: NONE } })",
       R"(timeout: "90ms" retry { max_attempts: 2 backoff { jitter: NONE } })",
       "say shorter times"},
      {R"(timeout: "1s" breaker { slow_call_duration: "999ms" })",
       R"(timeout: "1s" breaker { slow_call_duration: "1s" })",
       "so none is ever slow: say a slow_call_duration under 1s"},
      {R"(retry { attempt_timeout: "1s" attempt_timeout_growth: 2
                  codes: DEADLINE_EXCEEDED }
          breaker { slow_call_duration: "3.9s" })",
       R"(retry { attempt_timeout: "1s" attempt_timeout_growth: 2
                  codes: DEADLINE_EXCEEDED }
          breaker { slow_call_duration: "4s" })",
       "ends every attempt after 4s"},
      {R"(breaker { leaky_slow_calls: 1 slow_call_duration: "1s" })",
       R"(breaker { leaky_slow_calls: 1 })", "say slow_call_duration"},
      {R"(breaker { probe_interval: "2s" max_open_duration: "70s" })",
       R"(breaker { probe_interval: "2s" open_duration: "20s" })",
       "is looked at each 2s while its breaker is open"},
      {R"(breaker { open_duration: "20s" open_growth: 3 })",
       R"(breaker { open_growth: 3 probe { health_check: "" } })",
       "take out open_duration and how it grows"},
      {R"(breaker { probe_timeout: "5s" half_open_duration: "5s" })",
       R"(breaker { probe_timeout: "5s" half_open_duration: "4.9s" })",
       "a probe may take 5s: say a probe_timeout under 4.9s"},
      {R"(timeout: "1s" breaker { half_open_duration: "2s" })",
       R"(breaker { half_open_duration: "2s" })", "a probe may take 5s"},
      {R"(timeout: "1s" bulkhead { max_wait: "999ms" })",
       R"(timeout: "1s" bulkhead { max_wait: "1s" })",
       "may wait for 1s in bulkhead, and has a timeout of 1s"},
      {R"(timeout: "1s" rate_limit { rate: 1 max_wait: "999ms" })",
       R"(timeout: "1s" rate_limit { rate: 1 max_wait: "1s" })",
       "may wait for 1s in rate_limit"},
      {R"(rate_limit { rate: 0.5 burst: 5 }
          breaker { consecutive_failures: 0 })",
       R"(rate_limit { rate: 0.5 burst: 4 }
          breaker { consecutive_failures: 0 })",
       "no more than 19 of them through, so it never opens"},
  };
  for (const Case& c : cases) {
    EXPECT_THAT(Of(c.sound), IsEmpty()) << c.sound;
    EXPECT_THAT(Of(c.unsound),
                ElementsAre(AllOf(HasSubstr("e: "), HasSubstr(c.says))))
        << c.unsound;
  }
}

TEST(LintRulesTest, WhereNothingEndsACallThatHangs) {
  const auto lint = [](absl::string_view body) {
    return EveryLineOf(absl::StrCat("method { id: \"e\" name {} ", body, " }"));
  };
  for (const char* body :
       {"breaker {}", "retry {}", "breaker { slow_call_duration: \"1s\" }",
        "breaker { mode: SHADOW }", "breaker {} retry {}"}) {
    EXPECT_THAT(lint(body), ElementsAre(AllOf(HasSubstr("and no timeout: "),
                                              HasSubstr("say timeout"))))
        << body;
  }
  for (const char* body :
       {"", "timeout: \"1s\" breaker {}", "timeout: \"1s\" retry {}",
        "breaker { mode: DISABLED }", "bulkhead {}",
        "breaker { slow_call_duration: \"1s\" leaky_slow_calls: 5 }",
        ("idempotent: true retry { attempt_timeout: \"1s\" "
         "codes: DEADLINE_EXCEEDED }")}) {
    EXPECT_THAT(lint(body), IsEmpty()) << body;
  }
}

TEST(LintRulesTest, AnAttemptTimeoutThatNeverComesAbout) {
  EXPECT_THAT(Of(R"(timeout: "1s" retry { attempt_timeout: "1s" max_attempts: 2
                                  codes: DEADLINE_EXCEEDED })"),
              UnorderedElementsAre(HasSubstr("never lets come about"),
                                   HasSubstr("attempt 2 of 2")));
}

TEST(LintRulesTest, WhatIsMeantIsLeftAlone) {
  for (const char* body : {
           // The third attempt is for a failure.
           R"(hedging { delay: "500ms" } retry {} timeout: "600ms")",
           // With both, backoff is not used.
           R"(hedging {} retry { backoff { initial: "1h" max: "1h" } }
              timeout: "1s")",
           // Without a queue no call waits.
           R"(timeout: "50ms" bulkhead { max_queue: 0 })",
           // A wait ends before the deadline in any case.
           R"(bulkhead { max_wait: "1h" })",
           // Another rule works with few calls.
           R"(rate_limit { rate: 0.001 } breaker {})",
           R"(rate_limit { rate: 0.001 }
              breaker { consecutive_failures: 0 confidence: 0.99 })",
           R"(rate_limit { rate: 0.001 }
              breaker { consecutive_failures: 0 window { calls: 20 } })",
           R"(rate_limit { rate: 0.001 }
              breaker { consecutive_failures: 0 mode: DISABLED })",
           R"(breaker { half_open_duration: "0" })",
           R"(retry { max_attempts: 10 backoff { initial: "1h" max: "1h" } })",
           R"(timeout: "1h" retry { attempt_timeout: "1h" enabled: false })",
       }) {
    EXPECT_THAT(Of(body), IsEmpty()) << body;
  }
}

// Sums of many hours do not overflow.
TEST(LintRulesTest, TheLargestTimes) {
  EXPECT_THAT(
      Of(R"(timeout: "1h" retry { max_attempts: 10 codes: DEADLINE_EXCEEDED
              attempt_timeout: "1h" attempt_timeout_growth: 10
              backoff { initial: "1h" max: "1h" multiplier: 100 } })")
          .size(),
      2u);
  EXPECT_THAT(Of(R"(timeout: "1ns" hedging { delay: "0" max_attempts: 10 }
                    breaker { slow_call_duration: "1ns" })")
                  .size(),
              2u);
}

TEST(LintRulesTest, WhatAChannelHasForAll) {
  constexpr char kWaits[] = R"(
      method { id: "e" name { channel: "c" } timeout: "1s" $0 }
      channel { name: "c" bulkhead { max_wait: "2s" } }
      channel { bulkhead { max_wait: "3s" } })";
  const auto with = [&](const char* own) {
    std::string text = kWaits;
    text.replace(text.find("$0"), 2, own);
    return LintOf(text);
  };
  EXPECT_THAT(
      with(""),
      ElementsAre(HasSubstr("e: on channel \"c\": may wait for 2s in")));
  EXPECT_THAT(with("bulkhead {}"), IsEmpty());
  EXPECT_THAT(with("bulkhead { enabled: false }"), IsEmpty());

  constexpr char kEmptyBudget[] = R"(
      channel { name: "c" budget { ratio: 0 floor: 0 } })";
  const auto paid = [&](absl::string_view body) {
    return LintOf(absl::StrCat("method { id: \"e\" name { channel: \"c\" } ",
                               body, " }", kEmptyBudget));
  };
  EXPECT_THAT(paid("retry {}"),
              ElementsAre(HasSubstr("after the first 10 times never again")));
  EXPECT_THAT(paid("hedging {} idempotent: true").size(), 1u);
  EXPECT_THAT(paid("hedging {} idempotent: false"),
              ElementsAre(HasSubstr("no hedge is ever sent")));
  EXPECT_THAT(paid("breaker {}"), IsEmpty());
}

TEST(LintRulesTest, AnEntryOfManyNamesIsToldOnce) {
  EXPECT_THAT(LintOf(R"(method { id: "e" timeout: "100ms" retry {}
                          name {} name { service: "s" } name { channel: "c" } })")
                  .size(),
              1u);
}

TEST(LintRulesTest, TheRestIsCounted) {
  std::string policy;
  for (size_t i = 0; i < kMaxFindings + 7; ++i) {
    absl::StrAppend(&policy, "method { name { service: \"", i,
                    "\" } hedging {} }");
  }
  const std::vector<LintFinding> findings = Lint(Compile(policy));
  ASSERT_EQ(findings.size(), kMaxFindings + 1);
  EXPECT_EQ(findings.back().problem, "has 7 more findings");
}

TEST(LintRulesTest, AMethodThatItsServiceHasNot) {
  EXPECT_THAT(
      LintOf(R"(method { id: "e"
                  name { service: "firebreak.testing.Shelf" method: "add" }
                  name { service: "firebreak.testing.Shelf" method: "Add" }
                  name { service: "not.Linked" method: "Add" } })"),
      ElementsAre(AllOf(HasSubstr("e: /firebreak.testing.Shelf/add: is for a "
                                  "method that firebreak.testing.Shelf has "
                                  "not"),
                        HasSubstr("Add"))));
}

TEST(LintRulesTest, AnEntryThatNeverWins) {
  const auto* service =
      google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(
          "firebreak.testing.Shelf");
  ASSERT_NE(service, nullptr);
  std::string names;
  for (int i = 0; i < service->method_count(); ++i) {
    absl::StrAppend(&names, "name { service: \"firebreak.testing.Shelf\" ",
                    "method: \"", service->method(i)->name(), "\" } ");
  }
  const std::string all = absl::StrCat("method { id: \"each\" ", names, " }");
  EXPECT_THAT(
      LintOf(absl::StrCat(
          all, R"(method { id: "e" name { service: "firebreak.testing.Shelf" }
                           name { service: "not.Linked" } })")),
      ElementsAre(HasSubstr("e: every method of firebreak.testing.Shelf: never "
                            "applies")));
  // On channels of that name it does: an entry with a method has priority,
  // whatever its channel.
  EXPECT_THAT(LintOf(absl::StrCat(all, R"(method { id: "e" name {
                service: "firebreak.testing.Shelf" channel: "c" } })"))
                  .size(),
              1u);
  // One method is left for it.
  const std::string last = names.substr(0, names.rfind("name {"));
  EXPECT_THAT(
      LintOf(absl::StrCat(
          "method { id: \"each\" ", last, " }",
          R"(method { id: "e" name { service: "firebreak.testing.Shelf" } })")),
      IsEmpty());
}

// The lint must find nothing in the presets. docs_policies_test.cc checks the
// examples and the policies of the docs.
TEST(LintRulesTest, PresetsAreSound) {
  for (const Preset& preset : Presets()) {
    EXPECT_THAT(EveryLineOf(absl::StrCat("method { name {} preset: \"",
                                         preset.name, "\" }")),
                IsEmpty())
        << preset.name;
  }
  EXPECT_THAT(EveryLineOf(PresetsAsPolicy()), IsEmpty());
}

class TrafficTest : public ::testing::Test {
 protected:
  TrafficTest()
      : table_(Compile(R"(
          method { id: "any" name {} breaker { consecutive_failures: 0 } }
          method { id: "e" breaker { mode: DISABLED }
                   name { service: "p.S" method: "M" }
                   name { channel: "c" service: "p.T" }
                   name { channel: "d" } })")) {
    traffic_.age = traffic_.policy_age = std::chrono::minutes(10);
    traffic_.channels = {"c", "d"};
    See("c", "/p.S/M", 500);
    See("c", "/p.T/N", 500);
  }
  void See(const std::string& channel, const std::string& method,
           int64_t calls) {
    traffic_.methods.push_back(
        {channel, method, calls, table_.Find(channel, method)});
  }
  std::vector<std::string> Findings() {
    return WithoutHangs(Lines(Lint(table_, &traffic_)));
  }

  PolicyTable table_;
  Traffic traffic_;
};

TEST_F(TrafficTest, NothingToSay) { EXPECT_THAT(Findings(), IsEmpty()); }

TEST_F(TrafficTest, ANameThatMatchesNothing) {
  traffic_.methods[0].method = "/p.S/m";
  traffic_.methods[1].channel = "d";
  EXPECT_THAT(
      Findings(),
      ElementsAre(HasSubstr("e: /p.S/M: has matched none of 1000 calls"),
                  HasSubstr("e: every method of p.T on channel \"c\": has")));
  // There were calls, but all were refused before they were counted.
  traffic_.methods.clear();
  See("c", "/p.S/M", 1000);
  See("c", "/p.T/N", 0);
  EXPECT_THAT(Findings().size(), 1u);
}

TEST_F(TrafficTest, TooEarlyToSay) {
  traffic_.methods.clear();
  See("c", "/p.X/Y", 10'000'000);
  traffic_.channels.clear();
  EXPECT_THAT(Findings().size(), 3u);
  const Traffic enough = traffic_;
  traffic_.age -= core::Duration(1);
  EXPECT_THAT(Findings(), IsEmpty());
  traffic_ = enough;
  traffic_.policy_age -= core::Duration(1);
  EXPECT_THAT(Findings(), IsEmpty());
  traffic_ = enough;
  traffic_.knows_all = false;
  EXPECT_THAT(Findings(), IsEmpty());
  traffic_ = enough;
  traffic_.methods[0].calls = 999;
  traffic_.methods[0].options = nullptr;
  EXPECT_THAT(Findings(), ElementsAre(HasSubstr("\"c\", and none of that name"),
                                      HasSubstr("\"d\", and none of that")));
}

TEST_F(TrafficTest, AChannelThatNobodyMade) {
  traffic_.channels = {"c"};
  EXPECT_THAT(Findings(), ElementsAre(HasSubstr("is for the channel \"d\"")));
}

TEST_F(TrafficTest, ABreakerThatSleeps) {
  // Ten minutes are twenty windows. Ten calls in each are half of the minimum.
  See("c", "/p.X/Y", 200);
  EXPECT_THAT(Findings(), IsEmpty());
  traffic_.methods.back().calls = 199;
  EXPECT_THAT(Findings(),
              ElementsAre(HasSubstr("any: /p.X/Y on channel \"c\": has a "
                                    "breaker that judges from 20 calls in 30s "
                                    "on, and about 9.95 come in that time")));
  traffic_.age = std::chrono::hours(1);
  EXPECT_THAT(Findings().size(), 1u);
  traffic_.age = std::chrono::minutes(9);
  EXPECT_THAT(Findings(), IsEmpty());
}

TEST_F(TrafficTest, NamesThatAreNone) {
  for (const char* method :
       {"", "/", "//", "x", "/x", "x/", "/x/", "\xff/\xfe"}) {
    See("c", method, 1000);
  }
  EXPECT_THAT(Findings(), IsEmpty());
}

TEST(HasRetryPolicyTest, OnlyARetryPolicyCounts) {
  EXPECT_TRUE(HasRetryPolicy(
      R"({"methodConfig":[{"timeout":"1s"},{"retryPolicy":{}}]})"));
  for (const char* json :
       {"", "x", "{", "[]", "{}", R"({"methodConfig":3})",
        R"({"methodConfig":[3,[],{}]})", R"({"methodConfig":{}})",
        R"({"retryPolicy":{}})", R"({"methodConfig":[{"timeout":"1s"}]})"}) {
    EXPECT_FALSE(HasRetryPolicy(json)) << json;
  }
}

TEST(OwnRetriesTest, AreAWarningAndAFinding) {
  const auto engine =
      *Engine::FromText("method { name {} timeout: \"1s\" breaker {} }");
  const auto make = [&](const char* name, bool enabled, const char* config) {
    ChannelOptions options;
    options.args.SetServiceConfigJSON(config);
    if (!enabled) options.args.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
    engine->CreateChannel(name, "localhost:1",
                          grpc::InsecureChannelCredentials(),
                          std::move(options));
  };
  constexpr char kRetries[] = R"({"methodConfig":[{"name":[{}],"retryPolicy":{
      "maxAttempts":3,"initialBackoff":"1s","maxBackoff":"1s",
      "backoffMultiplier":1,"retryableStatusCodes":["UNAVAILABLE"]}}]})";
  make("off", false, kRetries);
  make("none", true, R"({"methodConfig":[]})");
  EXPECT_THAT(engine->Lint(), IsEmpty());
  for (int i = 0; i < 3; ++i) make("both", true, kRetries);
  const std::vector<LintFinding> findings = engine->Lint();
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].where, "channel \"both\"");
  EXPECT_THAT(findings[0].problem, HasSubstr("grpc.service_config"));
  const auto events = engine->core()->events().Since(0, 100).events;
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].kind, core::Event::Kind::kWarning);
  EXPECT_EQ(events[0].channel, "both");
  EXPECT_THAT(events[0].cause, HasSubstr("grpc.enable_retries"));
}

}  // namespace
}  // namespace firebreak::engine
