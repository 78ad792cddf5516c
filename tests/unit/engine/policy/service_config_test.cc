// The meaning of gRPC's service configs. Which ones are valid is tested in
// tests/conformance/a6_validation_test.cc.
#include "src/engine/policy/service_config.h"

#include <cmath>
#include <iterator>
#include <memory>
#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "firebreak/engine.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/engine/engine_core.h"
#include "src/engine/policy/policy.h"

namespace firebreak::engine {
namespace {

using absl::StatusCode;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;
using MethodOptionsPtr = std::shared_ptr<const core::MethodOptions>;

// The example of A6, as it may stand in a DNS record.
constexpr char kExample[] = R"({
  "loadBalancingPolicy": "round_robin",
  "methodConfig": [
    {
      "name": [{"service": "shop.v1.Payment", "method": "Charge"}],
      "waitForReady": true,
      "timeout": "2.5s",
      "retryPolicy": {
        "maxAttempts": 4,
        "initialBackoff": "0.1s",
        "maxBackoff": "1s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE", "aborted", 8]
      }
    },
    {
      "name": [{"service": "shop.v1.Inventory"}, {"service": "shop.v1.List"}],
      "hedgingPolicy": {
        "maxAttempts": 3,
        "hedgingDelay": "0.5s",
        "nonFatalStatusCodes": ["UNAVAILABLE", "INTERNAL", "ABORTED"]
      }
    },
    {"name": [{}], "maxRequestMessageBytes": 5}
  ],
  "retryThrottling": {"maxTokens": 10, "tokenRatio": 0.5466}
})";

PolicyTable Compile(absl::string_view json, bool clamp = true) {
  const absl::StatusOr<PolicyTable> table = ParsePolicyText(json, "p", clamp);
  EXPECT_TRUE(table.ok()) << table.status() << "\n" << json;
  return table.ok() ? *table : PolicyTable();
}

TEST(ServiceConfigTest, EveryFieldArrives) {
  const PolicyTable table = Compile(kExample);
  const MethodOptionsPtr charge = table.Find("c", "/shop.v1.Payment/Charge");
  ASSERT_NE(charge, nullptr);
  EXPECT_EQ(charge->policy, "methodConfig[0]");
  EXPECT_EQ(charge->timeout, milliseconds(2'500));
  EXPECT_EQ(charge->wait_for_ready, true);
  EXPECT_FALSE(charge->idempotent.has_value());
  EXPECT_FALSE(charge->breaker || charge->hedging);
  ASSERT_TRUE(charge->retry.has_value());
  const core::RetryOptions& retry = *charge->retry;
  EXPECT_EQ(retry.max_attempts, 4);
  EXPECT_EQ(retry.backoff.initial, milliseconds(100));
  EXPECT_EQ(retry.backoff.max, seconds(1));
  EXPECT_EQ(retry.backoff.multiplier, 2);
  EXPECT_EQ(retry.backoff.jitter, core::BackoffOptions::Jitter::kPlusMinus);
  EXPECT_EQ(retry.codes,
            core::CodeSet({StatusCode::kUnavailable, StatusCode::kAborted,
                           StatusCode::kResourceExhausted}));
  EXPECT_EQ(retry.attempt_timeout, seconds(0));

  const MethodOptionsPtr list = table.Find("c", "/shop.v1.List/Any");
  ASSERT_NE(list, nullptr);
  EXPECT_EQ(list, table.Find("c", "/shop.v1.Inventory/Any"));
  EXPECT_EQ(list->timeout, seconds(0));
  EXPECT_FALSE(list->wait_for_ready.has_value());
  EXPECT_FALSE(list->breaker || list->retry);
  ASSERT_TRUE(list->hedging.has_value());
  EXPECT_EQ(list->hedging->max_attempts, 3);
  EXPECT_EQ(list->hedging->delay, milliseconds(500));
  EXPECT_EQ(list->hedging->non_fatal_codes,
            core::CodeSet({StatusCode::kUnavailable, StatusCode::kInternal,
                           StatusCode::kAborted}));

  const MethodOptionsPtr any = table.Find("c", "/shop.v1.Payment/Refund");
  ASSERT_NE(any, nullptr);
  EXPECT_EQ(any->policy, "methodConfig[2]");
  EXPECT_FALSE(any->NeedsDriver());
}

TEST(ServiceConfigTest, ThrottlingStandsBesideTheDefaultBudget) {
  const core::BudgetOptions budget = Compile(kExample).BudgetFor("any");
  EXPECT_EQ(budget.ratio, core::BudgetOptions().ratio);
  EXPECT_EQ(budget.burst, core::BudgetOptions().burst);
  ASSERT_TRUE(budget.throttling.has_value());
  EXPECT_EQ(budget.throttling->max_tokens, 10);
  EXPECT_EQ(budget.throttling->token_ratio, 0.546) << "cut, not rounded";
  EXPECT_FALSE(Compile(R"({"methodConfig":[]})")
                   .BudgetFor("any")
                   .throttling.has_value());
  // A value with three decimals is exact.
  for (int n = 1; n <= 1'000; ++n) {
    const std::string ratio =
        absl::StrCat("0.", n < 100 ? "0" : "", n < 10 ? "0" : "", n % 1'000);
    if (n == 1'000) break;
    const auto throttling =
        Compile(absl::StrCat(R"({"retryThrottling":{"maxTokens":1,)",
                             R"("tokenRatio":)", ratio, "}}"))
            .BudgetFor("any")
            .throttling;
    ASSERT_TRUE(throttling.has_value());
    ASSERT_EQ(std::llround(throttling->token_ratio * 1'000), n) << ratio;
  }
}

TEST(ServiceConfigTest, HedgingDefaultsAreThoseOfA6) {
  const MethodOptionsPtr options = Compile(R"({"methodConfig":[{"name":[{}],
                  "hedgingPolicy":{"maxAttempts":2}}]})")
                                       .Find("c", "/s/m");
  ASSERT_TRUE(options->hedging.has_value());
  EXPECT_EQ(options->hedging->delay, seconds(0)) << "all at once";
  EXPECT_TRUE(options->hedging->non_fatal_codes.empty());
}

core::RetryOptions Retry(absl::string_view attempts, absl::string_view initial,
                         absl::string_view max, absl::string_view multiplier,
                         bool clamp = true) {
  const MethodOptionsPtr options =
      Compile(
          absl::StrCat(R"({"methodConfig":[{"name":[{}],"retryPolicy":{)",
                       R"("maxAttempts":)", attempts, R"(,"initialBackoff":")",
                       initial, R"(","maxBackoff":")", max,
                       R"(","backoffMultiplier":)", multiplier,
                       R"(,"retryableStatusCodes":[14]}}]})"),
          clamp)
          .Find("c", "/s/m");
  EXPECT_TRUE(options != nullptr && options->retry.has_value());
  return options == nullptr ? core::RetryOptions() : *options->retry;
}

TEST(ServiceConfigTest, AttemptsOverFiveAreFiveUnlessToldOtherwise) {
  EXPECT_EQ(Retry("5", "1s", "1s", "1").max_attempts, 5);
  EXPECT_EQ(Retry("6", "1s", "1s", "1").max_attempts, 5);
  EXPECT_EQ(Retry("100", "1s", "1s", "1").max_attempts, 5);
  EXPECT_EQ(Retry("6", "1s", "1s", "1", /*clamp=*/false).max_attempts, 6);
  EXPECT_EQ(Retry("10", "1s", "1s", "1", /*clamp=*/false).max_attempts, 10);
}

TEST(ServiceConfigTest, AFirstBackoffOverTheGreatestIsTheGreatest) {
  const core::RetryOptions retry = Retry("4", "5s", "2s", "3");
  EXPECT_EQ(retry.backoff.initial, seconds(2));
  EXPECT_EQ(retry.backoff.max, seconds(2));
  EXPECT_EQ(Retry("4", "1s", "2s", "0.5").backoff.multiplier, 0.5);
}

TEST(ServiceConfigTest, AMostExactNameWinsAsInGrpc) {
  const PolicyTable table = Compile(R"({"methodConfig":[
      {"name":[{}],"timeout":"1s"},
      {"name":[{"service":"a"}],"timeout":"2s"},
      {"name":[{"service":"a","method":"m"}],"timeout":"3s"},
      {"timeout":"4s"}]})");
  EXPECT_EQ(table.Find("c", "/a/m")->timeout, seconds(3));
  EXPECT_EQ(table.Find("c", "/a/n")->timeout, seconds(2));
  EXPECT_EQ(table.Find("c", "/b/m")->timeout, seconds(1));
}

// --- Engine ---------------------------------------------------------------

TEST(ServiceConfigEngineTest, FromServiceConfigAndFromText) {
  const auto direct = Engine::FromServiceConfig(kExample);
  ASSERT_TRUE(direct.ok()) << direct.status();
  const auto text = Engine::FromText(absl::StrCat("\xEF\xBB\xBF \n", kExample));
  ASSERT_TRUE(text.ok()) << text.status();
  for (const auto& engine : {*direct, *text}) {
    const auto method =
        engine->core()->BindChannel("c", {"t"})->Find("/shop.v1.List/Get");
    ASSERT_NE(method, nullptr);
    EXPECT_TRUE(method->settings->options->hedging.has_value());
  }
  EXPECT_TRUE(Engine::FromServiceConfig("{}").ok());
  EXPECT_TRUE(Engine::FromServiceConfig("\xEF\xBB\xBF {}").ok());
}

TEST(ServiceConfigEngineTest, TheClampIsAnOption) {
  constexpr char kSeven[] = R"({"methodConfig":[{"name":[{}],
      "hedgingPolicy":{"maxAttempts":7}}]})";
  const auto attempts = [&](bool from_text, bool clamp) {
    EngineOptions options;
    options.clamp_attempts_at_5 = clamp;
    const auto engine = from_text ? Engine::FromText(kSeven, options)
                                  : Engine::FromServiceConfig(kSeven, options);
    EXPECT_TRUE(engine.ok()) << engine.status();
    return (*engine)
        ->core()
        ->BindChannel("c", {"t"})
        ->Find("/s/m")
        ->settings->options->max_attempts();
  };
  EXPECT_EQ(attempts(false, true), 5);
  EXPECT_EQ(attempts(true, true), 5);
  EXPECT_EQ(attempts(false, false), 7);
  EXPECT_EQ(attempts(true, false), 7);
}

TEST(ServiceConfigEngineTest, ErrorsNameTheirOrigin) {
  constexpr char kWrong[] = R"({"methodConfig":[{"timeout":5}]})";
  EXPECT_THAT(std::string(Engine::FromServiceConfig(kWrong).status().message()),
              HasSubstr("service config: methodConfig[0].timeout: is 5; "));
  EXPECT_THAT(std::string(Engine::FromText(kWrong).status().message()),
              HasSubstr("policy: methodConfig[0].timeout: is 5; "));
  // Only a service config is accepted here.
  EXPECT_THAT(
      std::string(Engine::FromServiceConfig(R"({"method":[{"name":[{}]}]})")
                      .status()
                      .message()),
      HasSubstr("service config: has the key \"method\"; allowed: "));
  EXPECT_THAT(
      std::string(
          Engine::FromServiceConfig("method { name {} }").status().message()),
      HasSubstr("service config: cannot be read as JSON: "));
}

// --- Garbage --------------------------------------------------------------

void ExpectSurvives(absl::string_view json) {
  for (const bool clamp : {true, false}) {
    const auto set = FromServiceConfig(json, clamp);
    if (set.ok()) {
      const absl::Status compiled = CompilePolicy(*set, "p").status();
      ASSERT_TRUE(compiled.ok()) << compiled << "\n" << json;
      continue;
    }
    ASSERT_EQ(set.status().code(), StatusCode::kInvalidArgument);
    ASSERT_LT(set.status().message().size(), 60'000u);
    for (const char c : set.status().message()) {
      ASSERT_TRUE(c == '\n' || (c >= ' ' && c < 0x7f))
          << "unprintable byte in: " << set.status().message();
    }
  }
}

TEST(ServiceConfigGarbageTest, MutationsOfAValidOne) {
  const char* const kValues[] = {
      "1",     "-1",     "0",      "1e300",    "\"1s\"", "\"\"",  "[]",
      "{}",    "null",   "true",   "\"0.5s\"", "[14]",   "5.5",   "[{}]",
      "\"x\"", "[[[]]]", "1e-300", "\"a\"",    "-0.0",   "[null]"};
  std::mt19937 random(11);
  int valid = 0;
  for (int i = 0; i < 1'500; ++i) {
    std::string text = kExample;
    for (int n = 1 + static_cast<int>(random() % 3); n > 0; --n) {
      if (text.empty()) break;
      const size_t at = random() % text.size();
      switch (random() % 4) {
        case 0:
          text[at] = static_cast<char>(random());
          break;
        case 1:
          text.erase(at, random() % 20);
          break;
        case 2: {  // another value for a key: still JSON, so it goes deeper
          const size_t colon = text.find(": ", at);
          if (colon == std::string::npos) break;
          const size_t end = text.find_first_of(",}\n", colon);
          text.replace(colon + 2, end - colon - 2,
                       kValues[random() % std::size(kValues)]);
          break;
        }
        default:
          text.insert(at, text.substr(random() % text.size(), random() % 30));
          break;
      }
    }
    ExpectSurvives(text);
    if (FromServiceConfig(text, true).ok()) ++valid;
  }
  EXPECT_GT(valid, 20) << "mutations that break everything test little";
}

TEST(ServiceConfigGarbageTest, ManyErrorsAreCounted) {
  std::string text = R"({"methodConfig":[1)";
  for (int i = 0; i < 1'000; ++i) text += ",1";
  const absl::Status status = FromServiceConfig(text + "]}", true).status();
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("\nservice config: and 901 more errors"));
}

}  // namespace
}  // namespace firebreak::engine
