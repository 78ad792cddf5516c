// Service configs for conformance tests: one field varies at a time, and the
// error is returned.
//
//   EXPECT_EQ(ErrorOf(InMethod(kRetry.With("maxAttempts", "1"))), "...");
#ifndef FIREBREAK_TESTS_CONFORMANCE_SERVICE_CONFIGS_H_
#define FIREBREAK_TESTS_CONFORMANCE_SERVICE_CONFIGS_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gtest/gtest.h"
#include "src/engine/policy/policy.h"
#include "src/engine/policy/service_config.h"

// How errors end, after "is VALUE".
#define ALLOWED_DURATION \
  "; allowed: a string of seconds, with at most nine decimals, as \"1.5s\""
#define ALLOWED_CODE \
  "; allowed: a status code other than OK, as a name or a number"

namespace firebreak::testing {

// Returns "" if the service config is valid, or else the error without its
// prefix. It also checks that a valid one compiles.
inline std::string ErrorOf(absl::string_view json, bool clamp = true) {
  const absl::StatusOr<v1::PolicySet> set =
      engine::FromServiceConfig(json, clamp);
  if (set.ok()) {
    const absl::Status compiled = engine::CompilePolicy(*set, "p").status();
    EXPECT_TRUE(compiled.ok()) << compiled << "\n" << json;
    return "";
  }
  EXPECT_EQ(set.status().code(), absl::StatusCode::kInvalidArgument);
  return absl::StrReplaceAll(set.status().message(),
                             {{"service config: ", ""}});
}

inline std::string InMethod(absl::string_view fields) {
  return absl::StrCat(R"({"methodConfig":[{"name":[{}],)", fields, "}]}");
}

struct Rule {
  const char* value;  // of the field; nullptr: the field is absent
  const char* error;  // what follows the path; nullptr: valid
};

// A block of valid fields, of which a rule replaces one.
class Block {
 public:
  using Field = std::pair<const char*, const char*>;
  Block(const char* name, std::vector<Field> fields)
      : name_(name), fields_(std::move(fields)) {}

  std::string With(absl::string_view field, const char* value) const {
    std::string out;
    const auto add = [&](absl::string_view key, const char* text) {
      if (text == nullptr) return;
      absl::StrAppend(&out, out.empty() ? "" : ",", "\"", key, "\":", text);
    };
    bool is_set = false;
    for (const auto& [key, usual] : fields_) {
      is_set = is_set || field == key;
      add(key, field == key ? value : usual);
    }
    if (!is_set) add(field, value);
    return absl::StrCat("\"", name_, "\":{", out, "}");
  }

 private:
  const char* const name_;
  const std::vector<Field> fields_;
};

inline const Block kRetry("retryPolicy", {{"maxAttempts", "4"},
                                          {"initialBackoff", R"("0.1s")"},
                                          {"maxBackoff", R"("1s")"},
                                          {"backoffMultiplier", "2"},
                                          {"retryableStatusCodes", R"([14])"}});
inline const Block kHedging("hedgingPolicy", {{"maxAttempts", "4"}});
inline const Block kThrottling("retryThrottling",
                               {{"maxTokens", "10"}, {"tokenRatio", "0.1"}});

// What every field that is a duration refuses.
inline const std::vector<Rule> kNoDuration = {
    {"\"\"", "is \"\"" ALLOWED_DURATION},
    {"\"s\"", "is \"s\"" ALLOWED_DURATION},
    {"\"1\"", "is \"1\"" ALLOWED_DURATION},
    {"\"100ms\"", "is \"100ms\"" ALLOWED_DURATION},
    {"\"1m\"", "is \"1m\"" ALLOWED_DURATION},
    {"\"-1s\"", "is \"-1s\"" ALLOWED_DURATION},
    {"\"+1s\"", "is \"+1s\"" ALLOWED_DURATION},
    {"\" 1s\"", "is \" 1s\"" ALLOWED_DURATION},
    {"\"1 s\"", "is \"1 s\"" ALLOWED_DURATION},
    {"\"1e3s\"", "is \"1e3s\"" ALLOWED_DURATION},
    {"\".5s\"", "is \".5s\"" ALLOWED_DURATION},
    {"\"5.s\"", "is \"5.s\"" ALLOWED_DURATION},
    {"\"1.2.3s\"", "is \"1.2.3s\"" ALLOWED_DURATION},
    {"\"NaNs\"", "is \"NaNs\"" ALLOWED_DURATION},
    {"\"0.0000000001s\"", "is \"0.0000000001s\"" ALLOWED_DURATION},
    {"1", "is 1" ALLOWED_DURATION},
    {"1.5", "is 1.5" ALLOWED_DURATION},
    {"{}", "is an object" ALLOWED_DURATION},
    {"\"9223372037s\"",
     "\"9223372037s\" is too long; allowed: less than 292 years"},
    {"\"99999999999999999999s\"",
     "\"99999999999999999999s\" is too long; allowed: less than 292 years"},
};

}  // namespace firebreak::testing

#endif  // FIREBREAK_TESTS_CONFORMANCE_SERVICE_CONFIGS_H_
