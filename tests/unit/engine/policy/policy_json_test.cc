// Policies in JSON: how the kind of a text is recognised, PolicySets, and
// garbage.
#include "src/engine/policy/policy_json.h"

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/engine/policy/policy.h"

namespace firebreak::engine {
namespace {

using absl::StatusCode;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string ErrorOf(absl::string_view text) {
  const absl::Status status = ParsePolicyText(text, "p").status();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << text;
  EXPECT_LT(status.message().size(), 1'000u);
  for (const char c : status.message()) {
    EXPECT_TRUE(c == '\n' || (c >= ' ' && c < 0x7f)) << status;
  }
  return std::string(status.message());
}

TEST(PolicyJsonTest, AnObjectIsJson) {
  EXPECT_TRUE(IsJson("{"));
  EXPECT_TRUE(IsJson(" \r\n\t{}"));
  EXPECT_FALSE(IsJson(""));
  EXPECT_FALSE(IsJson("method {}"));
  EXPECT_FALSE(IsJson("# {\nmethod {}"));
  EXPECT_FALSE(IsJson("[]"));
}

TEST(PolicyJsonTest, APolicySetMeansWhatItMeansAsText) {
  const auto table = ParsePolicyText(R"({
    "method": [
      {"id": "base", "timeout": "1.5s", "breaker": {"failureRate": 0.25}},
      {"base": "base", "name": [{"service": "s"}], "idempotent": true,
       "retry": {"max_attempts": 4, "codes": ["ABORTED"],
                 "backoff": {"jitter": "NONE"}}}
    ],
    "channel": [{"budget": {"ratio": 0}, "throttling": {"maxTokens": 7}}]
  })",
                                     "p");
  ASSERT_TRUE(table.ok()) << table.status();
  const auto options = table->Find("c", "/s/m");
  ASSERT_NE(options, nullptr);
  EXPECT_EQ(options->policy, "method[1]");
  EXPECT_EQ(options->timeout, std::chrono::milliseconds(1'500));
  EXPECT_EQ(options->idempotent, true);
  EXPECT_EQ(options->breaker->failure_rate, 0.25);
  EXPECT_EQ(options->retry->max_attempts, 4);
  EXPECT_EQ(options->retry->codes, core::CodeSet({StatusCode::kAborted}));
  EXPECT_EQ(options->retry->backoff.jitter,
            core::BackoffOptions::Jitter::kNone);
  EXPECT_EQ(table->BudgetFor("c").ratio, 0);
  EXPECT_EQ(table->BudgetFor("c").throttling->max_tokens, 7);
  EXPECT_TRUE(ParsePolicyText(R"({"channel":[{}]})", "p").ok());
}

TEST(PolicyJsonTest, ErrorsOfAPolicySetHaveNoLine) {
  EXPECT_EQ(ErrorOf(R"({"method":[{"name":[{}],"timeout":"2h",
                        "breaker":{"failureRate":1.5}}]})"),
            "p: method[0].timeout: is 7200s; allowed [0s, 3600s]\n"
            "p: method[0].breaker.failure_rate: is 1.5; allowed [0, 1]");
  EXPECT_EQ(ErrorOf(R"({"method":[{"name":[{}],"retry":{"codes":[]}},
                                  {"name":[],"id":"a"}],"channel":[]})")
                .size(),
            ErrorOf(R"({"channel":[],"method":[{"name":[{}],
                        "retry":{"codes":[]}},{"name":[],"id":"a"}]})")
                .size());
  EXPECT_THAT(ErrorOf(R"({"method":[{"name":[{}],"retry":{"codes":[]}}]})"),
              StartsWith("p: method[0].retry.codes: is an empty list, which "
                         "says nothing; allowed: "));
  for (const char* wrong :
       {R"({"method":[{"name":[{}],"timeuot":"1s"}]})",
        R"({"method":[{"name":[{}],"retry":{"codes":["SOMETIMES"]}}]})",
        R"({"method":[{"name":[{}],"timeout":5}]})",
        R"({"method":[{"name":[{}],"retry":{"maxAttempts":2.5}}]})",
        R"({"method":[{"name":[{}],"retry":{"maxAttempts":99999999999}}]})",
        R"({"method":5})", R"({"method":[],"metod":[]})"}) {
    const std::string error = ErrorOf(wrong);
    EXPECT_THAT(error, HasSubstr("p: cannot be read as JSON: ")) << wrong;
    EXPECT_THAT(error, HasSubstr("Allowed: the fields of")) << wrong;
  }
  // Protobuf's own message has the place.
  EXPECT_THAT(ErrorOf(R"({"method":[{"name":[{}],"timeuot":"1s"}]})"),
              HasSubstr("timeuot"));
}

TEST(PolicyJsonTest, NeitherOrBothIsSaid) {
  constexpr char kAllowed[] =
      "; allowed: those of a firebreak.v1.PolicySet (method, channel), or "
      "those of a gRPC service config (methodConfig, retryThrottling)";
  EXPECT_EQ(ErrorOf("{}"),
            absl::StrCat("p: is a JSON object with no key", kAllowed));
  EXPECT_EQ(
      ErrorOf(R"({"b":1,"a":2})"),
      absl::StrCat("p: is a JSON object with keys \"a\", \"b\"", kAllowed));
  EXPECT_EQ(ErrorOf(R"({"method":[],"methodConfig":[]})"),
            absl::StrCat("p: is a JSON object with keys \"method\", "
                         "\"methodConfig\"",
                         kAllowed));
  EXPECT_EQ(ErrorOf(R"({"1":0,"2":0,"3":0,"4":0,"5":0,"6":0})"),
            absl::StrCat("p: is a JSON object with keys \"1\", \"2\", \"3\", "
                         "\"4\", \"5\", ...",
                         kAllowed));
  // A service config with other fields only is a service config, too.
  EXPECT_TRUE(ParsePolicyText(R"({"healthCheckConfig":{}})", "p").ok());
}

// --- Garbage --------------------------------------------------------------

TEST(PolicyJsonGarbageTest, BrokenJson) {
  for (const std::string text :
       {"{", "{\"a", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":[", "{,}",
        "{\"a\":1}}", "{\"a\":1} {}", "{\"a\":1} method {}", "{\"a\":nul}",
        "{\"a\":01}", "{\"a\":+1}", "{\"a\":.5}", "{\"a\":\"\\ud800\"}",
        "{\"a\":\"\xff\"}", "{\x01}", "{/*x*/}", "{\"a\":0x10}",
        // Values that are not numbers in JSON.
        "{\"a\":NaN}", "{\"a\":Infinity}", "{\"a\":-Infinity}", "{\"a\":1e400}",
        "{\"a\":-1e400}"}) {
    EXPECT_THAT(ErrorOf(text), StartsWith("p: cannot be read as JSON: "))
        << text;
    PolicyErrors errors("p");
    google::protobuf::Struct object;
    EXPECT_FALSE(ReadJsonObject(text, &object, &errors)) << text;
  }
  EXPECT_THAT(ErrorOf(std::string("{\0}", 3)),
              StartsWith("p: cannot be read as JSON: "));
}

TEST(PolicyJsonGarbageTest, NotAnObject) {
  for (const char* text : {"", " ", "[]", "[{}]", "1", "\"{}\"", "null", "true",
                           "x", "NaN", "[[[[", "method {}"}) {
    PolicyErrors errors("p");
    google::protobuf::Struct object;
    EXPECT_FALSE(ReadJsonObject(text, &object, &errors)) << text;
    EXPECT_EQ(errors.all().size(), 1u);
    EXPECT_THAT(std::string(errors.ToStatus().message()),
                HasSubstr("Allowed: one JSON object"))
        << text;
  }
}

TEST(PolicyJsonGarbageTest, AKeyTwiceIsAnError) {
  for (const char* text :
       {R"({"retryThrottling":null,"retryThrottling":null})",
        R"({"methodConfig":[{"timeout":"1s","timeout":"2s"}]})",
        R"({"method":[{"name":[{}],"timeout":"1s","timeout":"2s"}]})"}) {
    EXPECT_THAT(ErrorOf(text), StartsWith("p: cannot be read as JSON: "))
        << text;
  }
}

TEST(PolicyJsonGarbageTest, DeepNesting) {
  const auto nested = [](const std::string& open, const std::string& close,
                         int depth) {
    std::string text;
    for (int i = 0; i < depth; ++i) text += open;
    text += "1";
    for (int i = 0; i < depth; ++i) text += close;
    return absl::StrCat(R"({"healthCheckConfig":)", text, "}");
  };
  for (const int depth : {32, 1'000, 100'000}) {
    for (const auto& [open, close] :
         {std::pair("{\"a\":", "}"), std::pair("[", "]"),
          std::pair("[{\"a\":", "}]"), std::pair("{\"a\":", ""),
          std::pair("[", ""), std::pair("{\"]\":", "}")}) {
      EXPECT_THAT(ErrorOf(nested(open, close, depth)),
                  HasSubstr("Nested too deep; allowed: 32 levels."))
          << open << " " << depth;
    }
  }
  EXPECT_EQ(ErrorOf(nested("[", "]", 32)),
            "p:1:53: Nested too deep; allowed: 32 levels.");
  // Protobuf can parse the deepest nesting that is allowed.
  EXPECT_TRUE(ParsePolicyText(nested("{\"a\":", "}", 31), "p").ok());
  EXPECT_TRUE(ParsePolicyText(nested("[", "]", 31), "p").ok());
  EXPECT_TRUE(ParsePolicyText(nested("[{\"a\":", "}]", 15), "p").ok());
  // Brackets in strings do not count.
  EXPECT_TRUE(ParsePolicyText(absl::StrCat(R"({"healthCheckConfig":"\"[)",
                                           std::string(50, '{'), "\"}"),
                              "p")
                  .ok());
}

TEST(PolicyJsonGarbageTest, Long) {
  const auto padded = [](size_t size) {
    std::string text = R"({"methodConfig":[]})";
    text.append(size - text.size(), ' ');
    return text;
  };
  EXPECT_TRUE(ParsePolicyText(padded(kMaxPolicySize), "p").ok());
  EXPECT_EQ(ErrorOf(padded(kMaxPolicySize + 1)),
            "p: is longer than 1048576 bytes; allowed: at most that");
  PolicyErrors errors("p");
  google::protobuf::Struct object;
  EXPECT_FALSE(ReadJsonObject(padded(kMaxPolicySize + 1), &object, &errors));

  const std::string longest(900'000, 'x');
  EXPECT_THAT(ErrorOf(absl::StrCat("{\"", longest, "\":1}")),
              HasSubstr("is a JSON object with keys \"xxx"));
  ErrorOf(absl::StrCat("{\"", longest));
  ErrorOf(absl::StrCat("{", longest));
  ErrorOf(absl::StrCat(R"({"methodConfig":[{"timeout":")", longest, "\"}]}"));
  ErrorOf(absl::StrCat(R"({"methodConfig":[{")", longest, "\":1}]}"));
  ErrorOf(absl::StrCat(R"({"method":[{")", longest, "\":1}]}"));
  ErrorOf(absl::StrCat(R"({"method":[{"timeout":")", longest, "\"}]}"));
  ErrorOf(absl::StrCat(R"({"methodConfig":[{"timeout":")",
                       std::string(900'000, '9'), "s\"}]}"));
}

}  // namespace
}  // namespace firebreak::engine
