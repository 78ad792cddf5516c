// The metrics of an engine whose counters the test itself changes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/support/metrics_scene.h"

namespace firebreak::testing {
namespace {

using core::BreakerState;
using std::chrono::milliseconds;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using Code = absl::StatusCode;
using End = core::CallEnd;
using Labels = Samples::Labels;

// Returns the labels of payment's Charge, and those of `all`.
Labels Pay(Labels all = {}) {
  all["channel"] = "payment";
  all["method"] = kPay;
  return all;
}

TEST(MetricsTest, CallsByTypeCodeAndReason) {
  MetricsScene scene;
  const auto runtime = scene.Bind("payment", kPay)->runtime;
  const auto chain = engine::FallbackLinks::Create(
      "payment", kPay, FallbackChain({CachedReply()}), nullptr);
  ASSERT_TRUE(chain.ok());
  (*chain)->at(0).counters->Add(engine::LinkEnd::kAnswered);
  (*chain)->at(0).counters->Add(engine::LinkEnd::kLate);
  runtime->SetFallback(*chain);
  core::MethodStats& stats = runtime->stats;
  for (int i = 0; i < 9; ++i) stats.OnCallStarted();
  stats.OnCallEnded(End::kSuccess, Code::kOk, milliseconds(3));
  stats.OnCallEnded(End::kSuccess, Code::kOk, milliseconds(3));
  stats.OnCallEnded(End::kFailure, Code::kUnavailable, milliseconds(3));
  stats.OnCallEnded(End::kCancelled, Code::kCancelled, milliseconds(3));
  stats.OnCallEnded(End::kAbandoned, Code::kOk, milliseconds(3));
  stats.OnRejected(core::Reason::kBreakerOpen);
  stats.OnRejected(core::Reason::kBreakerOpen);
  stats.OnRejected(core::Reason::kDeadlineInfeasible);
  stats.OnFallback();
  const Samples s = scene.Scrape();
  EXPECT_EQ(s.Of("firebreak_requests_started_total", Pay()), 9);
  EXPECT_EQ(s.Of("firebreak_requests_in_flight", Pay()), 1);
  const auto ended = [&](const char* type) {
    return s.Of("firebreak_requests_total", Pay({{"type", type}}));
  };
  EXPECT_EQ(ended("success"), 2);
  EXPECT_EQ(ended("failure"), 1);
  EXPECT_EQ(ended("rejected"), 3);
  EXPECT_EQ(ended("cancelled"), 1);
  EXPECT_EQ(ended("abandoned"), 1);
  const auto by_code = [&](const char* code) {
    return s.Of("firebreak_responses_total", Pay({{"code", code}}));
  };
  EXPECT_EQ(by_code("OK"), 2);
  EXPECT_EQ(by_code("UNAVAILABLE"), 1);
  EXPECT_EQ(by_code("CANCELLED"), 1);
  EXPECT_THAT(s.Find("firebreak_responses_total", Pay()), SizeIs(3));
  const auto rejected = [&](const char* reason) {
    return s.Of("firebreak_rejected_requests_total", Pay({{"reason", reason}}));
  };
  EXPECT_EQ(rejected("breaker_open"), 2);
  EXPECT_EQ(rejected("deadline_infeasible"), 1);
  // Every reason that the policy can cause exists before it happens.
  EXPECT_EQ(rejected("probes_taken"), 0);
  EXPECT_EQ(rejected("bulkhead_full"), 0);
  EXPECT_THAT(
      s.Find("firebreak_rejected_requests_total", {{"reason", "rate_limited"}}),
      IsEmpty());
  EXPECT_EQ(s.Of("firebreak_fallbacks_total", Pay()), 1);
  const auto link = [&](const char* result) {
    return s.Of("firebreak_fallback_links_total",
                Pay({{"link", "cached"}, {"result", result}}));
  };
  EXPECT_EQ(link("answered"), 1);
  EXPECT_EQ(link("late"), 1);
  EXPECT_EQ(link("not_begun"), 0);
}

TEST(MetricsTest, ResponseTimesOfSuccesses) {
  MetricsScene scene;
  core::MethodStats& stats = scene.Bind("payment", kPay)->runtime->stats;
  for (const int ms : {2, 4, 30, 20'000}) {
    stats.OnCallStarted();
    stats.OnCallEnded(End::kSuccess, Code::kOk, milliseconds(ms));
  }
  stats.OnCallStarted();
  stats.OnCallEnded(End::kFailure, Code::kInternal, milliseconds(7));
  const Samples s = scene.Scrape();
  const auto at_most = [&](const char* le) {
    return s.Of("firebreak_response_time_seconds_bucket", Pay({{"le", le}}));
  };
  EXPECT_EQ(at_most("0.001"), 0);
  EXPECT_EQ(at_most("0.0025"), 1);
  EXPECT_EQ(at_most("0.005"), 2);
  EXPECT_EQ(at_most("0.05"), 3);
  EXPECT_EQ(at_most("10"), 3);
  EXPECT_EQ(at_most("+Inf"), 4);
  EXPECT_EQ(s.Of("firebreak_response_time_seconds_count", Pay()), 4);
  EXPECT_NEAR(s.Of("firebreak_response_time_seconds_sum", Pay()), 20.036,
              20.036 / 64);
}

TEST(MetricsTest, AttemptsByKindAndByTheirEnd) {
  MetricsScene scene;
  core::MethodStats& stats = scene.Bind("payment", kPay)->runtime->stats;
  stats.OnAttempt(core::AttemptKind::kFirst);
  stats.OnAttempt(core::AttemptKind::kHedge);
  stats.OnAttempt(core::AttemptKind::kHedge);
  stats.OnAttemptEnd(core::Attribution::kSuccess);
  stats.OnAttemptEnd(core::Attribution::kSuperseded);
  stats.OnStop(core::Reason::kBudgetExhausted);
  stats.OnHedgeWin();
  const Samples s = scene.Scrape();
  const auto sent = [&](const char* kind) {
    return s.Of("firebreak_attempts_total", Pay({{"kind", kind}}));
  };
  EXPECT_EQ(sent("first"), 1);
  EXPECT_EQ(sent("retry"), 0);
  EXPECT_EQ(sent("hedge"), 2);
  const auto end = [&](const char* attribution) {
    return s.Of("firebreak_attempt_ends_total",
                Pay({{"attribution", attribution}}));
  };
  EXPECT_EQ(end("success"), 1);
  EXPECT_EQ(end("superseded"), 1);
  EXPECT_EQ(end("server_failure"), 0);
  EXPECT_EQ(s.Of("firebreak_attempts_not_made_total",
                 Pay({{"reason", "budget_exhausted"}})),
            1);
  EXPECT_EQ(s.Of("firebreak_hedges_won_total", Pay()), 1);
  EXPECT_EQ(s.Of("firebreak_hedge_delay_seconds", Pay()), 0.02);
}

TEST(MetricsTest, TheLatencyModel) {
  MetricsScene scene;
  LetEverythingHappen(&scene);
  const Samples s = scene.Scrape();
  for (const char* q : {"0.5", "0.9", "0.99"}) {
    EXPECT_NEAR(s.Of("firebreak_attempt_latency_seconds", Pay({{"q", q}})),
                0.003, 0.00006);
  }
  EXPECT_NEAR(s.Of("firebreak_attempt_latency_usual_seconds", Pay()), 0.003,
              0.00006);
  // What is not known is not exported.
  EXPECT_THAT(
      s.Find("firebreak_attempt_latency_seconds", {{"channel", "stock"}}),
      IsEmpty());
}

TEST(MetricsTest, ABreakerIsInOneOfItsStates) {
  MetricsScene scene;
  core::Breaker* breaker = scene.Bind("payment", kPay)->targets.front();
  FailOnce(breaker);
  const auto in = [&](const Samples& s, const char* state) {
    return s.Of("firebreak_circuit_breaker_state",
                Pay({{"target", "t:1"}, {"state", state}}));
  };
  const auto change = [&](const Samples& s, const char* from, const char* to) {
    return s.Of("firebreak_circuit_breaker_state_changes_total",
                Pay({{"from", from}, {"to", to}}));
  };
  const Samples closed = scene.Scrape();
  EXPECT_THAT(closed.Find("firebreak_circuit_breaker_state", Pay()),
              SizeIs(core::kBreakerStates));
  EXPECT_EQ(in(closed, "closed"), 1);
  EXPECT_EQ(in(closed, "open"), 0);
  EXPECT_EQ(change(closed, "closed", "open"), 0);
  EXPECT_EQ(change(closed, "half_open", "closed"), 0);
  EXPECT_EQ(closed.Of("firebreak_circuit_breaker_shadow", Pay()), 0);

  FailOnce(breaker);
  const Samples open = scene.Scrape();
  EXPECT_EQ(in(open, "closed"), 0);
  EXPECT_EQ(in(open, "open"), 1);
  EXPECT_EQ(change(open, "closed", "open"), 1);

  breaker->ForceClosed(absl::nullopt, engine::Now());
  breaker->Reset(engine::Now());
  breaker->Reset(engine::Now());
  const Samples reset = scene.Scrape();
  EXPECT_EQ(in(reset, "closed"), 1);
  EXPECT_EQ(change(reset, "open", "forced_closed"), 1);
  EXPECT_EQ(change(reset, "forced_closed", "closed"), 1);
  // A reset of a closed breaker is not a change of state.
  EXPECT_THAT(reset.Find("firebreak_circuit_breaker_state_changes_total",
                         Pay({{"from", "closed"}, {"to", "closed"}})),
              IsEmpty());
}

TEST(MetricsTest, WhatABreakerCounts) {
  MetricsScene scene(R"pb(
    method {
      name {}
      breaker { failure_rate: 0.5 minimum_calls: 10 }
    }
  )pb");
  core::Breaker* breaker = scene.Bind("payment", kPay)->targets.front();
  FailOnce(breaker);
  for (int i = 0; i < 3; ++i) {
    breaker->Admit(engine::Now(), core::kInfiniteFuture)
        .permit.Settle(core::Verdict::kLost, engine::Now());
  }
  const Samples s = scene.Scrape();
  const auto of = [&](const std::string& what) {
    return s.Of("firebreak_circuit_breaker_" + what, Pay());
  };
  EXPECT_EQ(of("window_calls"), 1);
  EXPECT_EQ(of("window_failures"), 1);
  EXPECT_EQ(of("losses_total"), 3);
  EXPECT_EQ(of("losses_in_a_row"), 3);
  EXPECT_EQ(of("admitted_ratio"), 1);
  EXPECT_EQ(of("probes_in_flight"), 0);
  EXPECT_EQ(of("hung_probes_total"), 0);
  EXPECT_EQ(of("stale_results_total"), 0);
}

TEST(MetricsTest, AShadowSaysSo) {
  MetricsScene scene(R"pb(
    method {
      name {}
      breaker { mode: SHADOW consecutive_failures: 1 }
    }
  )pb");
  core::Breaker* breaker = scene.Bind("payment", kPay)->targets.front();
  FailOnce(breaker);
  EXPECT_TRUE(breaker->Admit(engine::Now(), core::kInfiniteFuture).permit);
  const Samples s = scene.Scrape();
  EXPECT_EQ(s.Of("firebreak_circuit_breaker_shadow", Pay()), 1);
  EXPECT_EQ(s.Of("firebreak_circuit_breaker_shadow_refusals_total", Pay()), 1);
  EXPECT_THAT(s.Find("firebreak_rejected_requests_total"), IsEmpty());
}

TEST(MetricsTest, AMethodWithoutBreakerHasAStateOnly) {
  MetricsScene scene;
  core::Breaker* breaker = scene.Bind("payment", kPlain)->targets.front();
  EXPECT_EQ(scene.Scrape().Of("firebreak_circuit_breaker_state",
                              {{"state", "disabled"}}),
            1);
  EXPECT_THAT(scene.Scrape().Find("firebreak_circuit_breaker_window_calls"),
              IsEmpty());
  breaker->ForceOpen(absl::nullopt, engine::Now());
  const Samples s = scene.Scrape();
  EXPECT_EQ(s.Of("firebreak_circuit_breaker_state", {{"state", "forced_open"}}),
            1);
  EXPECT_EQ(s.Of("firebreak_circuit_breaker_state_changes_total",
                 {{"from", "disabled"}, {"to", "forced_open"}}),
            1);
}

TEST(MetricsTest, WhatMethodsShareIsShownOnce) {
  MetricsScene scene;
  const auto get = scene.Bind("stock", kStock);
  scene.Bind("stock", kStockPut);
  scene.Bind("payment", kPay);
  scene.Bind("payment", kRefundPay);
  get->settings->admission.bulkhead()->Enter();
  const Samples s = scene.Scrape();
  // One breaker, one bulkhead and so on for the channel, all called "*".
  const Labels stock = {{"channel", "stock"}, {"method", "*"}};
  EXPECT_EQ(s.Of("firebreak_circuit_breaker_window_calls", stock), 0);
  EXPECT_EQ(s.Of("firebreak_bulkhead_active", stock), 1);
  EXPECT_EQ(s.Of("firebreak_bulkhead_limit", stock), 5);
  EXPECT_EQ(s.Of("firebreak_rate_limit_tokens", stock), 20);
  EXPECT_EQ(s.Of("firebreak_rate_limit_burst_tokens", stock), 20);
  EXPECT_EQ(s.Of("firebreak_throttle_rejection_ratio", stock), 0);
  EXPECT_THAT(s.Find("firebreak_rate_limit_tokens"), SizeIs(1));
  // The same for the changes of a breaker with a ramp.
  EXPECT_EQ(s.Of("firebreak_circuit_breaker_state_changes_total",
                 {{"channel", "stock"}, {"from", "ramp"}, {"to", "closed"}}),
            0);
  // One bulkhead for each method that has its own.
  EXPECT_THAT(s.Find("firebreak_bulkhead_limit", {{"channel", "payment"}}),
              SizeIs(2));
  EXPECT_EQ(s.Of("firebreak_bulkhead_limit", Pay()), 7);
  EXPECT_EQ(s.Of("firebreak_bulkhead_queue_limit", Pay()), 3);
  // One budget for each channel name.
  EXPECT_THAT(s.Find("firebreak_attempt_budget_tokens"), SizeIs(2));
  EXPECT_EQ(
      s.Of("firebreak_attempt_budget_burst_tokens", {{"channel", "payment"}}),
      20);
}

TEST(MetricsTest, TheBudget) {
  MetricsScene scene(R"pb(
    method {
      name {}
      retry {}
    }
    channel {
      budget { ratio: 0.5 floor: 0 burst: 3 }
      throttling { max_tokens: 10 token_ratio: 0.5 }
    }
  )pb");
  core::AttemptBudget& budget = *scene.Bind("payment", kPay)->runtime->budget;
  ASSERT_TRUE(budget.TryAcquire(engine::Now()));
  budget.OnAttemptEnd(false);
  const Samples s = scene.Scrape();
  const Labels payment = {{"channel", "payment"}};
  EXPECT_EQ(s.Of("firebreak_attempt_budget_tokens", payment), 2);
  EXPECT_EQ(s.Of("firebreak_retry_throttle_tokens", payment), 9);
}

TEST(MetricsTest, TheEngine) {
  MetricsScene scene;
  scene.engine()->core()->CountForeignMetadata(4);
  scene.engine()->core()->callback_counters()->classifier_late = 2;
  scene.engine()->core()->audit_counters()->changed = 2;
  scene.engine()->core()->audit_counters()->refused = 3;
  scene.Bind("payment", kPay);
  const Samples s = scene.Scrape();
  EXPECT_EQ(s.Of("firebreak_methods"), 1);
  EXPECT_EQ(s.Of("firebreak_methods_limit"), 1000);
  EXPECT_EQ(s.Of("firebreak_foreign_metadata_total"), 4);
  EXPECT_EQ(s.Of("firebreak_audits_total", {{"result", "changed"}}), 2);
  EXPECT_EQ(s.Of("firebreak_audits_total", {{"result", "refused"}}), 3);
  EXPECT_EQ(
      s.Of("firebreak_callback_faults_total", {{"fault", "classifier_late"}}),
      2);
  EXPECT_EQ(
      s.Of("firebreak_callback_faults_total", {{"fault", "listener_threw"}}),
      0);
  EXPECT_EQ(s.Of("firebreak_listener_events_missed_total"), 0);
}

TEST(MetricsTest, ThePolicyAndItsUpdates) {
  MetricsScene scene;
  const Samples before = scene.Scrape();
  EXPECT_EQ(before.Of("firebreak_policy_version"), 1);
  EXPECT_EQ(
      before.Of("firebreak_policy_updates_total", {{"result", "refused"}}), 0);
  const double start =
      before.Of("firebreak_policy_last_success_timestamp_seconds");
  EXPECT_GT(start, 1.7e9) << "seconds of the calendar";
  EXPECT_FALSE(scene.engine()->SetPolicyText("nonsense").ok());
  EXPECT_EQ(before.Of("firebreak_policy_last_update_successful"), 1);
  EXPECT_EQ(scene.Scrape().Of("firebreak_policy_last_update_successful"), 0);
  EXPECT_TRUE(scene.engine()->SetPolicyText("method { name {} }").ok());
  EXPECT_TRUE(scene.engine()->SetPolicyText("method { name {} }").ok());
  EXPECT_TRUE(scene.engine()->SetPolicyText("method { name {} id: 'a' }").ok());
  const Samples s = scene.Scrape();
  EXPECT_EQ(s.Of("firebreak_policy_version"), 3);
  const auto updates = [&](const char* result) {
    return s.Of("firebreak_policy_updates_total", {{"result", result}});
  };
  EXPECT_EQ(s.Of("firebreak_policy_last_update_successful"), 1);
  EXPECT_EQ(updates("applied"), 2);
  EXPECT_EQ(updates("unchanged"), 1);
  EXPECT_EQ(updates("refused"), 1);
  EXPECT_GE(s.Of("firebreak_policy_last_success_timestamp_seconds"), start);
}

TEST(MetricsTest, NamesFromOutsideAreMadePrintable) {
  MetricsScene scene;
  scene.Bind("pay\n\"</b>", std::string("/a.B/\x01\0\xff\\ {c=\"d\"} 1\r", 20),
             "\xe2\x28\n# TYPE x");
  const Samples s = scene.Scrape();
  const Sample sample = s.Find("firebreak_circuit_breaker_state").front();
  EXPECT_EQ(sample.labels.at("channel"), "pay\\x0a\"</b>");
  EXPECT_EQ(sample.labels.at("method"),
            "/a.B/\\x01\\x00\\xff\\\\ {c=\"d\"} 1\\x0d");
  EXPECT_EQ(sample.labels.at("target"), "\\xe2(\\x0a# TYPE x");
  for (const char c : s.text) {
    ASSERT_TRUE(c == '\n' || (c >= ' ' && c <= '~')) << int{c};
  }
}

TEST(MetricsTest, NoSeriesTwiceAndABoundOnThem) {
  EngineOptions options = MetricsScene::Quiet();
  options.max_methods = 5;
  MetricsScene scene(kMetricsPolicy, options);
  for (int i = 0; i < 100; ++i) {
    scene.Bind("payment", absl::StrCat("/shop.v1.PaymentService/M", i));
  }
  LetEverythingHappen(&scene);
  const Samples s = scene.Scrape();
  std::set<std::pair<std::string, Labels>> seen;
  std::set<std::string> methods;
  for (const Sample& each : s.all) {
    EXPECT_TRUE(seen.emplace(each.name, each.labels).second) << each.name;
    if (each.labels.count("method")) methods.insert(each.labels.at("method"));
  }
  EXPECT_THAT(methods, SizeIs(6));
  EXPECT_EQ(methods.count("other"), 1u);
  // The limits for each method and each breaker, as in the header.
  EXPECT_LE(s.all.size(), 7u * (100 + 40));
}

TEST(MetricsTest, NothingWhenTheEngineIsGone) {
  auto engine = Engine::FromText(kMetricsPolicy, MetricsScene::Quiet());
  ASSERT_TRUE(engine.ok());
  const PrometheusCollector collector(*engine);
  EXPECT_THAT(collector.Collect(), Not(IsEmpty()));
  auto binding = (*engine)->core()->BindChannel("payment", {""});
  engine->reset();
  // A channel keeps the engine's state, and so its counters.
  EXPECT_THAT(collector.Collect(), Not(IsEmpty()));
  binding.reset();
  EXPECT_THAT(collector.Collect(), IsEmpty());
}

}  // namespace
}  // namespace firebreak::testing
