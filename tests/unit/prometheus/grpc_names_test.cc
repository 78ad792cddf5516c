// Metrics under the names of gRPC's own plugin.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/support/metrics_scene.h"

namespace firebreak::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kLabels[] =
    "{grpc_method=\"shop.v1.PaymentService/Pay\",grpc_target=\"t:1\"";

TEST(GrpcNamesTest, AreThereForWhoAsksForThem) {
  MetricsScene scene;
  const auto pay = scene.Bind("payment", "/shop.v1.PaymentService/Pay");
  core::MethodStats& stats = pay->runtime->stats;
  for (int i = 0; i < 3; ++i) stats.OnAttempt(core::AttemptKind::kFirst);
  stats.OnAttempt(core::AttemptKind::kRetry);
  for (int i = 0; i < 8; ++i) stats.OnAttempt(core::AttemptKind::kHedge);
  stats.OnExtraAttempts(/*retries=*/1, /*hedges=*/0);
  stats.OnExtraAttempts(0, 1);
  stats.OnExtraAttempts(0, 7);
  stats.OnCallStarted();
  stats.OnCallEnded(core::CallEnd::kSuccess, absl::StatusCode::kOk,
                    std::chrono::milliseconds(7));
  PrometheusOptions options;
  options.grpc_names = true;
  const PrometheusCollector collector(scene.engine(), options);
  const std::string text = Scrape(collector).text;
  const auto has = [&](const std::string& name, const std::string& more,
                       const std::string& value) {
    EXPECT_THAT(text, HasSubstr(name + kLabels + more + "} " + value + "\n"));
  };
  has("grpc_client_attempt_started_total", "", "12");
  has("grpc_client_call_duration_seconds_count", ",grpc_status=\"OK\"", "1");
  has("grpc_client_call_duration_seconds_bucket",
      ",grpc_status=\"OK\",le=\"0.006\"", "0");
  has("grpc_client_call_duration_seconds_bucket",
      ",grpc_status=\"OK\",le=\"0.008\"", "1");
  has("grpc_client_call_retries_count", "", "1");
  has("grpc_client_call_retries_sum", "", "1");
  has("grpc_client_call_hedges_count", "", "2");
  has("grpc_client_call_hedges_sum", "", "8");
  has("grpc_client_call_hedges_bucket", ",le=\"1\"", "1");
  has("grpc_client_call_hedges_bucket", ",le=\"5\"", "1");
  has("grpc_client_call_hedges_bucket", ",le=\"+Inf\"", "2");
  // By default these metrics are not exported.
  EXPECT_THAT(scene.Scrape().text, Not(HasSubstr("grpc_client_")));
}

TEST(GrpcNamesTest, ATargetOfSeveralIsOther) {
  MetricsScene scene;
  const auto pay = scene.engine()
                       ->core()
                       ->BindChannel("payment", {"t:1", "t:2"})
                       ->Find("/shop.v1.PaymentService/Pay");
  ASSERT_NE(pay, nullptr);
  PrometheusOptions options;
  options.grpc_names = true;
  const PrometheusCollector collector(scene.engine(), options);
  EXPECT_THAT(Scrape(collector).text, HasSubstr("grpc_target=\"other\""));
}

// gRPC has no channel names, and Prometheus does not accept a series twice.
TEST(GrpcNamesTest, ChannelsOfOneTargetAreOneSeries) {
  MetricsScene scene;
  for (const char* channel : {"payment", "billing"}) {
    const auto pay =
        scene.Bind(channel, "/shop.v1.PaymentService/Pay")->runtime;
    pay->stats.OnAttempt(core::AttemptKind::kFirst);
    pay->stats.OnExtraAttempts(/*retries=*/1, /*hedges=*/0);
    pay->stats.OnCallStarted();
    pay->stats.OnCallEnded(core::CallEnd::kSuccess, absl::StatusCode::kOk,
                           std::chrono::milliseconds(7));
  }
  PrometheusOptions options;
  options.grpc_names = true;
  const PrometheusCollector collector(scene.engine(), options);
  const std::string text = Scrape(collector).text;
  for (const std::string& sample :
       {absl::StrCat("grpc_client_attempt_started_total", kLabels, "} 2\n"),
        absl::StrCat("grpc_client_call_duration_seconds_count", kLabels,
                     ",grpc_status=\"OK\"} 2\n"),
        absl::StrCat("grpc_client_call_retries_bucket", kLabels,
                     ",le=\"1\"} 2\n")}) {
    EXPECT_THAT(text, HasSubstr(sample));
  }
  const std::string head =
      absl::StrCat("grpc_client_attempt_started_total", kLabels);
  EXPECT_EQ(text.find(head), text.rfind(head)) << text;
}

}  // namespace
}  // namespace firebreak::testing
