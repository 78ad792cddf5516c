// Tests which service configs are valid as a whole: methodConfig, its names,
// and keys that are not about calls. a6_validation_test.cc tests the blocks.
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/conformance/service_configs.h"

namespace firebreak::testing {
namespace {

// --- methodConfig ---------------------------------------------------------

TEST(A6ConfigTest, Timeout) {
  for (const Rule& rule : kNoDuration) {
    EXPECT_EQ(ErrorOf(InMethod(absl::StrCat("\"timeout\":", rule.value))),
              absl::StrCat("methodConfig[0].timeout: ", rule.error));
  }
  EXPECT_EQ(ErrorOf(InMethod(R"("timeout":"0s")")), "");
  EXPECT_EQ(ErrorOf(InMethod(R"("timeout":"3600s")")), "");
  EXPECT_EQ(ErrorOf(InMethod(R"("timeout":"3600.1s")")),
            "methodConfig[0].timeout: is 3600.1s; allowed [0s, 3600s]");
}

TEST(A6ConfigTest, WaitForReady) {
  EXPECT_EQ(ErrorOf(InMethod(R"("waitForReady":true)")), "");
  EXPECT_EQ(ErrorOf(InMethod(R"("waitForReady":false)")), "");
  EXPECT_EQ(ErrorOf(InMethod(R"("waitForReady":"true")")),
            "methodConfig[0].waitForReady: is \"true\"; allowed: true or "
            "false");
  EXPECT_EQ(ErrorOf(InMethod(R"("waitForReady":1)")),
            "methodConfig[0].waitForReady: is 1; allowed: true or false");
}

TEST(A6ConfigTest, Names) {
  const auto names = [](absl::string_view list) {
    return ErrorOf(absl::StrCat(R"({"methodConfig":[{"name":)", list, "}]}"));
  };
  EXPECT_EQ(names(R"([{}])"), "");
  EXPECT_EQ(names(R"([{"service":""}, {"service":"a"}])"), "");
  EXPECT_EQ(names(R"([{"service":"a"}, {"service":"a","method":"m"}])"), "");
  EXPECT_EQ(names(R"([])"), "");
  EXPECT_EQ(names("null"), "");
  EXPECT_EQ(names(R"([{"method":"m"}])"),
            "methodConfig[0].name[0].method: is \"m\" without a service; "
            "allowed: only beside one");
  EXPECT_EQ(names(R"([{"service":"","method":"m"}])"),
            "methodConfig[0].name[0].method: is \"m\" without a service; "
            "allowed: only beside one");
  EXPECT_EQ(names(R"([{}, {"service":""}])"),
            "methodConfig[0].name[1]: is the same as methodConfig[0].name[0]; "
            "allowed: each name once");
  EXPECT_EQ(ErrorOf(R"({"methodConfig":[
                {"name":[{"service":"a","method":"m"}]},
                {"name":[{"service":"b"},{"service":"a","method":"m"}]}]})"),
            "methodConfig[1].name[1]: is the same as methodConfig[0].name[0]; "
            "allowed: each name once");
  EXPECT_EQ(names(R"([{"service":"/a"}])"),
            "methodConfig[0].name[0].service: is \"/a\"; allowed: the full "
            "name without slashes around it, as \"shop.v1.PaymentService\"");
  EXPECT_EQ(names(R"([{"service":5},{"service":6},{}])"),
            "methodConfig[0].name[0].service: is 5; allowed: a string\n"
            "methodConfig[0].name[1].service: is 6; allowed: a string");
  EXPECT_EQ(names(R"(["a", "b"])"),
            "methodConfig[0].name[0]: is \"a\"; allowed: an object\n"
            "methodConfig[0].name[1]: is \"b\"; allowed: an object");
  EXPECT_EQ(names(R"({"service":"a"})"),
            "methodConfig[0].name: is an object; allowed: a list");
}

TEST(A6ConfigTest, TheListOfMethodConfigs) {
  EXPECT_EQ(ErrorOf(R"({"methodConfig":[]})"), "");
  EXPECT_EQ(ErrorOf(R"({"methodConfig":[{}]})"), "");
  EXPECT_EQ(ErrorOf(R"({"methodConfig":{}})"),
            "methodConfig: is an object; allowed: a list");
  EXPECT_EQ(ErrorOf(R"({"methodConfig":[1, {"timeout":1}]})"),
            "methodConfig[0]: is 1; allowed: an object\n"
            "methodConfig[1].timeout: is 1" ALLOWED_DURATION);
}

// --- Keys that are not about calls, and unknown keys ----------------------

TEST(A6ConfigTest, OtherKeysOfAServiceConfigAreSkipped) {
  EXPECT_EQ(ErrorOf("{}"), "");
  EXPECT_EQ(ErrorOf(R"({
    "loadBalancingPolicy": "ROUND_ROBIN",
    "loadBalancingConfig": [{"grpclb": {"childPolicy": [{"pick_first": {}}]}}],
    "healthCheckConfig": {"serviceName": ""},
    "connectionScaling": {"maxConnectionsPerSubchannel": 2},
    "methodConfig": [{
      "name": [{"service": "a"}],
      "maxRequestMessageBytes": 1024,
      "maxResponseMessageBytes": "2048"
    }]})"),
            "");
}

TEST(A6ConfigTest, KeysThatDoNotExistAreNamed) {
  EXPECT_EQ(ErrorOf(R"({"methodConfigs":[]})"),
            "has the key \"methodConfigs\"; allowed: methodConfig, "
            "retryThrottling, loadBalancingPolicy, loadBalancingConfig, "
            "healthCheckConfig, connectionScaling");
  EXPECT_EQ(ErrorOf(InMethod(R"("retrypolicy":{},"b\n":1)")),
            "methodConfig[0]: has the key \"b\\n\"; allowed: name, timeout, "
            "waitForReady, retryPolicy, hedgingPolicy, maxRequestMessageBytes, "
            "maxResponseMessageBytes\n"
            "methodConfig[0]: has the key \"retrypolicy\"; allowed: name, "
            "timeout, waitForReady, retryPolicy, hedgingPolicy, "
            "maxRequestMessageBytes, maxResponseMessageBytes");
  EXPECT_EQ(ErrorOf(InMethod(kRetry.With("jitter", "1"))),
            "methodConfig[0].retryPolicy: has the key \"jitter\"; allowed: "
            "maxAttempts, initialBackoff, maxBackoff, backoffMultiplier, "
            "retryableStatusCodes, perAttemptRecvTimeout");
  EXPECT_EQ(ErrorOf(InMethod(kHedging.With("maxattempts", "1"))),
            "methodConfig[0].hedgingPolicy: has the key \"maxattempts\"; "
            "allowed: maxAttempts, hedgingDelay, nonFatalStatusCodes");
  EXPECT_EQ(ErrorOf(absl::StrCat("{", kThrottling.With("ratio", "1"), "}")),
            "retryThrottling: has the key \"ratio\"; allowed: maxTokens, "
            "tokenRatio");
}

TEST(A6ConfigTest, EverythingAtOnce) {
  EXPECT_EQ(
      ErrorOf(R"({
    "retryThrottling": {"maxTokens": 0, "tokenRatio": 2000},
    "methodConfig": [
      {"name": [{}], "timeout": "1m", "waitForReady": 0, "retryPolicy": {
         "maxAttempts": 1, "initialBackoff": "x", "maxBackoff": "0.01s",
         "retryableStatusCodes": []}},
      {"name": [{"method": "m"}], "timeout": "1s", "hedgingPolicy": {
         "maxAttempts": 3, "hedgingDelay": "2s", "nonFatalStatusCodes": [99]}}
    ]})"),
      "methodConfig[0].timeout: is \"1m\"" ALLOWED_DURATION
      "\nmethodConfig[0].waitForReady: is 0; allowed: true or false\n"
      "methodConfig[0].retryPolicy.maxAttempts: is 1; allowed: a whole number "
      "over 1\n"
      "methodConfig[0].retryPolicy.initialBackoff: is \"x\"" ALLOWED_DURATION
      "\nmethodConfig[0].retryPolicy.backoffMultiplier: is missing; allowed: a "
      "number over 0\n"
      "methodConfig[0].retryPolicy.retryableStatusCodes: is an empty list; "
      "allowed: a list of at least one status code\n"
      "methodConfig[1].hedgingPolicy.nonFatalStatusCodes[0]: is 99" ALLOWED_CODE
      "\nretryThrottling.maxTokens: is 0; allowed: a number in [0.001, 1000]\n"
      "methodConfig[1].hedgingPolicy.hedgingDelay: is 2s; allowed less than "
      "timeout = 1s, or no hedge is ever sent\n"
      "methodConfig[1].name[0].method: is \"m\" without a service; allowed: "
      "only beside one");
}

}  // namespace
}  // namespace firebreak::testing
