// docs/metrics.md, the alerts and the dashboard use the metrics that exist.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "src/prometheus/families.h"
#include "tests/support/metrics_scene.h"

namespace firebreak::testing {
namespace {

using metrics::FamilyInfo;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;
using ::testing::Not;
using ::testing::SizeIs;

std::string ReadDoc(const std::string& name) {
  std::ifstream file(absl::StrCat(DOCS_DIR, "/", name));
  EXPECT_TRUE(file.is_open()) << name;
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string TypeName(prometheus::MetricType type) {
  switch (type) {
    case prometheus::MetricType::Counter:
      return "counter";
    case prometheus::MetricType::Gauge:
      return "gauge";
    case prometheus::MetricType::Histogram:
      return "histogram";
    default:
      return "?";
  }
}

// Returns the unit, which by Prometheus' conventions is part of the name.
std::string UnitOf(absl::string_view name) {
  absl::ConsumeSuffix(&name, "_total");
  for (const char* unit : {"seconds", "ratio", "tokens"}) {
    if (absl::EndsWith(name, absl::StrCat("_", unit))) return unit;
  }
  return "";
}

const std::vector<FamilyInfo>& AllFamilies() { return metrics::Families(); }

// Returns the name of every series; those of a histogram have their endings.
std::set<std::string> SeriesNames() {
  std::set<std::string> names;
  for (const FamilyInfo& each : AllFamilies()) {
    if (each.type != prometheus::MetricType::Histogram) {
      names.insert(each.name);
      continue;
    }
    for (const char* end : {"_bucket", "_sum", "_count"}) {
      names.insert(absl::StrCat(each.name, end));
    }
  }
  return names;
}

// Returns every metric that a text names.
std::set<std::string> NamedIn(const std::string& text) {
  static const std::regex name("firebreak_[a-z_]+");
  return {std::sregex_token_iterator(text.begin(), text.end(), name),
          std::sregex_token_iterator()};
}

TEST(MetricsDocsTest, EveryMetricIsInTheTableAsItIs) {
  const std::string text = ReadDoc("metrics.md");
  std::vector<std::string> rows;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    if (absl::StartsWith(line, "| `firebreak_")) rows.emplace_back(line);
  }
  std::vector<std::string> wanted;
  for (const FamilyInfo& each : AllFamilies()) {
    const std::string labels = absl::StrReplaceAll(each.labels, {{",", ", "}});
    wanted.push_back(absl::StrCat("| `", each.name, "` | ", TypeName(each.type),
                                  " | ", UnitOf(each.name), " | ", labels,
                                  " | ", each.help, " |"));
  }
  for (size_t i = 0; i < std::max(rows.size(), wanted.size()); ++i) {
    ASSERT_LT(i, rows.size()) << "missing:\n" << wanted[i];
    ASSERT_LT(i, wanted.size()) << "there is no such metric:\n" << rows[i];
    EXPECT_EQ(rows[i], wanted[i]);
  }
}

TEST(MetricsDocsTest, TheLabelsAreThoseOfTheTable) {
  MetricsScene scene;
  LetEverythingHappen(&scene);
  MetricsScene throttled(
      "method { name {} retry {} } channel { throttling { max_tokens: 10 "
      "token_ratio: "
      "0.5 } }");
  throttled.Bind("payment", kPay);
  std::set<std::string> seen;
  for (const MetricsScene* each : {&scene, &throttled}) {
    size_t i = 0;
    for (const auto& family : each->collector().Collect()) {
      const FamilyInfo& info = AllFamilies()[i++];
      EXPECT_EQ(family.name, info.name);
      EXPECT_EQ(family.help, info.help);
      EXPECT_EQ(family.type, info.type);
      for (const auto& metric : family.metric) {
        seen.insert(family.name);
        EXPECT_EQ(absl::StrJoin(metric.label, ",",
                                [](std::string* out, const auto& label) {
                                  *out += label.name;
                                }),
                  info.labels)
            << family.name;
      }
    }
  }
  EXPECT_THAT(seen, SizeIs(AllFamilies().size()));
}

TEST(MetricsDocsTest, AlertsNameNothingElse) {
  const std::set<std::string> named = NamedIn(ReadDoc("prometheus/alerts.yml"));
  EXPECT_THAT(named, SizeIs(::testing::Gt(10)));
  EXPECT_THAT(SeriesNames(), IsSupersetOf(named));
}

// Each alert has its row in the guide, and refers to it.
TEST(MetricsDocsTest, TheGuideTellsWhatToDoAtEachAlert) {
  const std::string guide = ReadDoc("operations.md");
  EXPECT_THAT(guide, HasSubstr("\n## Alert rules of Prometheus\n"));
  static const std::regex row("\n\\| `(Firebreak[A-Za-z]+)` \\|");
  const std::set<std::string> rows(
      std::sregex_token_iterator(guide.begin(), guide.end(), row, 1),
      std::sregex_token_iterator());
  std::set<std::string> alerts;
  int runbooks = 0;
  const std::string rules = ReadDoc("prometheus/alerts.yml");
  for (absl::string_view line : absl::StrSplit(rules, '\n')) {
    line = absl::StripAsciiWhitespace(line);
    if (absl::ConsumePrefix(&line, "- alert: ")) alerts.emplace(line);
    runbooks +=
        line == "runbook: docs/operations.md#alert-rules-of-prometheus" ? 1 : 0;
  }
  EXPECT_THAT(alerts, SizeIs(::testing::Gt(10)));
  EXPECT_EQ(rows, alerts);
  EXPECT_EQ(runbooks, static_cast<int>(alerts.size()));
}

TEST(MetricsDocsTest, TheDashboardIsWholeAndNamesNothingElse) {
  const std::string text = ReadDoc("prometheus/grafana.json");
  const auto dashboard = nlohmann::json::parse(text, nullptr, false);
  ASSERT_FALSE(dashboard.is_discarded()) << "no JSON";
  EXPECT_EQ(dashboard.value("uid", ""), "firebreak");
  std::set<std::string> named;
  std::set<int> ids;
  for (const auto& panel : dashboard.at("panels")) {
    const std::string title = panel.at("title");
    EXPECT_TRUE(ids.insert(panel.at("id").get<int>()).second) << title;
    EXPECT_TRUE(panel.contains("gridPos")) << title;
    if (panel.at("type") == "row") continue;
    EXPECT_THAT(panel.at("targets"), Not(IsEmpty())) << title;
    for (const auto& target : panel.at("targets")) {
      const std::set<std::string> some = NamedIn(target.at("expr"));
      EXPECT_THAT(some, Not(IsEmpty())) << title;
      named.insert(some.begin(), some.end());
    }
  }
  EXPECT_THAT(named, SizeIs(::testing::Gt(15)));
  EXPECT_THAT(SeriesNames(), IsSupersetOf(named));
  EXPECT_THAT(SeriesNames(), IsSupersetOf(NamedIn(text)));
}

}  // namespace
}  // namespace firebreak::testing
