// Errors in policies: the text of every error, and its place.
#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/engine/policy/policy.h"

namespace firebreak::engine {
namespace {

using absl::StatusCode;
using ::testing::HasSubstr;
using ::testing::Not;

std::string ErrorOf(absl::string_view text) {
  const absl::Status status = ParsePolicyText(text, "p").status();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << text;
  return std::string(status.message());
}

// Returns the error of a one-line entry with the given body, without
// "p:1: method[0].".
std::string FieldError(absl::string_view body) {
  const std::string prefix = "p:1: method[0].";
  std::string error = ErrorOf(absl::StrCat("method { name {} ", body, " }"));
  EXPECT_EQ(error.substr(0, prefix.size()), prefix);
  return error.substr(std::min(error.size(), prefix.size()));
}

TEST(PolicyErrorTest, RangesNameValueAndRange) {
  EXPECT_EQ(FieldError("breaker { failure_rate: 1.5 }"),
            "breaker.failure_rate: is 1.5; allowed [0, 1]");
  EXPECT_EQ(FieldError("breaker { failure_rate: nan }"),
            "breaker.failure_rate: is nan; allowed [0, 1]");
  EXPECT_EQ(FieldError("breaker { probe_success_ratio: 0 }"),
            "breaker.probe_success_ratio: is 0; allowed (0, 1]");
  EXPECT_EQ(FieldError("breaker { window { calls: 0 } minimum_calls: 1 }"),
            "breaker.window.calls: is 0; allowed [1, 10000]\n"
            "p:1: method[0].breaker.minimum_calls: is 1; allowed [1, "
            "window.calls = 0], or the rate rule can never hold");
  EXPECT_EQ(FieldError("breaker { window { duration: \"5ms\" } }"),
            "breaker.window.duration: is 5ms; allowed [100ms, 3600s]");
  EXPECT_EQ(FieldError("retry { backoff { initial: \"2s\" } }"),
            "retry.backoff.max: is 1s; allowed [2s, 3600s]");
  EXPECT_EQ(FieldError("retry { max_attempts: -3 }"),
            "retry.max_attempts: is -3; allowed [2, 10]");
  EXPECT_EQ(FieldError("retry { backoff { multiplier: 0 } }"),
            "retry.backoff.multiplier: is 0; allowed (0, 100]");
  EXPECT_EQ(FieldError("retry { attempt_timeout_growth: 0.5 }"),
            "retry.attempt_timeout_growth: is 0.5; allowed [1, 10]");
  EXPECT_EQ(FieldError("retry { attempt_timeout_growth: inf }"),
            "retry.attempt_timeout_growth: is inf; allowed [1, 10]");
  EXPECT_EQ(FieldError("retry { adaptive { floor: 0.6 } }"),
            "retry.adaptive.floor: is 0.6; allowed [0, 0.5]");
  EXPECT_EQ(FieldError("retry { adaptive { floor: nan enabled: false } }"),
            "retry.adaptive.floor: is nan; allowed [0, 0.5]");
  EXPECT_EQ(FieldError("retry { adaptive { half_life: \"0\" } }"),
            "retry.adaptive.half_life: is 0s; allowed [100ms, 3600s]");
  EXPECT_EQ(FieldError("retry { backoff { max: \"1m\" } adaptive {} }"),
            "retry.adaptive.max_delay: is 30s; allowed [60s, 3600s]");
}

TEST(PolicyErrorTest, UnknownBasesCyclesAndDoubleIdsAreErrors) {
  EXPECT_EQ(ErrorOf("method { id: \"a\"\n base: \"nope\" }"),
            "p:2: method[0].base: is \"nope\"; allowed: the id of an entry of "
            "this policy");
  EXPECT_EQ(ErrorOf("method { id: \"a\" base: \"a\" }"),
            "p:1: method[0].base: is \"a\", which closes the cycle \"a\" -> "
            "\"a\"; allowed: no cycle");
  EXPECT_EQ(ErrorOf("method { id: \"x\" base: \"a\" }\n"
                    "method { id: \"a\" base: \"b\" }\n"
                    "method { id: \"b\" base: \"a\" }\n"),
            "p:3: method[2].base: is \"a\", which closes the cycle \"a\" -> "
            "\"b\" -> \"a\"; allowed: no cycle");
  EXPECT_EQ(ErrorOf("method { id: \"a\" }\n\nmethod { id: \"a\" }"),
            "p:3: method[1].id: is \"a\", as method[0].id; allowed: each id "
            "once");
}

TEST(PolicyErrorTest, ALongCycleIsShortened) {
  std::string text;
  for (int i = 0; i < 1'000; ++i) {
    absl::StrAppend(&text, "method { id: \"", i, "\" base: \"", (i + 1) % 1'000,
                    "\" }\n");
  }
  EXPECT_EQ(ErrorOf(text),
            "p:1000: method[999].base: is \"0\", which closes the cycle "
            "\"0\" -> \"1\" -> \"2\" -> \"3\" -> \"4\" -> \"5\" -> \"6\" -> "
            "\"7\" -> \"8\" -> \"9\" -> ... -> \"0\"; allowed: no cycle");
}

TEST(PolicyErrorTest, AnInheritedErrorIsSaidOnce) {
  EXPECT_EQ(ErrorOf("method { id: \"a\" retry { max_attempts: 1 } }\n"
                    "method { id: \"b\" base: \"a\" }\n"
                    "method { id: \"c\" base: \"b\" timeout: \"1s\" }"),
            "p:1: method[0].retry.max_attempts: is 1; allowed [2, 10]");
  // A base that cannot be read does not hide the errors of this entry.
  EXPECT_EQ(ErrorOf("method { id: \"a\" timeout: \"x\" }\n"
                    "method { id: \"b\" base: \"a\" timeout: \"2h\" }"),
            "p:1: method[0].timeout: \"x\" is not a duration; allowed: a "
            "decimal number and one of ns, us, ms, s, m, h, as in \"250ms\" or "
            "\"1.5s\", or \"0\"\n"
            "p:2: method[1].timeout: is 7200s; allowed [0s, 3600s]");
  // Each entry has its own error, which is reported at its place.
  EXPECT_EQ(ErrorOf("method { id: \"a\" timeout: \"2h\" }\n"
                    "method { id: \"b\" base: \"a\" timeout: \"2h\" }"),
            "p:1: method[0].timeout: is 7200s; allowed [0s, 3600s]\n"
            "p:2: method[1].timeout: is 7200s; allowed [0s, 3600s]");
  // Only the two together are wrong.
  EXPECT_EQ(ErrorOf("method { id: \"a\" hedging { delay: \"1s\" } }\n"
                    "method { id: \"b\" base: \"a\" timeout: \"1s\" }"),
            "p:2: method[1].hedging.delay: is 1s; allowed less than timeout = "
            "1s, or no hedge is ever sent");
}

TEST(PolicyErrorTest, LiveDelayAndDeadlineGate) {
  EXPECT_EQ(ErrorOf("method { name {} hedging { delay: \"1ms\"\n"
                    "quantile: 0.9 } }"),
            "p:2: method[0].hedging.quantile: is 0.9; allowed: not beside "
            "delay");
  EXPECT_EQ(ErrorOf("method { name {} hedging { quantile: nan\n"
                    "min_delay: \"2s\"\nmax_delay: \"1 s\" } }"),
            "p:1: method[0].hedging.quantile: is nan; allowed (0, 1)\n"
            "p:3: method[0].hedging.max_delay: \"1 s\" is not a duration; "
            "allowed: a decimal number and one of ns, us, ms, s, m, h, as in "
            "\"250ms\" or \"1.5s\", or \"0\"");
  // It is checked even while it is off.
  EXPECT_EQ(ErrorOf("method { name {} deadline_gate { quantile: 1\n"
                    "enabled: false } }"),
            "p:1: method[0].deadline_gate.quantile: is 1; allowed (0, 1)");
}

TEST(PolicyErrorTest, Channels) {
  EXPECT_EQ(ErrorOf("channel { name: \"a\" }\nchannel { name: \"a\" }"),
            "p:2: channel[1].name: is \"a\", as channel[0].name; allowed: each "
            "channel once");
  EXPECT_EQ(ErrorOf("channel {}\nchannel {}"),
            "p:2: channel[1].name: is \"\", as channel[0].name; allowed: each "
            "channel once");
  EXPECT_EQ(ErrorOf("channel {\n budget { ratio: -0.5\n burst: 0 } }"),
            "p:2: channel[0].budget.ratio: is -0.5; allowed [0, 1]\n"
            "p:3: channel[0].budget.burst: is 0; allowed [1, 10000]");
  EXPECT_EQ(ErrorOf("channel { budget { ratio: 2 }\n throttling {\n"
                    "max_tokens: 0\n token_ratio: 1001 } }"),
            "p:1: channel[0].budget.ratio: is 2; allowed [0, 1]\n"
            "p:3: channel[0].throttling.max_tokens: is 0; allowed [0.001, "
            "1000]\n"
            "p:4: channel[0].throttling.token_ratio: is 1001; allowed [0.001, "
            "1000]");
  EXPECT_EQ(ErrorOf("channel { name: \"a\\nb\" }"),
            "p:1: channel[0].name: is \"a\\nb\"; allowed: printable ASCII");
}

TEST(PolicyErrorTest, Contradictions) {
  EXPECT_EQ(FieldError("hedging { all_codes_fatal: true "
                       "non_fatal_codes: ABORTED }"),
            "hedging.all_codes_fatal: is true; allowed: false, or no "
            "non_fatal_codes beside it");
  EXPECT_EQ(FieldError("retry { max_attempts: 4 } hedging { max_attempts: 3 }"),
            "hedging.max_attempts: is 3; allowed 4, as retry.max_attempts: "
            "both share one limit");
  // Reported once, where it is set.
  EXPECT_EQ(FieldError("retry {} hedging { max_attempts: 30 }"),
            "hedging.max_attempts: is 30; allowed [2, 10]");
}

TEST(PolicyErrorTest, PartsThatAreOffAreCheckedToo) {
  EXPECT_EQ(FieldError("breaker { enabled: false probes: 0 }"),
            "breaker.probes: is 0; allowed [1, 1000]");
  EXPECT_EQ(FieldError("retry { enabled: false max_attempts: 1 }"),
            "retry.max_attempts: is 1; allowed [2, 10]");
  EXPECT_EQ(FieldError("hedging { enabled: false max_attempts: 1 }"),
            "hedging.max_attempts: is 1; allowed [2, 10]");
}

TEST(PolicyErrorTest, BadDurationsAreNamedAndHaveNoConsequences) {
  EXPECT_EQ(FieldError("timeout: \"2 s\""),
            "timeout: \"2 s\" is not a duration; allowed: a decimal number and "
            "one of ns, us, ms, s, m, h, as in \"250ms\" or \"1.5s\", or "
            "\"0\"");
  for (const char* body :
       {"timeout: \"\" hedging { delay: \"1s\" }",
        "breaker { open_duration: \"x\" max_open_duration: \"2ms\" }",
        "breaker { max_open_duration: \"x\" }",
        "breaker { probe_timeout: \"\" }",
        "breaker { slow_call_duration: \"x\" }",
        "breaker { half_open_duration: \"x\" }",
        "breaker { ramp { duration: \"x\" } }",
        "breaker { window { duration: \"x\" } }",
        "retry { backoff { initial: \"x\" max: \"2ms\" } }",
        "retry { backoff { initial: \"9s\" max: \"x\" } }",
        "retry { attempt_timeout: \"-1s\" }", "hedging { delay: \"5\" }"}) {
    const std::string error = FieldError(body);
    EXPECT_THAT(error, HasSubstr("is not a duration; allowed: ")) << body;
    EXPECT_THAT(error, Not(HasSubstr("\n"))) << body;
  }
}

TEST(PolicyErrorTest, CodesThatAreNotAllowed) {
  EXPECT_EQ(
      ErrorOf("method { name {} retry { codes: UNAVAILABLE\n codes: OK } }"),
      "p:2: method[0].retry.codes[1]: is OK; allowed: codes other than "
      "OK");
  EXPECT_EQ(FieldError("breaker { failure_codes: OK }"),
            "breaker.failure_codes[0]: is OK; allowed: codes other than OK");
  EXPECT_EQ(FieldError("hedging { non_fatal_codes: [17, -1] }"),
            "hedging.non_fatal_codes[0]: is 17; allowed: a name of Code\n"
            "p:1: method[0].hedging.non_fatal_codes[1]: is -1; allowed: a name "
            "of Code");
  EXPECT_EQ(FieldError("breaker { ignored_codes: OK }"),
            "breaker.ignored_codes[0]: is OK; allowed: codes other than OK");
  EXPECT_EQ(FieldError("breaker { mode: 3 }"),
            "breaker.mode: is 3; allowed: ENFORCE, SHADOW, DISABLED");
  EXPECT_EQ(FieldError("breaker { scope: -1 }"),
            "breaker.scope: is -1; allowed: METHOD, CHANNEL");
  EXPECT_EQ(FieldError("retry { backoff { jitter: 9 } }"),
            "retry.backoff.jitter: is 9; allowed: FULL, EQUAL, PLUS_MINUS, "
            "NONE");
  EXPECT_EQ(ErrorOf("method {\n  retry { codes: SOMETIMES } }"),
            "p:2:28: Unknown enumeration value of \"SOMETIMES\" for field "
            "\"codes\".");
}

TEST(PolicyErrorTest, Names) {
  EXPECT_EQ(ErrorOf("method {\n name { method: \"Pay\" } }"),
            "p:2: method[0].name[0].method: is \"Pay\" without a service; "
            "allowed: only beside one");
  EXPECT_EQ(ErrorOf("method { name { service: \"/s\" } }"),
            "p:1: method[0].name[0].service: is \"/s\"; allowed: the full name "
            "without slashes around it, as \"shop.v1.PaymentService\"");
  EXPECT_EQ(ErrorOf("method { name { service: \"s\" method: \"s/Pay\" } }"),
            "p:1: method[0].name[0].method: is \"s/Pay\"; allowed: the "
            "method's own name, as \"Charge\"");
  EXPECT_EQ(ErrorOf("method { name {} }\nmethod { name { service: \"a\" }\n"
                    "name {} }"),
            "p:3: method[1].name[1]: is the same as method[0].name[0]; "
            "allowed: each name once");
  EXPECT_EQ(ErrorOf("method { name { channel: \"\\001\" } }"),
            "p:1: method[0].name[0].channel: is \"\\x01\"; allowed: printable "
            "ASCII");
  EXPECT_EQ(ErrorOf("method { timeout: \"1s\" }"),
            "p:1: method[0]: has neither name nor id and so no use; allowed: a "
            "name to match calls (name {} for all), or an id to be a base");
}

TEST(PolicyErrorTest, SyntaxHasLineAndColumn) {
  EXPECT_EQ(ErrorOf("method {\n  timeout \"1s\"\n}"),
            "p:2:11: Expected \":\", found \"\"1s\"\".");
  EXPECT_EQ(ErrorOf("method { timeout: 5 }"),
            "p:1:19: Expected string, got: 5; a time is a string with its "
            "unit: \"5s\"");
  EXPECT_THAT(ErrorOf("method {"), HasSubstr("p:1:"));
  EXPECT_THAT(ErrorOf("}"), HasSubstr("p:1:1: "));
  EXPECT_THAT(ErrorOf("method { timeout: \"1s\" timeout: \"2s\" }"),
              HasSubstr("\"timeout\" is specified multiple times"));
  EXPECT_THAT(
      ErrorOf("method { breaker { window { calls: 5 duration: \"1s\" } } }"),
      HasSubstr("specified along with field"));
  EXPECT_THAT(ErrorOf("method { retry { max_attempts: 99999999999 } }"),
              HasSubstr("Integer out of range (99999999999)"));
}

TEST(PolicyErrorTest, UnknownFieldsAreAllNamed) {
  const std::string error = ErrorOf(
      "method { name {} timeuot: \"1s\"\n"
      "  breaker { failure_rat { x: [1, 2] } failure_rate: 2 }\n"
      "  [no.such.extension]: 1 }\n"
      "metod {}");
  EXPECT_THAT(error, HasSubstr("p:1:25: Message type "
                               "\"firebreak.v1.MethodPolicy\" has no field "
                               "named \"timeuot\"; did you mean "
                               "\"timeout\"?"));
  EXPECT_THAT(error, HasSubstr("p:2:"));
  EXPECT_THAT(error, HasSubstr("\"failure_rat\""));
  EXPECT_THAT(error, HasSubstr("breaker.failure_rate: is 2; allowed [0, 1]"));
  EXPECT_THAT(error, HasSubstr("no.such.extension"));
  EXPECT_THAT(error, HasSubstr("\"metod\""));
}

TEST(PolicyErrorTest, EmptyListsAreNotTakenForTheDefault) {
  EXPECT_EQ(ErrorOf("method { name {}\n hedging { non_fatal_codes: [ ] } }"),
            "p:2:31: An empty list says nothing; allowed: at least one value, "
            "or leave the field out.");
  EXPECT_TRUE(
      ParsePolicyText("method { name { service: \"[]\" } }  # []", "p").ok());
}

TEST(PolicyErrorTest, AllAtOnceInTheOrderOfTheText) {
  EXPECT_EQ(
      ErrorOf("channel { budget { ratio: 2 } }\n"
              "method { id: \"a\" base: \"b\"\n"
              "  name { method: \"m\" }\n"
              "  breaker { probes: 1001\n"
              "            open_duration: \"soon\" }\n"
              "  retry { codes: OK } }\n"
              "method { name {} name {} timeout: \"61m\" }\n"),
      "p:1: channel[0].budget.ratio: is 2; allowed [0, 1]\n"
      "p:2: method[0].base: is \"b\"; allowed: the id of an entry of this "
      "policy\n"
      "p:3: method[0].name[0].method: is \"m\" without a service; allowed: "
      "only beside one\n"
      "p:4: method[0].breaker.probes: is 1001; allowed [1, 1000]\n"
      "p:5: method[0].breaker.open_duration: \"soon\" is not a duration; "
      "allowed: a decimal number and one of ns, us, ms, s, m, h, as in "
      "\"250ms\" or \"1.5s\", or \"0\"\n"
      "p:6: method[0].retry.codes[0]: is OK; allowed: codes other than OK\n"
      "p:7: method[1].timeout: is 3660s; allowed [0s, 3600s]\n"
      "p:7: method[1].name[1]: is the same as method[1].name[0]; allowed: each "
      "name once");
}

TEST(PolicyErrorTest, ThereIsAnEndToWhatIsReported) {
  std::string text;
  for (int i = 0; i < 1'000; ++i) absl::StrAppend(&text, "method {}\n");
  const std::string error = ErrorOf(text);
  EXPECT_THAT(error, HasSubstr("\np: and 900 more errors"));
  EXPECT_LT(error.size(), 20'000u);
}

TEST(PolicyErrorTest, AMessageHasNoLines) {
  v1::PolicySet set;
  EXPECT_EQ(CompilePolicy(set, "proto").status().message(),
            "proto: has no entry; allowed: at least one method or channel "
            "entry");
  v1::MethodPolicy* method = set.add_method();
  method->add_name();
  method->mutable_breaker()->set_failure_rate(1.5);
  method->mutable_retry()->add_codes(static_cast<v1::Code>(99));
  EXPECT_EQ(CompilePolicy(set, "proto").status().message(),
            "proto: method[0].retry.codes[0]: is 99; allowed: a name of Code\n"
            "proto: method[0].breaker.failure_rate: is 1.5; allowed [0, 1]");
  method->mutable_breaker()->set_failure_rate(0.5);
  method->mutable_retry()->clear_codes();
  const absl::StatusOr<PolicyTable> table = CompilePolicy(set, "proto");
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_TRUE(table->Find("c", "/s/m")->breaker.has_value());
}

TEST(PolicySharedBreakerTest, HasOneMode) {
  const auto problem = [](const std::string& a, const std::string& b) {
    const auto table =
        ParsePolicyText("method { id: \"one\" name { " + a +
                            " } breaker { scope: CHANNEL } }\n"
                            "method { id: \"two\" name { " +
                            b + " } breaker { scope: CHANNEL mode: SHADOW } }",
                        "p");
    return table.ok() ? "" : std::string(table.status().message());
  };
  const std::string wrong =
      "p:2: method[1].breaker.mode: differs from that of \"one\", with which "
      "it "
      "shares the breaker of a channel (scope: CHANNEL); allowed: one mode for "
      "both";
  EXPECT_EQ(problem("channel: \"a\"", "channel: \"a\" service: \"s\""), wrong);
  EXPECT_EQ(problem("", "channel: \"a\""), wrong);
  EXPECT_EQ(problem("channel: \"a\"", "service: \"s\""), wrong);
  EXPECT_EQ(problem("channel: \"a\"", "channel: \"b\""), "");
}

TEST(PolicySharedBreakerTest, OneThatIsOffIsNotShared) {
  EXPECT_TRUE(ParsePolicyText("method { name {} breaker { scope: CHANNEL } }"
                              "method { name { service: \"s\" }"
                              "  breaker { scope: CHANNEL mode: DISABLED } }",
                              "p")
                  .ok());
}

}  // namespace
}  // namespace firebreak::engine
