// An engine in which everything has happened that a metric can show. The test
// sets its counters directly.
#ifndef FIREBREAK_TESTS_SUPPORT_METRICS_SCENE_H_
#define FIREBREAK_TESTS_SUPPORT_METRICS_SCENE_H_

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "firebreak/engine.h"
#include "firebreak/prometheus.h"
#include "src/engine/candidate/candidate_call.h"
#include "src/engine/engine_core.h"
#include "src/engine/io/clock.h"
#include "src/engine/policy/policy.h"
#include "tests/support/scrape.h"

namespace firebreak::testing {

inline constexpr char kPay[] = "/shop.v1.PaymentService/Charge";
inline constexpr char kRefundPay[] = "/shop.v1.PaymentService/Refund";
inline constexpr char kPlain[] = "/shop.v1.Plain/Call";
inline constexpr char kStock[] = "/shop.v1.Stock/Get";
inline constexpr char kStockPut[] = "/shop.v1.Stock/Put";

inline constexpr char kMetricsPolicy[] = R"pb(
  method {
    name { service: "shop.v1.PaymentService" }
    breaker { consecutive_failures: 2 failure_rate: 0 open_jitter: 0 }
    hedging { delay: "20ms" }
    bulkhead { max_concurrent: 7 max_queue: 3 }
  }
  method {
    name { service: "shop.v1.Stock" }
    breaker {
      scope: CHANNEL
      ramp { duration: "5s" }
    }
    retry {}
  }
  method {
    name {}
    retry {}
  }
  channel {
    name: "stock"
    bulkhead { max_concurrent: 5 }
    rate_limit { rate: 10 burst: 20 }
    throttle {}
  }
  channel { budget { ratio: 0.25 floor: 0 burst: 20 } }
)pb";

class MetricsScene {
 public:
  explicit MetricsScene(const std::string& policy = kMetricsPolicy,
                        const EngineOptions& options = Quiet())
      : engine_(Make(policy, options)), collector_(engine_) {}

  static EngineOptions Quiet() {
    EngineOptions options;
    options.log_sink = nullptr;
    return options;
  }

  std::shared_ptr<const engine::MethodBinding> Bind(
      const std::string& channel, const std::string& method,
      const std::string& target = "t:1") {
    return engine_->core()->BindChannel(channel, {target})->Find(method);
  }
  Samples Scrape() const { return testing::Scrape(collector_); }
  std::shared_ptr<Engine>& engine() { return engine_; }
  const PrometheusCollector& collector() const { return collector_; }

 private:
  static std::shared_ptr<Engine> Make(const std::string& policy,
                                      const EngineOptions& options) {
    auto engine = Engine::FromText(policy, options);
    EXPECT_TRUE(engine.ok()) << engine.status();
    return *std::move(engine);
  }

  std::shared_ptr<Engine> engine_;
  const PrometheusCollector collector_;
};

inline void FailOnce(core::Breaker* breaker) {
  breaker->Admit(engine::Now(), core::kInfiniteFuture)
      .permit.Settle(core::Verdict::kFailure, engine::Now());
}

// Gives every metric a sample with all of its labels.
inline void LetEverythingHappen(MetricsScene* scene) {
  using std::chrono::milliseconds;
  const auto pay = scene->Bind("payment", kPay);
  scene->Bind("stock", kStock);
  // (A method past max_methods has no fallback.)
  scene->engine()
      ->SetFallback("payment", kPay, FallbackChain({CachedReply()}))
      .IgnoreError();
  core::MethodStats& stats = pay->runtime->stats;
  stats.OnCallStarted();
  stats.OnCallEnded(core::CallEnd::kSuccess, absl::StatusCode::kOk,
                    milliseconds(3));
  stats.OnCallStarted();
  stats.OnRejected(core::Reason::kBreakerOpen);
  stats.OnStop(core::Reason::kBudgetExhausted);
  const core::Time now = engine::Now();
  for (int i = 0; i < 200; ++i) {
    pay->runtime->latency.Record(milliseconds(3),
                                 now - std::chrono::seconds(70));
  }
  pay->runtime->latency.Record(milliseconds(3), now);
  engine::CandidateStore* const candidates =
      scene->engine()->core()->candidates();
  EXPECT_TRUE(candidates
                  ->Set(engine::ParsePolicyText(
                            "method { name {} rate_limit { rate: 1 burst: 1 "
                            "max_wait: \"0s\" } }",
                            "scene", true),
                        PolicyUpdate())
                  .ok());
  const auto anew = scene->Bind("payment", kPay);
  // (As above.)
  if (anew->candidate == nullptr) return;
  for (int i = 0; i < 2; ++i) {
    engine::CandidateCall::Arrival arrival;
    arrival.now = now;
    engine::CandidateCall(*anew->candidate, anew->runtime.get(), arrival);
  }
}

}  // namespace firebreak::testing

#endif  // FIREBREAK_TESTS_SUPPORT_METRICS_SCENE_H_
