// The metrics of a policy before anything happens, and while it is replaced.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/support/metrics_scene.h"

namespace firebreak::testing {
namespace {

using ::testing::UnorderedElementsAre;

std::set<std::string> Reasons(const MetricsScene& scene,
                              const std::string& metric) {
  std::set<std::string> reasons;
  for (const Sample& each : scene.Scrape().Find(metric)) {
    EXPECT_EQ(each.value, 0);
    reasons.insert(each.labels.at("reason"));
  }
  return reasons;
}

std::set<std::string> Rejections(const std::string& policy) {
  MetricsScene scene(policy);
  scene.Bind("payment", kPay);
  return Reasons(scene, "firebreak_rejected_requests_total");
}

TEST(MetricsPolicyTest, WhatItCanRejectIsThereFromTheFirstCallOn) {
  EXPECT_THAT(
      Rejections("method { name {} breaker { open_duration: '1s' } }"),
      UnorderedElementsAre("breaker_open", "probes_taken", "forced_open"));
  // After a long outage it has a short ramp.
  EXPECT_THAT(Rejections("method { name {} breaker {} }"),
              UnorderedElementsAre("breaker_open", "probes_taken",
                                   "forced_open", "breaker_ramping"));
  EXPECT_THAT(Rejections("method { name {} deadline_gate {} }"),
              UnorderedElementsAre("deadline_infeasible"));
  EXPECT_THAT(Rejections("method { name {} retry {} }"),
              UnorderedElementsAre("deadline_exceeded"));
  EXPECT_THAT(Rejections("method { name {} bulkhead { max_concurrent: 1 } }"),
              UnorderedElementsAre("bulkhead_full", "queue_timeout",
                                   "deadline_too_close", "deadline_exceeded"));
  EXPECT_THAT(Rejections("method { name {} rate_limit { rate: 1 } }"),
              UnorderedElementsAre("rate_limited", "deadline_too_close",
                                   "deadline_exceeded"));
  EXPECT_THAT(Rejections("method { name {} throttle {} }"),
              UnorderedElementsAre("throttled_locally", "deadline_exceeded"));
}

TEST(MetricsPolicyTest, ABudgetThatIsSpentIsSeenTheFirstTimeToo) {
  for (const char* extra : {"retry {}", "hedging { delay: '1s' }"}) {
    MetricsScene scene(absl::StrCat("method { name {} ", extra, " }"));
    scene.Bind("payment", kPay);
    EXPECT_THAT(Reasons(scene, "firebreak_attempts_not_made_total"),
                UnorderedElementsAre("budget_exhausted"))
        << extra;
  }
  MetricsScene scene("method { name {} breaker {} }");
  scene.Bind("payment", kPay);
  EXPECT_THAT(Reasons(scene, "firebreak_attempts_not_made_total"),
              UnorderedElementsAre());
}

TEST(MetricsPolicyTest, TheHealthIsARatio) {
  MetricsScene scene;
  core::Breaker* const breaker = scene.Bind("payment", kPay)->targets.front();
  EXPECT_EQ(scene.Scrape().Of("firebreak_health_ratio"), 1);
  FailOnce(breaker);
  FailOnce(breaker);
  EXPECT_EQ(scene.Scrape().Of("firebreak_health_ratio"), 0);
}

// Each policy has new objects that all methods of a channel share. If half of
// the methods had the old ones and half the new ones, a series would exist
// twice, and Prometheus would drop the whole scrape.
TEST(MetricsPolicyTest, NoSeriesTwiceWhileThePolicyIsReplaced) {
  const auto policy = [](int rate) {
    return absl::StrCat("method { name {} breaker {} } channel { rate_limit { ",
                        "rate: ", rate, " burst: ", rate, " } }");
  };
  MetricsScene scene(policy(10));
  for (int i = 0; i < 100; ++i) {
    scene.Bind("payment", absl::StrCat("/a.B/M", i));
  }
  std::atomic<bool> is_over{false};
  std::thread swaps([&] {
    for (int i = 0; !is_over; ++i) {
      ASSERT_TRUE(scene.engine()->SetPolicyText(policy(11 + i % 2)).ok());
    }
  });
  const uint64_t before = scene.engine()->core()->policy_stats().version;
  int scrapes = 0;
  for (; scrapes < 1000; ++scrapes) {
    std::map<std::string, size_t> counts;
    for (const auto& family : scene.collector().Collect()) {
      counts[family.name] = family.metric.size();
    }
    EXPECT_EQ(counts["firebreak_rate_limit_tokens"], 1u);
    EXPECT_EQ(counts["firebreak_requests_started_total"], 100u);
    if (HasFailure()) break;
    // Enough scrapes happened during a change of the policy.
    if (scrapes >= 20 &&
        scene.engine()->core()->policy_stats().version >= before + 20) {
      break;
    }
  }
  is_over = true;
  swaps.join();
}

}  // namespace
}  // namespace firebreak::testing
