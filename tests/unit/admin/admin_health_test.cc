// Health, alerts and the last minute, as the admin service shows them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "src/admin/health/health_reporter.h"
#include "src/admin/health/rates.h"
#include "src/admin/views/method_view.h"
#include "tests/support/admin_fixture.h"

namespace firebreak::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

using Stub = v1::Admin::Stub;

void Settle(core::Breaker* breaker, core::Verdict verdict, int times) {
  for (int i = 0; i < times; ++i) {
    breaker->Admit(engine::Now(), core::kInfiniteFuture)
        .permit.Settle(verdict, engine::Now());
  }
}

void Attempt(core::MethodStats* stats, core::Attribution end, int times) {
  for (int i = 0; i < times; ++i) {
    stats->OnCallStarted();
    stats->OnAttempt(core::AttemptKind::kFirst);
    stats->OnAttemptEnd(end);
    const auto took = std::chrono::milliseconds(1);
    switch (end) {
      case core::Attribution::kSuccess:
        stats->OnCallEnded(core::CallEnd::kSuccess, absl::StatusCode::kOk,
                           took);
        break;
      case core::Attribution::kCancelledByCaller:
        stats->OnCallEnded(core::CallEnd::kCancelled,
                           absl::StatusCode::kCancelled, took);
        break;
      default:
        stats->OnCallEnded(core::CallEnd::kFailure,
                           absl::StatusCode::kUnavailable, took);
    }
  }
}

v1::GetHealthResponse Health(AdminFixture* f,
                             const v1::GetHealthRequest& request = {}) {
  v1::GetHealthResponse response;
  const grpc::Status status = f->Call(&Stub::GetHealth, request, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return response;
}

std::vector<std::string> Alerts(AdminFixture* f,
                                const v1::ListAlertsRequest& request = {}) {
  v1::ListAlertsResponse response;
  const grpc::Status status = f->Call(&Stub::ListAlerts, request, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  std::vector<std::string> out;
  for (const v1::Alert& each : response.alerts()) {
    out.push_back(absl::StrCat(
        v1::AlertSeverity_Name(each.severity()).substr(15), " ",
        v1::AlertKind_Name(each.kind()).substr(11), " ", each.channel(), " ",
        each.method(), " ", each.target(), ": ", each.cause()));
  }
  return out;
}

TEST(AdminHealthTest, OfNothingIsGood) {
  AdminFixture f;
  const v1::GetHealthResponse health = Health(&f);
  EXPECT_EQ(health.level(), v1::HEALTH_LEVEL_HEALTHY);
  EXPECT_THAT(health.methods(), IsEmpty());
  EXPECT_GT(health.as_of().seconds(), 1'600'000'000);
}

TEST(AdminHealthTest, WorstFirstWithItsTerms) {
  AdminFixture f;
  Settle(f.Bind("payment", "a:1", kRefund), core::Verdict::kSuccess, 9);
  core::Breaker* const degraded = f.Bind("pay2", "a:1", kCharge);
  for (int i = 0; i < 5; ++i) {
    Settle(degraded, core::Verdict::kSuccess, 3);
    Settle(degraded, core::Verdict::kFailure, 1);
  }
  Trip(f.Bind("payment", "a:1", kCharge));
  const v1::GetHealthResponse health = Health(&f);
  EXPECT_EQ(health.level(), v1::HEALTH_LEVEL_DEGRADED);
  EXPECT_EQ(health.healthy(), 1);
  EXPECT_EQ(health.degraded(), 1);
  EXPECT_EQ(health.unhealthy(), 1);
  ASSERT_THAT(health.methods(), SizeIs(3));
  EXPECT_EQ(health.methods(0).method(), kCharge);
  EXPECT_EQ(health.methods(0).channel(), "payment");
  EXPECT_DOUBLE_EQ(health.methods(0).health().score(), 0);
  EXPECT_DOUBLE_EQ(health.methods(0).health().admitted_share(), 0);
  EXPECT_EQ(health.methods(0).health().level(), v1::HEALTH_LEVEL_UNHEALTHY);
  EXPECT_EQ(health.methods(1).channel(), "pay2");
  EXPECT_DOUBLE_EQ(health.methods(1).health().score(), 75);
  EXPECT_DOUBLE_EQ(health.methods(1).health().failure_rate(), 0.25);
  EXPECT_EQ(health.methods(2).method(), kRefund);
  EXPECT_DOUBLE_EQ(health.methods(2).health().score(), 100);

  v1::GetHealthRequest one;
  one.mutable_selector()->set_channel("payment");
  one.mutable_selector()->set_method("Charge");
  EXPECT_EQ(Health(&f, one).level(), v1::HEALTH_LEVEL_UNHEALTHY);
  EXPECT_THAT(Health(&f, one).methods(), SizeIs(1));

  // GetMethod shows the same.
  v1::GetMethodRequest get;
  *get.mutable_selector() = one.selector();
  v1::GetMethodResponse method;
  ASSERT_TRUE(f.Call(&Stub::GetMethod, get, &method).ok());
  EXPECT_EQ(method.method().health().level(), v1::HEALTH_LEVEL_UNHEALTHY);
}

TEST(AdminHealthTest, OfAMethodWithoutABreakerIsTheLastMinutes) {
  AdminFixture f;
  core::MethodStats& stats = f.Method("order", "", kCreate)->runtime->stats;
  Attempt(&stats, core::Attribution::kSuccess, 6);
  Attempt(&stats, core::Attribution::kServerFailure, 3);
  Attempt(&stats, core::Attribution::kTransportFailure, 1);
  Attempt(&stats, core::Attribution::kCancelledByCaller, 5);
  EXPECT_DOUBLE_EQ(Health(&f).methods(0).health().score(), 60);
}

std::vector<admin::Rates::Step> StepsOf(const admin::Rates& rates,
                                        const engine::MethodRuntime& method) {
  return rates.counts().Of(method, engine::Now()).Steps();
}

TEST(AdminRatesTest, KeepAMinute) {
  AdminFixture f;
  const auto order = f.Method("order", "", kCreate)->runtime;
  const auto rates = admin::Rates::Create(f.core());
  EXPECT_THAT(StepsOf(*rates, *order), SizeIs(1)) << "the step under way";
  Attempt(&order->stats, core::Attribution::kSuccess, 5);
  EXPECT_EQ(StepsOf(*rates, *order)[0].started, 5);
  for (int step = 1; step <= 20; ++step) {
    rates->Advance();
    Attempt(&order->stats, core::Attribution::kServerFailure, step);
    const std::vector<admin::Rates::Step> steps = StepsOf(*rates, *order);
    ASSERT_LE(steps.size(), admin::Rates::kSteps);
    EXPECT_EQ(steps.back().started, step);
    EXPECT_EQ(steps.back().failures, step);
    if (step > 1) {
      EXPECT_EQ(steps[steps.size() - 2].started, step - 1);
    }
  }
  EXPECT_THAT(StepsOf(*rates, *order), SizeIs(admin::Rates::kSteps));
  EXPECT_EQ(rates->LastMinute(*order).started, (9 + 20) * 12 / 2);
  // Calls that were counted before it was created are in none of its minutes.
  const auto late = admin::Rates::Create(f.core());
  EXPECT_EQ(late->LastMinute(*order).started, 0);
  EXPECT_EQ(StepsOf(*late, *order)[0].started, 0);
  Attempt(&order->stats, core::Attribution::kSuccess, 2);
  late->Advance();
  EXPECT_EQ(late->LastMinute(*order).started, 2);
  // All counts of a new method belong to the last minute.
  const auto charge = f.Method("payment", "", kCharge)->runtime;
  Attempt(&charge->stats, core::Attribution::kSuccess, 3);
  rates->Advance();
  EXPECT_EQ(rates->LastMinute(*charge).started, 3);
  EXPECT_EQ(StepsOf(*rates, *charge)[0].started, 3);

  const v1::Method view =
      admin::MethodView({order, {}}, engine::Now(), rates.get());
  EXPECT_EQ(view.recent().step().seconds(), 5);
  ASSERT_THAT(view.recent().started(), SizeIs(admin::Rates::kSteps));
  EXPECT_EQ(view.recent().started(10), 22);
  EXPECT_EQ(view.recent().failures(10), 20);
  EXPECT_EQ(view.recent().rejected(10), 0);
}

TEST(AdminAlertsTest, NoneWhenAllIsWell) {
  AdminFixture f;
  Settle(f.Bind("payment", "a:1", kCharge), core::Verdict::kSuccess, 20);
  f.Bind("order", "", kCreate);
  EXPECT_THAT(Alerts(&f), IsEmpty());
}

TEST(AdminAlertsTest, CriticalOnesFirst) {
  AdminFixture f;
  core::Breaker* const failing = f.Bind("a", "t:1", kCharge);
  for (int i = 0; i < 5; ++i) {
    Settle(failing, core::Verdict::kSuccess, 2);
    Settle(failing, core::Verdict::kFailure, 1);
  }
  Trip(f.Bind("z", "t:1", kCharge));
  f.Bind("y", "t:1", kRefund)->ForceOpen(absl::nullopt, engine::Now());
  EXPECT_THAT(
      Alerts(&f),
      ElementsAre(
          AllOf(HasSubstr("CRITICAL BREAKER_OPEN y"), HasSubstr(kRefund),
                HasSubstr("t:1"), HasSubstr("forced_open: ")),
          AllOf(HasSubstr("CRITICAL BREAKER_OPEN z"),
                HasSubstr("open: 2 failures in a row (limit 2)")),
          AllOf(HasSubstr("WARNING FAILURE_RATE a"),
                HasSubstr("5 of 15 calls failed: 33 % (warns at 25 %)")),
          AllOf(HasSubstr("WARNING OVERRIDE_WITHOUT_END y"),
                HasSubstr("forced_open: by an operator, until cleared"))));
  v1::ListAlertsRequest critical;
  critical.set_min_severity(v1::ALERT_SEVERITY_CRITICAL);
  EXPECT_THAT(Alerts(&f, critical), SizeIs(2));
  v1::ListAlertsRequest one;
  one.mutable_selector()->set_channel("z");
  EXPECT_THAT(Alerts(&f, one), SizeIs(1));
  // Half-open is an alert too, since a breaker alternates between half-open and
  // open during an outage.
  core::Breaker* const open = f.Bind("z", "t:1", kCharge);
  open->Tick(engine::Now() + std::chrono::seconds(11));
  core::Admission probe = open->Admit(engine::Now() + std::chrono::seconds(11),
                                      core::kInfiniteFuture);
  EXPECT_THAT(Alerts(&f, one),
              ElementsAre(HasSubstr("CRITICAL BREAKER_OPEN z")));
}

TEST(AdminAlertsTest, FewCallsSayNothing) {
  AdminFixture f;
  core::Breaker* const few = f.Bind("a", "t:1", kCharge);
  for (int i = 0; i < 4; ++i) {
    Settle(few, core::Verdict::kSuccess, 1);
    Settle(few, core::Verdict::kFailure, 1);
  }
  EXPECT_THAT(Alerts(&f), IsEmpty());
  AdminOptions options;
  options.alerts.minimum_calls = 8;
  AdminFixture sharper(options);
  core::Breaker* const same = sharper.Bind("a", "t:1", kCharge);
  for (int i = 0; i < 4; ++i) {
    Settle(same, core::Verdict::kSuccess, 1);
    Settle(same, core::Verdict::kFailure, 1);
  }
  EXPECT_THAT(Alerts(&sharper), SizeIs(1));
}

TEST(AdminAlertsTest, WithoutABreakerTheLastMinuteTells) {
  AdminFixture f;
  core::MethodStats& stats = f.Method("order", "", kCreate)->runtime->stats;
  Attempt(&stats, core::Attribution::kSuccess, 10);
  Attempt(&stats, core::Attribution::kServerFailure, 10);
  EXPECT_THAT(Alerts(&f),
              ElementsAre(AllOf(HasSubstr("CRITICAL CALLS_FAIL order"),
                                HasSubstr("not OK: UNAVAILABLE 10")),
                          AllOf(HasSubstr("WARNING FAILURE_RATE order"),
                                HasSubstr("10 of 20 calls"))));
}

TEST(AdminAlertsTest, AnEmptyBudgetOncePerChannel) {
  AdminFixture f;
  f.Bind("payment", "", kRefund);
  const auto charge = f.Method("payment", "", kCharge)->runtime;
  // With a time in an hour, so that real time adds no token.
  while (charge->budget->TryAcquire(engine::Now() + std::chrono::hours(1))) {
  }
  EXPECT_THAT(Alerts(&f), IsEmpty()) << "nobody wants any";
  for (int i = 0; i < 20; ++i) charge->budget->Refund();
  // It was empty for a moment, and a retry or hedge was not made.
  charge->stats.OnStop(core::Reason::kBudgetExhausted);
  EXPECT_THAT(Alerts(&f), ElementsAre(HasSubstr("1 retries and hedges")));
}

TEST(AdminAlertsTest, ThrottledExtraAttempts) {
  AdminFixture f;
  const auto pay = f.Method("bulky", "", kCharge)->runtime;
  for (int i = 0; i < 3; ++i) pay->budget->OnAttemptEnd(false);
  EXPECT_THAT(Alerts(&f), IsEmpty());
  pay->budget->OnAttemptEnd(false);
  ASSERT_TRUE(pay->budget->IsThrottled());
  EXPECT_THAT(Alerts(&f),
              ElementsAre(AllOf(HasSubstr("RETRIES_NOT_MADE bulky  :"),
                                HasSubstr("throttling stops them all: it has "
                                          "4 of 8"))));
  for (int i = 0; i < 8; ++i) pay->budget->OnAttemptEnd(true);
  EXPECT_THAT(Alerts(&f), IsEmpty());
  // It throttled for a moment, and a retry or hedge was not made.
  pay->stats.OnStop(core::Reason::kThrottled);
  EXPECT_THAT(Alerts(&f), ElementsAre(HasSubstr("1 retries and hedges")));
}

TEST(AdminAlertsTest, ATargetThatAlwaysLoses) {
  AdminFixture f;
  core::Breaker* const breaker = f.Bind("payment", "b:1", kCharge);
  Settle(breaker, core::Verdict::kLost, core::Breaker::kLossesToWarn - 1);
  EXPECT_THAT(Alerts(&f), IsEmpty());
  Settle(breaker, core::Verdict::kLost, 1);
  EXPECT_THAT(Alerts(&f),
              ElementsAre(AllOf(HasSubstr("WARNING ALWAYS_LOSES"),
                                HasSubstr("b:1"), HasSubstr("lost 20 times"))));
}

TEST(AdminAlertsTest, AFullBulkhead) {
  AdminFixture f;
  const auto pay = f.Method("bulky", "", kCharge)->runtime;
  core::Bulkhead* const bulkhead = pay->settings()->admission.bulkhead();
  ASSERT_NE(bulkhead, nullptr);
  EXPECT_THAT(Alerts(&f), IsEmpty());
  ASSERT_EQ(bulkhead->Enter(), core::Bulkhead::Entry::kAdmitted);
  EXPECT_THAT(Alerts(&f),
              ElementsAre(AllOf(HasSubstr("WARNING BULKHEAD_FULL bulky"),
                                HasSubstr("1 of 1 in use"))));
  bulkhead->Leave();
  EXPECT_THAT(Alerts(&f), IsEmpty());
  pay->stats.OnCallStarted();
  pay->stats.OnRejected(core::Reason::kBulkheadFull);
  EXPECT_THAT(Alerts(&f), ElementsAre(HasSubstr("1 refused")));
}

TEST(AdminAlertsTest, UnknownSeveritiesAreRefused) {
  AdminFixture f;
  v1::ListAlertsRequest request;
  request.set_min_severity(static_cast<v1::AlertSeverity>(7));
  v1::ListAlertsResponse response;
  const grpc::Status status = f.Call(&Stub::ListAlerts, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("min_severity: is 7"));
}

// gRPC's own health service, as a probe sees it, without a server.
class FakeHealth : public grpc::HealthCheckServiceInterface {
 public:
  void SetServingStatus(const std::string& service, bool serving) override {
    const std::lock_guard<std::mutex> lock(mu_);
    told_.push_back(absl::StrCat(service, serving ? " up" : " down"));
  }
  void SetServingStatus(bool /*serving*/) override {}
  std::vector<std::string> told() {
    const std::lock_guard<std::mutex> lock(mu_);
    return told_;
  }

 private:
  std::mutex mu_;
  std::vector<std::string> told_;
};

TEST(HealthReporterTest, TellsGrpcsOwnHealthServiceUntilStopped) {
  AdminFixture f;
  core::Breaker* const breaker = f.Bind("payment", "", kCharge);
  FakeHealth health;
  const auto reporter =
      admin::HealthReporter::Create(f.core(), admin::Rates::Create(f.core()));
  EXPECT_FALSE(reporter->Report());
  reporter->Start(&health, "shop.deps");
  ASSERT_FALSE(health.told().empty());
  EXPECT_EQ(health.told().back(), "shop.deps up");
  Trip(breaker);
  EXPECT_TRUE(reporter->Report());
  EXPECT_EQ(health.told().back(), "shop.deps down");
  breaker->Reset(engine::Now());
  EXPECT_TRUE(reporter->Report());
  EXPECT_EQ(health.told().back(), "shop.deps up");
  reporter->Stop();
  const size_t told = health.told().size();
  EXPECT_FALSE(reporter->Report());
  EXPECT_EQ(health.told().size(), told);
}

TEST(HealthReporterTest, TellsChangesOnly) {
  AdminFixture f;
  FakeHealth health;
  const auto reporter =
      admin::HealthReporter::Create(f.core(), admin::Rates::Create(f.core()));
  reporter->Start(&health, "a");
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(reporter->Report());
  EXPECT_THAT(health.told(), ElementsAre("a up"));
  // The same name is reported again, and another name replaces it.
  reporter->Start(&health, "a");
  reporter->Start(&health, "b");
  EXPECT_THAT(health.told(), ElementsAre("a up", "a up", "a down", "b up"));
  reporter->Stop();
}

}  // namespace
}  // namespace firebreak::testing
