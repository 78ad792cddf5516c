// Checks the exported metrics and the shipped files with Prometheus' own tool.
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/support/metrics_scene.h"
#include "tests/support/prometheus_programs.h"
#include "tests/support/server_process.h"

namespace firebreak::testing {
namespace {

class PromtoolTest : public ::testing::Test {
 protected:
  void SetUp() override {
    promtool_ = FindPrometheusProgram("promtool");
    if (promtool_.empty()) SKIP_WITHOUT_PROMETHEUS();
  }
  std::string promtool_;
};

TEST_F(PromtoolTest, FindsNothingWrongWithTheMetrics) {
  MetricsScene scene;
  LetEverythingHappen(&scene);
  const std::string path =
      absl::StrCat(::testing::TempDir(), "metrics-", getpid(), ".txt");
  std::ofstream(path) << scene.Scrape().text;
  EXPECT_EQ(RunProgram({"sh", "-c", "\"$1\" check metrics < \"$2\"", "sh",
                        promtool_, path}),
            0);
  unlink(path.c_str());
}

TEST_F(PromtoolTest, FindsNothingWrongWithTheAlerts) {
  EXPECT_EQ(RunProgram({promtool_, "check", "rules",
                        DOCS_DIR "/prometheus/alerts.yml"}),
            0);
}

TEST_F(PromtoolTest, TheAlertsFireWhenTheyShould) {
  EXPECT_EQ(
      RunProgram({promtool_, "test", "rules",
                  std::string(ALERTS_TESTS_DIR) + "/alerts_test.yml",
                  std::string(ALERTS_TESTS_DIR) + "/alerts_breaker_test.yml"}),
      0);
}

}  // namespace
}  // namespace firebreak::testing
