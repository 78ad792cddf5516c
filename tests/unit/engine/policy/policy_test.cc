// The policy language: what a policy means. Errors are in
// policy_errors_test.cc, and files and garbage in policy_file_test.cc.
#include "src/engine/policy/policy.h"

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace firebreak::engine {
namespace {

using absl::StatusCode;
using std::chrono::milliseconds;
using std::chrono::seconds;
using MethodOptionsPtr = std::shared_ptr<const core::MethodOptions>;

PolicyTable Compile(absl::string_view text) {
  absl::StatusOr<PolicyTable> table = ParsePolicyText(text, "p");
  EXPECT_TRUE(table.ok()) << table.status() << "\n" << text;
  return table.ok() ? *table : PolicyTable();
}

// Returns the options of the only entry, which has this body.
core::MethodOptions Options(absl::string_view body) {
  const MethodOptionsPtr found =
      Compile(absl::StrCat("method { name {} ", body, " }")).Find("c", "/s/m");
  return found == nullptr ? core::MethodOptions() : *found;
}

// --- Who wins -------------------------------------------------------------

TEST(PolicyPrecedenceTest, TheMostExactNameWins) {
  // From the weakest to the strongest. "Pay" of "pkg.S" on "ch" matches all.
  const char* const kNames[] = {
      R"({})",
      R"({ channel: "ch" })",
      R"({ service: "pkg.S" })",
      R"({ channel: "ch" service: "pkg.S" })",
      R"({ service: "pkg.S" method: "Pay" })",
      R"({ channel: "ch" service: "pkg.S" method: "Pay" })",
  };
  for (int strongest = 0; strongest < 6; ++strongest) {
    for (bool reversed : {false, true}) {
      std::string text;
      for (int i = 0; i <= strongest; ++i) {
        const int n = reversed ? strongest - i : i;
        absl::StrAppend(&text, "method { id: \"", n, "\" name ", kNames[n],
                        " }\n");
      }
      const MethodOptionsPtr found = Compile(text).Find("ch", "/pkg.S/Pay");
      ASSERT_NE(found, nullptr) << text;
      EXPECT_EQ(found->policy, absl::StrCat(strongest)) << text;
    }
  }
}

TEST(PolicyPrecedenceTest, ANameMatchesOnlyWhatItNames) {
  const PolicyTable table = Compile(R"(
      method { id: "m" name { service: "pkg.S" method: "Pay" } }
      method { id: "cs" name { channel: "ch" service: "pkg.S" } }
      method { id: "c" name { channel: "ch" } })");
  const auto who = [&](const char* channel, const char* method) {
    const MethodOptionsPtr found = table.Find(channel, method);
    return found == nullptr ? std::string("none") : found->policy;
  };
  EXPECT_EQ(who("ch", "/pkg.S/Pay"), "m");
  EXPECT_EQ(who("other", "/pkg.S/Pay"), "m");
  EXPECT_EQ(who("ch", "/pkg.S/Refund"), "cs");
  EXPECT_EQ(who("ch", "/pkg.s/Pay"), "c");
  EXPECT_EQ(who("ch", "/pkg.T/Pay"), "c");
  EXPECT_EQ(who("other", "/pkg.S/Refund"), "none");
  EXPECT_EQ(who("", "/pkg.T/Pay"), "none");
  // A name that is not a gRPC path belongs to no service.
  EXPECT_EQ(who("ch", "Pay"), "c");
  EXPECT_EQ(who("ch", ""), "c");
  EXPECT_EQ(who("ch", "/"), "c");
  EXPECT_EQ(who("other", "//Pay"), "none");
  // A service may be mounted under a prefix.
  EXPECT_EQ(who("ch", "/v1/pkg.S/Pay"), "c");
}

TEST(PolicyPrecedenceTest, TheWinnerAppliesWhole) {
  const PolicyTable table = Compile(R"(
      method { name {} retry {} breaker {} timeout: "1s" }
      method { name { service: "s" } hedging {} })");
  const MethodOptionsPtr found = table.Find("c", "/s/m");
  EXPECT_TRUE(found->hedging.has_value());
  EXPECT_FALSE(found->retry.has_value());
  EXPECT_FALSE(found->breaker.has_value());
  EXPECT_EQ(found->timeout, seconds(0));
}

TEST(PolicyPrecedenceTest, NoEntryMeansNoOptions) {
  EXPECT_EQ(PolicyTable().Find("c", "/s/m"), nullptr);
  EXPECT_EQ(Compile("channel {}").Find("c", "/s/m"), nullptr);
}

TEST(PolicyPrecedenceTest, NamesOfAnEntryShareItsOptions) {
  const PolicyTable table =
      Compile(R"(method { name { service: "a" } name { service: "b" } })");
  EXPECT_EQ(table.Find("", "/a/m"), table.Find("", "/b/m"));
  EXPECT_EQ(table.Find("", "/a/m")->policy, "method[0]");
}

TEST(PolicyTableTest, SurvivesAMove) {
  PolicyTable table = Compile("method { name {} }");
  // NOLINTNEXTLINE(performance-move-const-arg): a move is a copy
  const PolicyTable other = std::move(table);
  EXPECT_NE(other.Find("c", "/s/m"), nullptr);
  EXPECT_NE(table.Find("c", "/s/m"), nullptr);  // NOLINT: that is the point
}

// --- Fields ---------------------------------------------------------------

TEST(PolicyFieldsTest, PartsThatAreAbsentAreOff) {
  const core::MethodOptions options = Options("");
  EXPECT_EQ(options.timeout, seconds(0));
  EXPECT_FALSE(options.breaker || options.retry || options.hedging);
  EXPECT_FALSE(options.wait_for_ready || options.idempotent);
  EXPECT_FALSE(options.NeedsDriver());
}

TEST(PolicyFieldsTest, EmptyPartsHaveTheDefaultsOfTheCore) {
  const core::MethodOptions options = Options("breaker {} retry {}");
  const core::BreakerOptions breaker;
  EXPECT_EQ(options.breaker->consecutive_failures,
            breaker.consecutive_failures);
  EXPECT_EQ(options.breaker->failure_rate, breaker.failure_rate);
  EXPECT_EQ(options.breaker->minimum_calls, breaker.minimum_calls);
  EXPECT_EQ(options.breaker->window.kind, breaker.window.kind);
  EXPECT_EQ(options.breaker->window.duration, breaker.window.duration);
  EXPECT_EQ(options.breaker->open_duration, breaker.open_duration);
  EXPECT_EQ(options.breaker->max_open_duration, breaker.max_open_duration);
  EXPECT_EQ(options.breaker->probes, breaker.probes);
  EXPECT_EQ(options.breaker->failure_codes, breaker.failure_codes);
  EXPECT_EQ(options.retry->max_attempts, 3);
  EXPECT_EQ(options.retry->backoff.initial, milliseconds(100));
  EXPECT_EQ(options.retry->codes, core::CodeSet({StatusCode::kUnavailable}));
  EXPECT_FALSE(options.retry->adaptive.has_value());
  EXPECT_EQ(Options("retry { adaptive {} }").retry->adaptive->floor,
            core::AdaptiveRetryOptions().floor);
  EXPECT_EQ(Options("hedging {}").hedging->max_attempts, 2);
}

TEST(PolicyFieldsTest, EveryFieldArrives) {
  const core::MethodOptions options = Options(R"(
      timeout: "2s" wait_for_ready: true idempotent: false
      breaker {
        consecutive_failures: 7 failure_rate: 0.25 minimum_calls: 11
        window { calls: 50 } open_duration: "3s" open_growth: 1.5
        max_open_duration: "40s" open_jitter: 0.2 probes: 2 probe_samples: 6
        probe_success_ratio: 0.75 probe_timeout: "4s"
        failure_codes: [INTERNAL, ABORTED]
      }
      retry {
        max_attempts: 4
        backoff { initial: "30ms" multiplier: 3 max: "1m" jitter: PLUS_MINUS }
        codes: UNAVAILABLE codes: ABORTED attempt_timeout: "0.7s"
        attempt_timeout_growth: 1.25
        adaptive { floor: 0.2 half_life: "10s" max_delay: "2m" }
      }
      hedging { max_attempts: 4 delay: "20ms" non_fatal_codes: [INTERNAL] })");
  EXPECT_EQ(options.timeout, seconds(2));
  EXPECT_EQ(options.wait_for_ready, true);
  EXPECT_EQ(options.idempotent, false);
  ASSERT_TRUE(options.breaker.has_value());
  const core::BreakerOptions& breaker = *options.breaker;
  EXPECT_EQ(breaker.consecutive_failures, 7);
  EXPECT_EQ(breaker.failure_rate, 0.25);
  EXPECT_EQ(breaker.minimum_calls, 11);
  EXPECT_EQ(breaker.window.kind, core::WindowOptions::Kind::kCalls);
  EXPECT_EQ(breaker.window.calls, 50);
  EXPECT_EQ(breaker.open_duration, seconds(3));
  EXPECT_EQ(breaker.open_growth, 1.5);
  EXPECT_EQ(breaker.max_open_duration, seconds(40));
  EXPECT_EQ(breaker.open_jitter, 0.2);
  EXPECT_EQ(breaker.probes, 2);
  EXPECT_EQ(breaker.probe_samples, 6);
  EXPECT_EQ(breaker.probe_success_ratio, 0.75);
  EXPECT_EQ(breaker.probe_timeout, seconds(4));
  EXPECT_EQ(breaker.failure_codes,
            core::CodeSet({StatusCode::kInternal, StatusCode::kAborted}));
  ASSERT_TRUE(options.retry.has_value());
  const core::RetryOptions& retry = *options.retry;
  EXPECT_EQ(retry.max_attempts, 4);
  EXPECT_EQ(retry.backoff.initial, milliseconds(30));
  EXPECT_EQ(retry.backoff.multiplier, 3);
  EXPECT_EQ(retry.backoff.max, seconds(60));
  EXPECT_EQ(retry.backoff.jitter, core::BackoffOptions::Jitter::kPlusMinus);
  EXPECT_EQ(retry.codes,
            core::CodeSet({StatusCode::kUnavailable, StatusCode::kAborted}));
  EXPECT_EQ(retry.attempt_timeout, milliseconds(700));
  EXPECT_EQ(retry.attempt_timeout_growth, 1.25);
  ASSERT_TRUE(retry.adaptive.has_value());
  EXPECT_EQ(retry.adaptive->floor, 0.2);
  EXPECT_EQ(retry.adaptive->half_life, seconds(10));
  EXPECT_EQ(retry.adaptive->max_delay, seconds(120));
  ASSERT_TRUE(options.hedging.has_value());
  EXPECT_EQ(options.hedging->max_attempts, 4);
  EXPECT_EQ(options.hedging->delay, milliseconds(20));
  EXPECT_EQ(options.hedging->non_fatal_codes,
            core::CodeSet({StatusCode::kInternal}));
}

TEST(PolicyFieldsTest, ALiveHedgeDelayAndADeadlineGate) {
  const core::MethodOptions options = Options(R"(
      hedging { quantile: 0.95 min_delay: "2ms" max_delay: "700ms" }
      deadline_gate { quantile: 0.25 first_attempt: true })");
  EXPECT_EQ(options.hedging->quantile, 0.95);
  EXPECT_EQ(options.hedging->min_delay, milliseconds(2));
  EXPECT_EQ(options.hedging->max_delay, milliseconds(700));
  ASSERT_TRUE(options.deadline_gate.has_value());
  EXPECT_EQ(options.deadline_gate->quantile, 0.25);
  EXPECT_TRUE(options.deadline_gate->first_attempt);

  const core::MethodOptions defaults = Options("hedging {} deadline_gate {}");
  EXPECT_EQ(defaults.hedging->quantile, 0);
  EXPECT_EQ(defaults.hedging->min_delay, milliseconds(1));
  EXPECT_EQ(defaults.hedging->max_delay, seconds(1));
  EXPECT_EQ(defaults.deadline_gate->quantile, 0.17);
  EXPECT_FALSE(defaults.deadline_gate->first_attempt);
  EXPECT_FALSE(Options("deadline_gate { enabled: false }").deadline_gate);
}

TEST(PolicyFieldsTest, TheDelayOfABaseIsReplacedByAQuantileAndBack) {
  const PolicyTable table = Compile(R"(
      method { id: "fixed" name { service: "f" } hedging { delay: "20ms" } }
      method { id: "live" base: "fixed" name { service: "l" }
               hedging { quantile: 0.9 } }
      method { id: "back" base: "live" name { service: "b" }
               hedging { delay: "30ms" } deadline_gate {} }
      method { base: "back" name { service: "o" }
               deadline_gate { enabled: false } })");
  EXPECT_EQ(table.Find("", "/l/m")->hedging->quantile, 0.9);
  EXPECT_EQ(table.Find("", "/b/m")->hedging->quantile, 0);
  EXPECT_EQ(table.Find("", "/b/m")->hedging->delay, milliseconds(30));
  EXPECT_TRUE(table.Find("", "/b/m")->deadline_gate.has_value());
  EXPECT_FALSE(table.Find("", "/o/m")->deadline_gate.has_value());
}

TEST(PolicyFieldsTest, EveryFurtherFieldOfTheBreakerArrives) {
  using core::BreakerOptions;
  const core::MethodOptions options = Options(R"(
      breaker {
        mode: SHADOW scope: CHANNEL leaky_failures: 8
        slow_call_duration: "700ms" slow_call_rate: 0.75 leaky_slow_calls: 9
        confidence: 0.99 half_open_duration: "20s"
        ramp { initial: 0.25 duration: "6s" }
        ignored_codes: [UNKNOWN] overload_counts: true
      })");
  const BreakerOptions& breaker = *options.breaker;
  EXPECT_EQ(breaker.mode, BreakerOptions::Mode::kShadow);
  EXPECT_EQ(breaker.scope, BreakerOptions::Scope::kChannel);
  EXPECT_EQ(breaker.leaky_failures, 8);
  EXPECT_EQ(breaker.slow_call_duration, milliseconds(700));
  EXPECT_EQ(breaker.slow_call_rate, 0.75);
  EXPECT_EQ(breaker.leaky_slow_calls, 9);
  EXPECT_EQ(breaker.confidence, 0.99);
  EXPECT_EQ(breaker.half_open_duration, seconds(20));
  EXPECT_EQ(breaker.ramp.initial, 0.25);
  EXPECT_EQ(breaker.ramp.duration, seconds(6));
  EXPECT_EQ(breaker.ignored_codes, core::CodeSet({StatusCode::kUnknown}));
  EXPECT_TRUE(breaker.overload_counts);
  EXPECT_EQ(Options("breaker { mode: DISABLED }").breaker->mode,
            BreakerOptions::Mode::kDisabled);
}

TEST(PolicyFieldsTest, ARampIsByTheOutageUnlessThereAndThenTakesTenSeconds) {
  EXPECT_FALSE(Options("breaker {}").breaker->ramp.duration.has_value());
  EXPECT_EQ(Options("breaker { ramp {} }").breaker->ramp.duration, seconds(10));
  EXPECT_EQ(
      Options("breaker { ramp { duration: \"0\" } }").breaker->ramp.duration,
      seconds(0));
}

TEST(PolicyFieldsTest, WhoSaysHowLongItStaysOpenHasNoProbesBefore) {
  const auto interval = [](absl::string_view breaker) {
    return Options(absl::StrCat("breaker { ", breaker, " }"))
        .breaker->probe_interval;
  };
  EXPECT_EQ(interval(""), seconds(1));
  EXPECT_EQ(interval("probe_interval: \"3s\""), seconds(3));
  EXPECT_EQ(interval("open_duration: \"3s\""), seconds(0));
  EXPECT_EQ(interval("open_growth: 3"), seconds(0));
  EXPECT_EQ(interval("max_open_duration: \"90s\""), seconds(0));
  EXPECT_EQ(interval("open_duration: \"3s\" probe_interval: \"2s\""),
            seconds(2));
  EXPECT_EQ(interval("probe_interval: \"0\""), seconds(0));
  // An inherited field counts as set, too.
  const auto table = ParsePolicyText(
      "method { name { service: 's' method: 'a' } id: 'a' "
      "  breaker { probe_interval: '5s' } } "
      "method { name { service: 's' method: 'b' } base: 'a' "
      "  breaker { open_growth: 1.5 } }",
      "p");
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_EQ(table->Find("c", "/s/b")->breaker->probe_interval, seconds(5));
}

TEST(PolicyFieldsTest, RulesAskForCertaintyUnlessTheyAreToldNotTo) {
  EXPECT_FALSE(Options("breaker {}").breaker->confidence.has_value());
  EXPECT_EQ(Options("breaker { confidence: 0 }").breaker->confidence, 0);
}

TEST(PolicyFieldsTest, EveryCodeHasItsCanonicalNumber) {
  for (int n = 1; n < core::kStatusCodes; ++n) {
    const auto code = static_cast<StatusCode>(n);
    EXPECT_EQ(v1::Code_Name(n), absl::StatusCodeToString(code));
    const core::MethodOptions options = Options(
        absl::StrCat("retry { codes: ", absl::StatusCodeToString(code), " }"));
    EXPECT_EQ(options.retry->codes, core::CodeSet({code}));
  }
  EXPECT_EQ(v1::Code_ARRAYSIZE, core::kStatusCodes);
}

TEST(PolicyFieldsTest, AllCodesFatalEmptiesTheList) {
  EXPECT_TRUE(Options("hedging { all_codes_fatal: true }")
                  .hedging->non_fatal_codes.empty());
  EXPECT_FALSE(Options("hedging { all_codes_fatal: false }")
                   .hedging->non_fatal_codes.empty());
}

TEST(PolicyFieldsTest, RetryAndHedgingShareMaxAttempts) {
  const struct {
    const char* body;
    int want;
  } kCases[] = {
      {"retry {} hedging {}", 3},
      {"retry { max_attempts: 5 } hedging {}", 5},
      {"retry {} hedging { max_attempts: 4 }", 4},
      {"retry { max_attempts: 6 } hedging { max_attempts: 6 }", 6},
  };
  for (const auto& c : kCases) {
    const core::MethodOptions options = Options(c.body);
    EXPECT_EQ(options.retry->max_attempts, c.want) << c.body;
    EXPECT_EQ(options.hedging->max_attempts, c.want) << c.body;
  }
  // A part that is off is ignored.
  const core::MethodOptions off = Options(
      "retry { max_attempts: 4 } hedging { max_attempts: 3 enabled: false }");
  EXPECT_EQ(off.max_attempts(), 4);
  EXPECT_FALSE(off.hedging.has_value());
}

// --- Inheritance ----------------------------------------------------------

TEST(PolicyBaseTest, SetFieldsWinAndTheRestIsInherited) {
  const PolicyTable table = Compile(R"(
      method {
        id: "leaf" base: "middle" name { service: "leaf" }
        timeout: "0"
        retry { codes: [ABORTED, INTERNAL] }
        breaker { consecutive_failures: 0 window { duration: "7s" } }
      }
      method {
        id: "root" name { service: "root" }
        timeout: "5s"
        retry { max_attempts: 4 codes: [UNAVAILABLE] backoff { max: "3s" } }
        breaker { window { calls: 40 } probes: 9 }
      }
      method {
        id: "middle" base: "root"
        retry { backoff { initial: "10ms" } }
        hedging { delay: "50ms" }
      })");
  const MethodOptionsPtr leaf = table.Find("", "/leaf/m");
  ASSERT_NE(leaf, nullptr);
  EXPECT_EQ(leaf->policy, "leaf");
  EXPECT_EQ(leaf->timeout, seconds(0));
  EXPECT_EQ(leaf->retry->max_attempts, 4);
  EXPECT_EQ(leaf->retry->codes,
            core::CodeSet({StatusCode::kAborted, StatusCode::kInternal}));
  EXPECT_EQ(leaf->retry->backoff.initial, milliseconds(10));
  EXPECT_EQ(leaf->retry->backoff.max, seconds(3));
  EXPECT_EQ(leaf->breaker->consecutive_failures, 0);
  EXPECT_EQ(leaf->breaker->probes, 9);
  EXPECT_EQ(leaf->breaker->window.kind, core::WindowOptions::Kind::kTime);
  EXPECT_EQ(leaf->breaker->window.duration, seconds(7));
  EXPECT_EQ(leaf->hedging->delay, milliseconds(50));
  EXPECT_EQ(leaf->hedging->max_attempts, 4);

  const MethodOptionsPtr root = table.Find("", "/root/m");
  EXPECT_EQ(root->timeout, seconds(5));
  EXPECT_EQ(root->breaker->window.calls, 40);
  EXPECT_FALSE(root->hedging.has_value());
}

TEST(PolicyBaseTest, PartsCanBeSwitchedOffAndOnAgain) {
  const PolicyTable table = Compile(R"(
      method { id: "a" name { service: "a" }
               breaker {} retry { max_attempts: 4 } hedging {} }
      method { id: "b" base: "a" name { service: "b" }
               breaker { enabled: false } retry { enabled: false }
               hedging { enabled: false } }
      method { id: "c" base: "b" name { service: "c" }
               retry { enabled: true } })");
  EXPECT_TRUE(table.Find("", "/a/m")->hedging.has_value());
  const MethodOptionsPtr b = table.Find("", "/b/m");
  EXPECT_FALSE(b->breaker || b->retry || b->hedging);
  const MethodOptionsPtr c = table.Find("", "/c/m");
  EXPECT_EQ(c->retry->max_attempts, 4);
  EXPECT_FALSE(c->breaker.has_value());
}

TEST(PolicyBaseTest, AllCodesFatalIsInheritedAndTakenBack) {
  const PolicyTable table = Compile(R"(
      method { id: "a" hedging { all_codes_fatal: true } }
      method { base: "a" name { service: "same" } }
      method { base: "a" name { service: "list" }
               hedging { non_fatal_codes: ABORTED } }
      method { base: "a" name { service: "back" }
               hedging { all_codes_fatal: false } })");
  const auto codes = [&](const char* method) {
    return table.Find("", method)->hedging->non_fatal_codes;
  };
  EXPECT_EQ(codes("/same/m"), core::CodeSet());
  EXPECT_EQ(codes("/list/m"), core::CodeSet({StatusCode::kAborted}));
  EXPECT_EQ(codes("/back/m"), core::CodeSet({StatusCode::kUnavailable}));
}

TEST(PolicyBaseTest, YesAndNoAreInheritedAndOverridden) {
  const PolicyTable table = Compile(R"(
      method { id: "a" wait_for_ready: true idempotent: true
               retry { attempt_timeout_growth: 3 } }
      method { base: "a" name { service: "same" } retry { max_attempts: 4 } }
      method { base: "a" name { service: "no" }
               wait_for_ready: false idempotent: false
               retry { attempt_timeout_growth: 1 } })");
  const MethodOptionsPtr same = table.Find("", "/same/m");
  EXPECT_EQ(same->wait_for_ready, true);
  EXPECT_EQ(same->idempotent, true);
  EXPECT_EQ(same->retry->attempt_timeout_growth, 3);
  const MethodOptionsPtr no = table.Find("", "/no/m");
  EXPECT_EQ(no->wait_for_ready, false);
  EXPECT_EQ(no->idempotent, false);
  EXPECT_EQ(no->retry->attempt_timeout_growth, 1);
}

TEST(PolicyBaseTest, AdaptiveRetriesAreInheritedAndSwitchedOff) {
  const PolicyTable table = Compile(R"(
      method { id: "a" retry { adaptive { floor: 0.3 half_life: "1m" } } }
      method { id: "b" base: "a" name { service: "same" }
               retry { adaptive { half_life: "9s" } } }
      method { id: "c" base: "b" name { service: "off" }
               retry { adaptive { enabled: false } } }
      method { base: "c" name { service: "on" }
               retry { adaptive { enabled: true } } })");
  const auto same = table.Find("", "/same/m")->retry->adaptive;
  ASSERT_TRUE(same.has_value());
  EXPECT_EQ(same->floor, 0.3);
  EXPECT_EQ(same->half_life, seconds(9));
  const MethodOptionsPtr off = table.Find("", "/off/m");
  ASSERT_TRUE(off->retry.has_value());
  EXPECT_FALSE(off->retry->adaptive.has_value());
  const MethodOptionsPtr on = table.Find("", "/on/m");
  ASSERT_TRUE(on->retry->adaptive.has_value());
  EXPECT_EQ(on->retry->adaptive->floor, 0.3);
}

TEST(PolicyBaseTest, NamesAreNotInherited) {
  const PolicyTable table = Compile(R"(
      method { id: "a" name { service: "a" } timeout: "1s" }
      method { base: "a" name { service: "b" } timeout: "2s" })");
  EXPECT_EQ(table.Find("", "/a/m")->timeout, seconds(1));
  EXPECT_EQ(table.Find("", "/b/m")->policy, "method[1]");
}

TEST(PolicyBaseTest, AVeryLongChainIsFine) {
  std::string text = "method { id: \"0\" timeout: \"1s\" }\n";
  constexpr int kLength = 20'000;
  for (int i = 1; i < kLength; ++i) {
    absl::StrAppend(&text, "method{id:\"", i, "\"base:\"", i - 1, "\"}\n");
  }
  absl::StrAppend(&text, "method { base: \"", kLength - 1, "\" name {} }");
  EXPECT_EQ(Compile(text).Find("", "/s/m")->timeout, seconds(1));
}

// --- Channels -------------------------------------------------------------

TEST(PolicyChannelTest, OwnEntryThenDefaultEntryThenDefaults) {
  const PolicyTable table = Compile(R"(
      channel { budget { ratio: 0.3 burst: 20 } }
      channel { name: "a" budget { floor: 0 } }
      channel { name: "b" })");
  EXPECT_EQ(table.BudgetFor("other").ratio, 0.3);
  EXPECT_EQ(table.BudgetFor("other").burst, 20);
  EXPECT_EQ(table.BudgetFor("a").floor, 0);
  EXPECT_EQ(table.BudgetFor("a").ratio, 0.1);  // whole, too
  EXPECT_EQ(table.BudgetFor("b").ratio, 0.1);
  EXPECT_EQ(PolicyTable().BudgetFor("a").ratio, 0.1);
  EXPECT_EQ(PolicyTable().BudgetFor("a").burst, 10);
}

TEST(PolicyChannelTest, ThrottlingIsOffUnlessThere) {
  const PolicyTable table = Compile(R"(
      channel { budget { ratio: 0.3 } throttling { max_tokens: 50 } }
      channel { name: "a" throttling { max_tokens: 5 token_ratio: 0.5 } }
      channel { name: "b" throttling {} }
      channel { name: "c" budget { ratio: 0.3 } })");
  const core::BudgetOptions other = table.BudgetFor("other");
  EXPECT_EQ(other.ratio, 0.3);
  ASSERT_TRUE(other.throttling.has_value());
  EXPECT_EQ(other.throttling->max_tokens, 50);
  EXPECT_EQ(other.throttling->token_ratio, 0.1);
  const core::BudgetOptions a = table.BudgetFor("a");
  EXPECT_EQ(a.ratio, 0.1);
  ASSERT_TRUE(a.throttling.has_value());
  EXPECT_EQ(a.throttling->max_tokens, 5);
  EXPECT_EQ(a.throttling->token_ratio, 0.5);
  ASSERT_TRUE(table.BudgetFor("b").throttling.has_value());
  EXPECT_EQ(table.BudgetFor("b").throttling->max_tokens, 10);
  EXPECT_FALSE(table.BudgetFor("c").throttling.has_value());
  EXPECT_FALSE(PolicyTable().BudgetFor("a").throttling.has_value());
}

}  // namespace
}  // namespace firebreak::engine
