// The built-in entries: their figures, and how policies build on them.
#include "src/engine/policy/presets.h"

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "src/engine/policy/policy.h"

namespace firebreak::engine {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

core::MethodOptions OptionsOf(absl::string_view body) {
  auto table =
      ParsePolicyText(absl::StrCat("method { name {} ", body, " }"), "p");
  EXPECT_TRUE(table.ok()) << table.status();
  return table.ok() ? *table->Find("c", "/s/m") : core::MethodOptions();
}

struct Row {
  absl::string_view name;
  int failures;
  double rate;
  core::Duration timeout;
  core::Duration probe_interval;
};

TEST(PresetsTest, HaveTheFiguresThatWereAskedFor) {
  const Row rows[] = {
      {"database", 3, 0.3, seconds(2), seconds(1)},
      {"external_api", 5, 0.6, seconds(10), seconds(10)},
      {"critical_service", 2, 0.2, seconds(1), seconds(1)},
      {"payment", 3, 0, seconds(0), seconds(10)},
      {"recommendation", 10, 0, seconds(0), seconds(1)},
      {"log_shipping", 20, 0, seconds(0), seconds(30)},
  };
  EXPECT_EQ(Presets().size(), std::size(rows));
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    const core::MethodOptions options =
        OptionsOf(absl::StrCat("preset: \"", row.name, "\""));
    ASSERT_TRUE(options.breaker.has_value());
    EXPECT_EQ(options.breaker->consecutive_failures, row.failures);
    EXPECT_EQ(options.breaker->failure_rate, row.rate);
    EXPECT_EQ(options.timeout, row.timeout);
    EXPECT_EQ(options.breaker->probe_interval, row.probe_interval);
  }
}

TEST(PresetsTest, AreABaseThatAnEntryChanges) {
  const core::MethodOptions options = OptionsOf(
      "preset: \"database\" timeout: \"50ms\" breaker { failure_rate: 0.7 } "
      "retry {}");
  EXPECT_EQ(options.timeout, milliseconds(50));
  EXPECT_EQ(options.breaker->failure_rate, 0.7);
  EXPECT_EQ(options.breaker->consecutive_failures, 3);
  EXPECT_TRUE(options.retry.has_value());
}

TEST(PresetsTest, AreInheritedThroughABase) {
  auto table = ParsePolicyText(
      "method { id: \"a\" preset: \"payment\" }"
      "method { name {} base: \"a\" }",
      "p");
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_EQ(table->Find("c", "/s/m")->breaker->probe_interval, seconds(10));
  EXPECT_EQ(table->Find("c", "/s/m")->idempotent, false);
}

TEST(PresetsTest, WrongNamesAreErrorsAndSoIsABaseBeside) {
  auto table = ParsePolicyText("method { name {} preset: \"databse\" }", "p");
  EXPECT_EQ(table.status().message(),
            "p:1: method[0].preset: is \"databse\"; allowed: critical_service, "
            "database, external_api, log_shipping, payment, recommendation");
  table = ParsePolicyText(
      "method { id: \"a\" }"
      "method { name {} base: \"a\" preset: \"database\" }",
      "p");
  EXPECT_EQ(table.status().message(),
            "p:1: method[1].preset: is \"database\" beside a base, \"a\"; "
            "allowed: one of the two");
}

TEST(PresetsTest, PrintAsAPolicyWithAReasonForEachNumber) {
  const std::string text = PresetsAsPolicy();
  auto table = ParsePolicyText(text, "presets");
  EXPECT_TRUE(table.ok()) << table.status() << text;
  for (const Preset& preset : Presets()) {
    EXPECT_TRUE(absl::StartsWith(preset.text, "# ")) << preset.name;
    EXPECT_TRUE(absl::StrContains(text, preset.name));
  }
}

}  // namespace
}  // namespace firebreak::engine
