// The reports of the admin service, over a real server. The test itself changes
// counters and breakers, at the times that it chooses.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "src/admin/views/method_view.h"
#include "tests/support/admin_fixture.h"

namespace firebreak::testing {
namespace {

using ::testing::AllOf;
using ::testing::IsEmpty;
using ::testing::SizeIs;

using Stub = v1::Admin::Stub;

std::string Named(
    const google::protobuf::RepeatedPtrField<v1::NamedCount>& counts) {
  std::string out;
  for (const v1::NamedCount& each : counts) {
    out += each.name() + "=" + std::to_string(each.count()) + " ";
  }
  return out;
}

TEST(MethodViewTest, AnAdmissionPolicyWithoutAMessageIsShownAsAny) {
  const core::Measures measures = {{"tokens", "tokens", "", 2.5},
                                   {"rejected", "rejected_total", "", 7}};
  v1::Method view;
  admin::AddAdmission("rate_limit", measures, &view);
  EXPECT_EQ(view.rate_limit().tokens(), 2.5);
  EXPECT_EQ(view.rate_limit().rejected(), 7);
  EXPECT_EQ(view.admission_size(), 0);

  admin::AddAdmission("cool_down", measures, &view);
  // There is a field of this name, but its message is not an admission policy.
  admin::AddAdmission("policy", measures, &view);
  ASSERT_EQ(view.admission_size(), 2);
  EXPECT_EQ(view.admission(0).name(), "cool_down");
  ASSERT_EQ(view.admission(0).measures_size(), 2);
  EXPECT_EQ(view.admission(0).measures(1).name(), "rejected");
  EXPECT_EQ(view.admission(0).measures(1).value(), 7);
  EXPECT_EQ(view.policy(), "");
}

TEST(AdminListTest, NothingBeforeTheFirstCall) {
  AdminFixture f;
  v1::ListMethodsResponse response;
  ASSERT_TRUE(f.Call(&Stub::ListMethods, {}, &response).ok());
  EXPECT_THAT(response.methods(), IsEmpty());
  EXPECT_GT(response.as_of().seconds(), 1'600'000'000);
}

TEST(AdminListTest, EveryMethodByChannelAndName) {
  AdminFixture f;
  f.Bind("payment", "", kRefund);
  f.Bind("payment", "", kCharge);
  f.Bind("order", "", kCreate);
  v1::ListMethodsResponse response;
  ASSERT_TRUE(f.Call(&Stub::ListMethods, {}, &response).ok());
  ASSERT_THAT(response.methods(), SizeIs(3));
  EXPECT_EQ(response.methods(0).method(), kCreate);
  EXPECT_EQ(response.methods(0).channel(), "order");
  EXPECT_EQ(response.methods(0).policy(), "order");
  EXPECT_EQ(response.methods(0).breakers(0).state(),
            v1::BREAKER_STATE_DISABLED);
  EXPECT_EQ(response.methods(1).method(), kCharge);
  EXPECT_EQ(response.methods(2).method(), kRefund);
}

TEST(AdminListTest, SelectorNarrows) {
  AdminFixture f;
  f.Bind("payment", "a:1", kCharge);
  f.Bind("payment", "b:1", kCharge);
  f.Bind("payment", "a:1", kRefund);
  f.Bind("order", "a:1", kCreate);
  v1::ListMethodsRequest request;
  request.mutable_selector()->set_channel("payment");
  request.mutable_selector()->set_target("b:1");
  v1::ListMethodsResponse response;
  ASSERT_TRUE(f.Call(&Stub::ListMethods, request, &response).ok());
  ASSERT_THAT(response.methods(), SizeIs(1));
  ASSERT_THAT(response.methods(0).breakers(), SizeIs(1));
  EXPECT_EQ(response.methods(0).breakers(0).target(), "b:1");

  request.Clear();
  request.mutable_selector()->set_method("Nothing");
  ASSERT_TRUE(f.Call(&Stub::ListMethods, request, &response).ok());
  EXPECT_THAT(response.methods(), IsEmpty());
}

TEST(AdminGetTest, TellsCounters) {
  AdminFixture f;
  core::MethodStats& stats = f.Method("payment", "", kCharge)->runtime->stats;
  auto call = [&](core::CallEnd end, absl::StatusCode code) {
    stats.OnCallStarted();
    stats.OnAttempt(core::AttemptKind::kFirst);
    stats.OnCallEnded(end, code, std::chrono::milliseconds(10));
  };
  for (int i = 0; i < 100; ++i) {
    call(core::CallEnd::kSuccess, absl::StatusCode::kOk);
    stats.OnAttemptEnd(core::Attribution::kSuccess);
  }
  call(core::CallEnd::kFailure, absl::StatusCode::kUnavailable);
  call(core::CallEnd::kFailure, absl::StatusCode::kInternal);
  call(core::CallEnd::kFailure, absl::StatusCode::kUnavailable);
  call(core::CallEnd::kCancelled, absl::StatusCode::kCancelled);
  call(core::CallEnd::kAbandoned, absl::StatusCode::kUnknown);
  stats.OnCallStarted();
  stats.OnRejected(core::Reason::kBreakerOpen);
  stats.OnCallStarted();
  stats.OnAttempt(core::AttemptKind::kRetry);
  stats.OnAttempt(core::AttemptKind::kHedge);
  stats.OnHedgeWin();
  stats.OnStop(core::Reason::kBudgetExhausted);
  stats.OnFallback();
  const auto chain = engine::FallbackLinks::Create(
      "payment", kCharge, FallbackChain({CachedReply()}), nullptr);
  ASSERT_TRUE(chain.ok());
  (*chain)->at(0).counters->Add(engine::LinkEnd::kAnswered);
  (*chain)->at(0).counters->Add(engine::LinkEnd::kLate);
  f.core()->Methods().front()->SetFallback(*chain);

  v1::GetMethodResponse response;
  ASSERT_TRUE(f.Get(kCharge, &response).ok());
  const v1::CallCounts& calls = response.method().calls();
  EXPECT_EQ(calls.started(), 107);
  EXPECT_EQ(calls.in_flight(), 1);
  EXPECT_EQ(calls.successes(), 100);
  EXPECT_EQ(calls.failures(), 3);
  EXPECT_EQ(calls.rejected(), 1);
  EXPECT_EQ(calls.cancelled(), 1);
  EXPECT_EQ(calls.abandoned(), 1);
  EXPECT_EQ(calls.fallbacks(), 1);
  ASSERT_THAT(calls.fallback_links(), SizeIs(1));
  EXPECT_EQ(calls.fallback_links(0).name(), "cached");
  EXPECT_EQ(calls.fallback_links(0).answered(), 1);
  EXPECT_EQ(calls.fallback_links(0).late(), 1);
  EXPECT_EQ(calls.fallback_links(0).failed(), 0);
  ASSERT_THAT(calls.codes(), SizeIs(3));  // not OK
  EXPECT_EQ(calls.codes(0).code(), v1::CANCELLED);
  EXPECT_EQ(calls.codes(1).code(), v1::INTERNAL);
  EXPECT_EQ(calls.codes(2).code(), v1::UNAVAILABLE);
  EXPECT_EQ(calls.codes(2).count(), 2);
  EXPECT_EQ(Named(calls.rejections()), "breaker_open=1 ");

  const v1::AttemptCounts& attempts = response.method().attempts();
  EXPECT_EQ(attempts.first(), 105);
  EXPECT_EQ(attempts.retries(), 1);
  EXPECT_EQ(attempts.hedges(), 1);
  EXPECT_EQ(attempts.hedge_wins(), 1);
  EXPECT_EQ(Named(attempts.stops()), "budget_exhausted=1 ");
  EXPECT_EQ(Named(attempts.attributions()), "success=100 ");

  const v1::Latency& latency = response.method().latency();
  EXPECT_EQ(latency.count(), 100);
  EXPECT_EQ(latency.p50().seconds(), 0);
  EXPECT_NEAR(latency.p50().nanos(), 10e6, 0.2e6);
  EXPECT_NEAR(latency.max().nanos(), 10e6, 0.2e6);
}

TEST(AdminGetTest, TellsPolicyAndBudget) {
  AdminFixture f;
  f.Bind("payment", "", kCharge);
  v1::GetMethodResponse response;
  ASSERT_TRUE(f.Get(kCharge, &response).ok());
  const v1::Method& method = response.method();
  EXPECT_EQ(method.policy(), "payment");
  EXPECT_EQ(method.options().timeout().seconds(), 2);
  EXPECT_TRUE(method.options().breaker());
  EXPECT_TRUE(method.options().retry());
  EXPECT_TRUE(method.options().hedging());
  EXPECT_EQ(method.options().max_attempts(), 3);
  EXPECT_EQ(method.options().hedging_delay().nanos(), 20'000'000);
  EXPECT_FALSE(method.options().has_attempt_timeout());
  EXPECT_DOUBLE_EQ(method.budget().tokens(), 20);
  EXPECT_DOUBLE_EQ(method.budget().ratio(), 0.25);
  EXPECT_DOUBLE_EQ(method.budget().floor(), 2);
  EXPECT_DOUBLE_EQ(method.budget().burst(), 20);
  EXPECT_EQ(method.latency().count(), 0);
  EXPECT_FALSE(method.latency().has_p50());
}

TEST(AdminGetTest, TellsWhatItKnowsOfTheLatency) {
  AdminFixture f;
  f.Bind("order", "", kCreate);
  v1::GetMethodResponse response;
  ASSERT_TRUE(f.Get(kCreate, &response).ok());
  EXPECT_DOUBLE_EQ(response.method().options().hedging_quantile(), 0.9);
  EXPECT_FALSE(response.method().options().has_hedging_delay());
  EXPECT_DOUBLE_EQ(response.method().options().gate_quantile(), 0.25);
  v1::LatencyModel view = response.method().latency_model();
  EXPECT_EQ(view.samples(), 0);
  EXPECT_FALSE(view.has_p50());
  EXPECT_FALSE(view.has_usual_p50());
  EXPECT_EQ(view.hedge_delay().nanos(), 700'000'000) << "nothing known yet";
  EXPECT_EQ(view.hedging_paused(), "");

  // It took 10 ms half a minute ago, and takes 40 ms now.
  core::LatencyModel& model = f.core()->Methods()[0]->latency;
  const core::Time now = engine::Now() + std::chrono::hours(1);
  model.Record(std::chrono::milliseconds(10), now, 100);
  const core::Time later = now + std::chrono::seconds(45);
  model.Record(std::chrono::milliseconds(40), later, 100);
  view = admin::MethodView({f.core()->Methods()[0], {}}, later).latency_model();
  EXPECT_EQ(view.samples(), 100);
  for (const auto& quantile :
       {view.p50(), view.p90(), view.p95(), view.p99(), view.hedge_delay()}) {
    EXPECT_NEAR(quantile.nanos(), 40e6, 1e6);
  }
  EXPECT_NEAR(view.usual_p50().nanos(), 10e6, 0.3e6);
  EXPECT_NE(view.hedging_paused(), "");
}

TEST(AdminGetTest, TellsWhatRetriesAreGoodFor) {
  AdminFixture f;
  const auto order = f.Method("order", "", kCreate)->runtime;
  ASSERT_NE(order->settings()->estimator, nullptr);
  const core::Time now = engine::Now();
  order->settings()->estimator->Record(absl::StatusCode::kUnavailable, true,
                                       now);
  for (int i = 0; i < 100; ++i) {
    order->settings()->estimator->Record(absl::StatusCode::kAborted, false,
                                         now);
  }
  v1::GetMethodResponse response;
  ASSERT_TRUE(f.Get(kCreate, &response).ok());
  const v1::Method& method = response.method();
  EXPECT_TRUE(method.options().adaptive_retry());
  ASSERT_THAT(method.retry_chances(), SizeIs(2));
  EXPECT_EQ(method.retry_chances(0).code(), v1::ABORTED);
  EXPECT_LT(method.retry_chances(0).chance(), 0.1);
  EXPECT_GT(method.retry_chances(0).results(), 1);
  EXPECT_TRUE(method.retry_chances(0).stopped());
  EXPECT_EQ(method.retry_chances(1).code(), v1::UNAVAILABLE);
  EXPECT_GT(method.retry_chances(1).chance(), 0.5);
  EXPECT_FALSE(method.retry_chances(1).stopped());

  // Retries that do not learn.
  EXPECT_EQ(f.Method("payment", "", kCharge)->runtime->settings()->estimator,
            nullptr);
  ASSERT_TRUE(f.Get(kCharge, &response).ok());
  EXPECT_THAT(response.method().retry_chances(), IsEmpty());
}

TEST(AdminGetTest, TellsABreakersState) {
  AdminFixture f;
  core::Breaker* const breaker = f.Bind("payment", "a:1", kCharge);
  Trip(breaker);
  v1::GetMethodResponse response;
  ASSERT_TRUE(f.Get(kCharge, &response).ok());
  ASSERT_THAT(response.method().breakers(), SizeIs(1));
  const v1::Breaker& view = response.method().breakers(0);
  EXPECT_EQ(view.channel(), "payment");
  EXPECT_EQ(view.target(), "a:1");
  EXPECT_EQ(view.method(), kCharge);
  EXPECT_EQ(view.state(), v1::BREAKER_STATE_OPEN);
  EXPECT_EQ(view.times_opened(), 1);
  EXPECT_EQ(view.epoch(), 2);
  const int64_t open = view.probe_due().seconds() - view.since().seconds();
  EXPECT_THAT(open, AllOf(::testing::Ge(9), ::testing::Le(11)));
  EXPECT_FALSE(view.has_override_end());

  // The same breaker, ten seconds on: one probe runs, one hung.
  const core::Time later = engine::Now() + std::chrono::seconds(11);
  core::Admission probe = breaker->Admit(later, core::kInfiniteFuture);
  ASSERT_TRUE(f.Get(kCharge, &response).ok());
  EXPECT_EQ(response.method().breakers(0).state(), v1::BREAKER_STATE_HALF_OPEN);
  EXPECT_EQ(response.method().breakers(0).probes_in_flight(), 1);
  EXPECT_FALSE(response.method().breakers(0).has_probe_due());
  breaker->Tick(later + std::chrono::seconds(6));
  ASSERT_TRUE(f.Get(kCharge, &response).ok());
  EXPECT_EQ(response.method().breakers(0).hung_probes(), 1);
  EXPECT_EQ(response.method().breakers(0).state(), v1::BREAKER_STATE_OPEN);
  probe.permit.Settle(core::Verdict::kSuccess, later);
  ASSERT_TRUE(f.Get(kCharge, &response).ok());
  EXPECT_EQ(response.method().breakers(0).stale_results(), 1);
}

TEST(AdminGetTest, TellsTheWindow) {
  AdminFixture f;
  core::Breaker* const breaker = f.Bind("payment", "", kCharge);
  for (core::Verdict verdict :
       {core::Verdict::kSuccess, core::Verdict::kSuccess,
        core::Verdict::kSuccess, core::Verdict::kFailure}) {
    breaker->Admit(engine::Now(), core::kInfiniteFuture)
        .permit.Settle(verdict, engine::Now());
  }
  v1::GetMethodResponse response;
  ASSERT_TRUE(f.Get(kCharge, &response).ok());
  const v1::Breaker& view = response.method().breakers(0);
  EXPECT_EQ(view.window_calls(), 4);
  EXPECT_EQ(view.window_failures(), 1);
  EXPECT_DOUBLE_EQ(view.failure_rate(), 0.25);
  EXPECT_EQ(view.consecutive_failures(), 1);
}

}  // namespace
}  // namespace firebreak::testing
