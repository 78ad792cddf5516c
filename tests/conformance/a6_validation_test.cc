// Tests which retryPolicy, hedgingPolicy and retryThrottling is valid: the
// rules of gRFC A6, one on each line. The rest of a service config is tested in
// a6_validation_config_test.cc, and what a valid one means in
// tests/unit/engine/policy/service_config_test.cc.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/conformance/service_configs.h"

namespace firebreak::testing {
namespace {

void Check(const Block& block, const char* field, const std::string& path,
           const std::vector<Rule>& rules, bool clamp = true) {
  for (const Rule& rule : rules) {
    const std::string text = block.With(field, rule.value);
    const std::string json = path.rfind("methodConfig", 0) == 0
                                 ? InMethod(text)
                                 : absl::StrCat("{", text, "}");
    const std::string want =
        rule.error == nullptr
            ? ""
            : absl::StrCat(path, rule.error[0] == '[' ? "" : ": ", rule.error);
    EXPECT_EQ(ErrorOf(json, clamp), want) << json;
  }
}

// --- retryPolicy and hedgingPolicy ----------------------------------------

// maxAttempts is a whole number over 1. A number over 5 means 5.
const std::vector<Rule> kAttempts = {
    {"2", nullptr},
    {"5", nullptr},
    {"6", nullptr},
    {"2147483647", nullptr},
    {"4.0", nullptr},
    {"\"4\"", nullptr},
    {nullptr, "is missing; allowed: a whole number over 1"},
    {"null", "is missing; allowed: a whole number over 1"},
    {"1", "is 1; allowed: a whole number over 1"},
    {"0", "is 0; allowed: a whole number over 1"},
    {"-4", "is -4; allowed: a whole number over 1"},
    {"2.5", "is 2.5; allowed: a whole number over 1"},
    {"1e300", "is 1e+300; allowed: a whole number over 1"},
    {"\"four\"", "is \"four\"; allowed: a whole number over 1"},
    {"\"nan\"", "is \"nan\"; allowed: a whole number over 1"},
    {"true", "is true; allowed: a whole number over 1"},
    {"{}", "is an object; allowed: a whole number over 1"},
    {"[4]", "is a list; allowed: a whole number over 1"},
};

TEST(A6ValidationTest, MaxAttempts) {
  Check(kRetry, "maxAttempts", "methodConfig[0].retryPolicy.maxAttempts",
        kAttempts);
  Check(kHedging, "maxAttempts", "methodConfig[0].hedgingPolicy.maxAttempts",
        kAttempts);
}

TEST(A6ValidationTest, MaxAttemptsWithoutTheClampHasOurLimit) {
  const std::vector<Rule> rules = {
      {"6", nullptr},
      {"10", nullptr},
      {"11", "is 11; allowed [2, 10]"},
      {"1", "is 1; allowed: a whole number over 1"}};
  Check(kRetry, "maxAttempts", "methodConfig[0].retryPolicy.maxAttempts", rules,
        /*clamp=*/false);
  Check(kHedging, "maxAttempts", "methodConfig[0].hedgingPolicy.maxAttempts",
        rules, /*clamp=*/false);
}

TEST(A6ValidationTest, Backoffs) {
  for (const std::string field : {"initialBackoff", "maxBackoff"}) {
    const std::string path = "methodConfig[0].retryPolicy." + field;
    Check(kRetry, field.c_str(), path, kNoDuration);
    Check(kRetry, field.c_str(), path,
          {{R"("0.000000001s")", nullptr},
           {R"("0.5s")", nullptr},
           {R"("1.500s")", nullptr},
           {nullptr, "is missing" ALLOWED_DURATION},
           {"null", "is missing" ALLOWED_DURATION},
           {R"("0s")", "is \"0s\"; allowed: more than \"0s\""},
           {R"("0.0s")", "is \"0.0s\"; allowed: more than \"0s\""}});
  }
  Check(kRetry, "maxBackoff", "methodConfig[0].retryPolicy.maxBackoff",
        {{R"("3600s")", nullptr},
         {R"("3601s")", "is 3601s; allowed [100ms, 3600s]"}});
  // An initialBackoff over maxBackoff is valid: the smaller one is used.
  Check(kRetry, "initialBackoff", "methodConfig[0].retryPolicy.initialBackoff",
        {{R"("1.1s")", nullptr}, {R"("7200s")", nullptr}});
}

TEST(A6ValidationTest, BackoffMultiplier) {
  Check(kRetry, "backoffMultiplier",
        "methodConfig[0].retryPolicy.backoffMultiplier",
        {{"0.001", nullptr},
         {"1", nullptr},
         {"100", nullptr},
         {"\"1.6\"", nullptr},
         {nullptr, "is missing; allowed: a number over 0"},
         {"0", "is 0; allowed: a number over 0"},
         {"-2", "is -2; allowed: a number over 0"},
         {"\"inf\"", "is \"inf\"; allowed: a number over 0"},
         {"\"2x\"", "is \"2x\"; allowed: a number over 0"},
         {"[]", "is an empty list; allowed: a number over 0"},
         {"100.5", "is 100.5; allowed (0, 100]"}});
}

const std::vector<Rule> kCodes = {
    {"[14]", nullptr},
    {"[1, 16]", nullptr},
    {R"(["UNAVAILABLE", "ABORTED"])", nullptr},
    {R"(["unavailable", "Resource_Exhausted", 14])", nullptr},
    {R"([14, "UNAVAILABLE"])", nullptr},
    {"[17]", "[0]: is 17" ALLOWED_CODE},
    {"[-1]", "[0]: is -1" ALLOWED_CODE},
    {"[14, 1.5]", "[1]: is 1.5" ALLOWED_CODE},
    {"[1e300]", "[0]: is 1e+300" ALLOWED_CODE},
    {R"(["UNAVAILABEL"])", "[0]: is \"UNAVAILABEL\"" ALLOWED_CODE},
    {R"([""])", "[0]: is \"\"" ALLOWED_CODE},
    {R"(["14"])", "[0]: is \"14\"" ALLOWED_CODE},
    {"[null]", "[0]: is null" ALLOWED_CODE},
    {"[[14]]", "[0]: is a list" ALLOWED_CODE},
    {"[true]", "[0]: is true" ALLOWED_CODE},
    // OK is no failure, so there is nothing to send again.
    {"[0]", "[0]: is 0" ALLOWED_CODE},
    {R"(["ok"])", "[0]: is \"ok\"" ALLOWED_CODE},
};

TEST(A6ValidationTest, RetryableStatusCodes) {
  const char* const kPath = "methodConfig[0].retryPolicy.retryableStatusCodes";
  Check(kRetry, "retryableStatusCodes", kPath, kCodes);
  Check(
      kRetry, "retryableStatusCodes", kPath,
      {{nullptr, "is missing; allowed: a list of at least one status code"},
       {"[]", "is an empty list; allowed: a list of at least one status code"},
       {"14", "is 14; allowed: a list of at least one status code"}});
}

TEST(A6ValidationTest, NonFatalStatusCodes) {
  const char* const kPath = "methodConfig[0].hedgingPolicy.nonFatalStatusCodes";
  Check(kHedging, "nonFatalStatusCodes", kPath, kCodes);
  Check(kHedging, "nonFatalStatusCodes", kPath,
        {{nullptr, nullptr},
         {"[]", nullptr},
         {"null", nullptr},
         {"\"ABORTED\"", "is \"ABORTED\"; allowed: a list of status codes"}});
}

TEST(A6ValidationTest, HedgingDelay) {
  const char* const kPath = "methodConfig[0].hedgingPolicy.hedgingDelay";
  Check(kHedging, "hedgingDelay", kPath, kNoDuration);
  Check(kHedging, "hedgingDelay", kPath,
        {{nullptr, nullptr},
         {R"("0s")", nullptr},
         {R"("0.5s")", nullptr},
         {R"("3601s")", "is 3601s; allowed [0s, 3600s]"}});
}

TEST(A6ValidationTest, OneOfTheTwo) {
  EXPECT_EQ(ErrorOf(InMethod(absl::StrCat(kRetry.With("maxAttempts", "3"), ",",
                                          kHedging.With("maxAttempts", "4")))),
            "methodConfig[0].hedgingPolicy: is beside a retryPolicy; allowed: "
            "one of the two");
  EXPECT_EQ(ErrorOf(InMethod(absl::StrCat(kRetry.With("maxAttempts", "3"),
                                          R"(,"hedgingPolicy":null)"))),
            "");
  EXPECT_EQ(ErrorOf(InMethod(R"("retryPolicy":4)")),
            "methodConfig[0].retryPolicy: is 4; allowed: an object");
  EXPECT_EQ(ErrorOf(InMethod(R"("hedgingPolicy":[])")),
            "methodConfig[0].hedgingPolicy: is an empty list; allowed: an "
            "object");
}

// --- retryThrottling ------------------------------------------------------

TEST(A6ValidationTest, Throttling) {
  constexpr char kTokens[] = "; allowed: a number in [0.001, 1000]";
  const std::string missing = absl::StrCat("is missing", kTokens);
  const std::string zero = absl::StrCat("is 0", kTokens);
  const std::string minus = absl::StrCat("is -10", kTokens);
  const std::string text = absl::StrCat("is \"ten\"", kTokens);
  Check(kThrottling, "maxTokens", "retryThrottling.maxTokens",
        {{"0.001", nullptr},
         {"1000", nullptr},
         {"\"10\"", nullptr},
         {"1000.0004", nullptr},  // the fourth decimal does not count
         {nullptr, missing.c_str()},
         {"0", zero.c_str()},
         {"-10", minus.c_str()},
         {"\"ten\"", text.c_str()},
         {"1001", "is 1001; allowed [0.001, 1000]"}});
  Check(kThrottling, "tokenRatio", "retryThrottling.tokenRatio",
        {{"0.001", nullptr},
         {"0.5466", nullptr},
         {"100000", nullptr},
         {nullptr, "is missing; allowed: a number of at least 0.001"},
         {"0", "is 0; allowed: a number of at least 0.001"},
         {"-0.1", "is -0.1; allowed: a number of at least 0.001"},
         {"0.0009", "is 0.0009; allowed: a number of at least 0.001"},
         {"false", "is false; allowed: a number of at least 0.001"}});
  EXPECT_EQ(ErrorOf(R"({"retryThrottling":[]})"),
            "retryThrottling: is an empty list; allowed: an object");
  EXPECT_EQ(ErrorOf(R"({"retryThrottling":null})"), "");
}

}  // namespace
}  // namespace firebreak::testing
