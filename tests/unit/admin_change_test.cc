// What the admin service changes, what it refuses to, and whom it obeys.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/admin_fixture.h"

namespace firebreak::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

using Stub = v1::Admin::Stub;

v1::SetOverrideRequest Override(const std::string& method,
                                v1::BreakerState state) {
  v1::SetOverrideRequest request;
  request.mutable_selector()->set_method(method);
  request.set_state(state);
  return request;
}

TEST(AdminOverrideTest, HoldsOpenUntilCleared) {
  AdminFixture f;
  core::Breaker* const breaker = f.Bind("payment", "", kCharge);
  v1::SetOverrideResponse set;
  ASSERT_TRUE(f.Call(&Stub::SetOverride,
                     Override("Charge", v1::BREAKER_STATE_FORCED_OPEN), &set)
                  .ok());
  ASSERT_THAT(set.breakers(), SizeIs(1));
  EXPECT_EQ(set.breakers(0).state(), v1::BREAKER_STATE_FORCED_OPEN);
  EXPECT_EQ(set.breakers(0).method(), kCharge);
  EXPECT_FALSE(set.breakers(0).has_override_end());
  const core::Time far = engine::Now() + std::chrono::hours(24 * 365);
  EXPECT_EQ(breaker->Admit(far, core::kInfiniteFuture).refusal.reason,
            core::Reason::kForcedOpen);

  v1::ClearOverrideRequest request;
  request.mutable_selector()->set_method("Charge");
  v1::ClearOverrideResponse cleared;
  ASSERT_TRUE(f.Call(&Stub::ClearOverride, request, &cleared).ok());
  ASSERT_THAT(cleared.breakers(), SizeIs(1));
  EXPECT_EQ(cleared.breakers(0).state(), v1::BREAKER_STATE_HALF_OPEN);
  ASSERT_TRUE(f.Call(&Stub::ClearOverride, request, &cleared).ok());
  EXPECT_THAT(cleared.breakers(), IsEmpty());  // nothing to clear
}

TEST(AdminOverrideTest, AStarNamesWhatMethodsOfAChannelShare) {
  AdminFixture f;
  f.Bind("payment", "", kCharge);
  const auto force = [&](const std::string& channel,
                         v1::SetOverrideResponse* response) {
    v1::SetOverrideRequest request =
        Override("*", v1::BREAKER_STATE_FORCED_OPEN);
    request.mutable_selector()->set_channel(channel);
    return f.Call(&Stub::SetOverride, request, response);
  };
  v1::SetOverrideResponse set;
  EXPECT_EQ(force("", &set).error_code(), grpc::StatusCode::NOT_FOUND);
  core::Breaker* const shared = f.Bind("catalog", "a:1", kFind);
  ASSERT_EQ(f.Bind("catalog", "a:1", kList), shared);
  EXPECT_EQ(force("payment", &set).error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(force("none", &set).error_code(), grpc::StatusCode::NOT_FOUND);
  ASSERT_TRUE(force("catalog", &set).ok());
  ASSERT_THAT(set.breakers(), SizeIs(1));
  EXPECT_EQ(set.breakers(0).method(), "*");
  EXPECT_EQ(shared->Snapshot(engine::Now()).state,
            core::BreakerState::kForcedOpen);

  v1::ClearOverrideRequest request;
  request.mutable_selector()->set_method("*");
  v1::ClearOverrideResponse cleared;
  ASSERT_TRUE(f.Call(&Stub::ClearOverride, request, &cleared).ok());
  EXPECT_THAT(cleared.breakers(), SizeIs(1));
  // It is no method to look at.
  v1::GetMethodResponse got;
  EXPECT_EQ(f.Get("*", &got).error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST(AdminOverrideTest, ExpiresByItself) {
  AdminFixture f;
  core::Breaker* const breaker = f.Bind("payment", "", kCharge);
  Trip(breaker);
  v1::SetOverrideRequest request =
      Override("Charge", v1::BREAKER_STATE_FORCED_CLOSED);
  request.mutable_duration()->set_seconds(30);
  request.mutable_duration()->set_nanos(500'000'000);
  v1::SetOverrideResponse set;
  ASSERT_TRUE(f.Call(&Stub::SetOverride, request, &set).ok());
  EXPECT_EQ(set.breakers(0).state(), v1::BREAKER_STATE_FORCED_CLOSED);
  EXPECT_TRUE(set.breakers(0).has_override_end());

  v1::GetMethodResponse response;
  breaker->Tick(engine::Now() + std::chrono::seconds(29));
  ASSERT_TRUE(f.Get("Charge", &response).ok());
  EXPECT_EQ(response.method().breakers(0).state(),
            v1::BREAKER_STATE_FORCED_CLOSED);
  breaker->Tick(engine::Now() + std::chrono::seconds(31));
  ASSERT_TRUE(f.Get("Charge", &response).ok());
  EXPECT_EQ(response.method().breakers(0).state(), v1::BREAKER_STATE_CLOSED);
}

TEST(AdminOverrideTest, OfAllThatFit) {
  AdminFixture f;
  f.Bind("payment", "a:1", kCharge);
  f.Bind("payment", "b:1", kCharge);
  f.Bind("pay2", "b:1", kCharge);
  f.Bind("payment", "a:1", kRefund);
  v1::SetOverrideRequest request =
      Override(kCharge, v1::BREAKER_STATE_FORCED_OPEN);
  v1::SetOverrideResponse response;
  ASSERT_TRUE(f.Call(&Stub::SetOverride, request, &response).ok());
  EXPECT_THAT(response.breakers(), SizeIs(3));
  request.mutable_selector()->set_target("b:1");
  ASSERT_TRUE(f.Call(&Stub::SetOverride, request, &response).ok());
  EXPECT_THAT(response.breakers(), SizeIs(2));
  request.mutable_selector()->set_channel("payment");
  ASSERT_TRUE(f.Call(&Stub::SetOverride, request, &response).ok());
  EXPECT_THAT(response.breakers(), SizeIs(1));
}

TEST(AdminOverrideTest, WorksWithoutABreakerInThePolicy) {
  AdminFixture f;
  f.Bind("order", "", kCreate);
  v1::SetOverrideResponse response;
  ASSERT_TRUE(f.Call(&Stub::SetOverride,
                     Override("CreateOrder", v1::BREAKER_STATE_FORCED_OPEN),
                     &response)
                  .ok());
  EXPECT_EQ(response.breakers(0).state(), v1::BREAKER_STATE_FORCED_OPEN);
}

TEST(AdminOverrideTest, OtherStatesAreRefused) {
  AdminFixture f;
  f.Bind("payment", "", kCharge);
  v1::SetOverrideResponse response;
  struct Case {
    int state;
    const char* shown;
  };
  for (const Case& c :
       {Case{0, "BREAKER_STATE_UNSPECIFIED"}, Case{2, "BREAKER_STATE_CLOSED"},
        Case{3, "BREAKER_STATE_OPEN"}, Case{99, "99"}, Case{-1, "-1"}}) {
    const grpc::Status status = f.Call(
        &Stub::SetOverride,
        Override("Charge", static_cast<v1::BreakerState>(c.state)), &response);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(status.error_message(),
              std::string("state: is ") + c.shown +
                  "; allowed BREAKER_STATE_FORCED_OPEN or "
                  "BREAKER_STATE_FORCED_CLOSED");
  }
}

TEST(AdminOverrideTest, DurationsOutOfRangeAreRefused) {
  AdminFixture f;
  f.Bind("payment", "", kCharge);
  constexpr int64_t kMonth = int64_t{30} * 24 * 3600;
  struct Case {
    int64_t seconds;
    int32_t nanos;
    const char* shown;
  };
  for (const Case& c :
       {Case{0, 0, "is 0s;"}, Case{-5, 0, "is -5s;"},
        Case{0, -1, "is 0s and -1ns;"}, Case{kMonth, 1, "is 2592000s and 1ns;"},
        Case{kMonth + 1, 0, "is 2592001s;"},
        Case{INT64_MAX, 0, "is 9223372036854775807s;"},
        Case{INT64_MIN, INT32_MIN, "is -9223372036854775808s"},
        Case{INT64_MAX, INT32_MAX, "is 9223372036854775807s"},
        Case{5, -5, "is 5s and -5ns;"},
        Case{5, 1'000'000'000, "is 5s and 1000000000ns;"}}) {
    v1::SetOverrideRequest request =
        Override("Charge", v1::BREAKER_STATE_FORCED_OPEN);
    request.mutable_duration()->set_seconds(c.seconds);
    request.mutable_duration()->set_nanos(c.nanos);
    v1::SetOverrideResponse response;
    const grpc::Status status = f.Call(&Stub::SetOverride, request, &response);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_THAT(status.error_message(),
                AllOf(HasSubstr("duration: "), HasSubstr(c.shown),
                      HasSubstr("allowed (0, 30 days]")));
  }
  v1::SetOverrideRequest longest =
      Override("Charge", v1::BREAKER_STATE_FORCED_OPEN);
  longest.mutable_duration()->set_seconds(kMonth);
  v1::SetOverrideResponse response;
  EXPECT_TRUE(f.Call(&Stub::SetOverride, longest, &response).ok());
}

TEST(AdminOverrideTest, EveryFaultIsNamedAndNothingIsDone) {
  AdminFixture f;
  core::Breaker* const breaker = f.Bind("payment", "", kCharge);
  v1::SetOverrideRequest request = Override("Charge", v1::BREAKER_STATE_OPEN);
  request.mutable_duration();
  v1::SetOverrideResponse response;
  const grpc::Status status = f.Call(&Stub::SetOverride, request, &response);
  EXPECT_THAT(status.error_message(),
              AllOf(HasSubstr("state: "), HasSubstr("duration: ")));
  EXPECT_EQ(breaker->Snapshot(engine::Now()).state,
            core::BreakerState::kClosed);
}

TEST(AdminOverrideTest, AMethodKnownFromAFallbackOnlyHasNoBreaker) {
  AdminFixture f;
  ASSERT_TRUE(f.core()->SetFallback("payment", kCharge, nullptr).ok());
  v1::SetOverrideResponse response;
  const grpc::Status status =
      f.Call(&Stub::SetOverride,
             Override("Charge", v1::BREAKER_STATE_FORCED_OPEN), &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(status.error_message(), HasSubstr(kCharge));
}

TEST(AdminResetTest, ClosesAndKeepsCounters) {
  AdminFixture f;
  auto method = f.Method("payment", "", kCharge);
  method->runtime->stats.OnCallStarted();
  Trip(method->targets.front());
  v1::ResetMethodRequest request;
  request.mutable_selector()->set_method("Charge");
  v1::ResetMethodResponse reset;
  ASSERT_TRUE(f.Call(&Stub::ResetMethod, request, &reset).ok());
  ASSERT_THAT(reset.breakers(), SizeIs(1));
  EXPECT_EQ(reset.breakers(0).state(), v1::BREAKER_STATE_CLOSED);
  EXPECT_EQ(reset.breakers(0).window_calls(), 0);
  EXPECT_EQ(reset.breakers(0).times_opened(), 1);
  v1::GetMethodResponse response;
  ASSERT_TRUE(f.Get("Charge", &response).ok());
  EXPECT_EQ(response.method().calls().started(), 1);
}

// --- who may ---

// Whether a client at the other end of `address` may change things.
grpc::Status Change(const std::string& address, AdminOptions options) {
  AdminFixture f(std::move(options), address);
  f.Bind("payment", "", kCharge);
  v1::GetMethodResponse read;
  EXPECT_TRUE(f.Get("Charge", &read).ok());
  v1::ClearOverrideRequest clear;
  clear.mutable_selector()->set_method("Charge");
  v1::ClearOverrideResponse cleared;
  grpc::Status status = f.Call(&Stub::ClearOverride, clear, &cleared);
  v1::ResetMethodRequest reset;
  reset.mutable_selector()->set_method("Charge");
  v1::ResetMethodResponse was_reset;
  v1::SetOverrideResponse set;
  EXPECT_EQ(f.Call(&Stub::ResetMethod, reset, &was_reset).error_code(),
            status.error_code());
  EXPECT_EQ(f.Call(&Stub::SetOverride,
                   Override("Charge", v1::BREAKER_STATE_FORCED_OPEN), &set)
                .error_code(),
            status.error_code());
  EXPECT_EQ(set.breakers().empty(), !status.ok());
  return status;
}

TEST(AdminAuthorizerTest, LoopbackNeedsTheOption) {
  const grpc::Status status = Change("127.0.0.1:0", {});
  EXPECT_EQ(status.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_THAT(status.error_message(),
              AllOf(HasSubstr("ipv4:127.0.0.1:"), HasSubstr("allow_loopback")));
  AdminOptions options;
  options.allow_loopback = true;
  EXPECT_TRUE(Change("127.0.0.1:0", options).ok());
  EXPECT_TRUE(Change(NewSocketAddress(), {}).ok());
}

TEST(AdminAuthorizerTest, LoopbackIsAlsoIpv6) {
  AdminOptions options;
  options.allow_loopback = true;
  if (!AdminFixture(options, "[::1]:0").ok()) {
    GTEST_SKIP() << "this machine has no IPv6 loopback";
  }
  EXPECT_TRUE(Change("[::1]:0", options).ok());
  EXPECT_EQ(Change("[::1]:0", {}).error_code(),
            grpc::StatusCode::PERMISSION_DENIED);
}

TEST(AdminAuthorizerTest, OnesOwnDecides) {
  std::vector<std::string> asked;
  AdminOptions options;
  options.authorizer = [&asked](AdminCall* call) {
    asked.push_back(call->rpc);
    EXPECT_TRUE(call->is_change);
    EXPECT_THAT(call->peer, HasSubstr("unix:"));
    EXPECT_EQ(call->context->client_metadata().count("user-agent"), 1);
    return absl::UnauthenticatedError("who are you?");
  };
  const grpc::Status status = Change(NewSocketAddress(), options);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(status.error_message(), "who are you?");
  EXPECT_THAT(asked,
              ElementsAre("ClearOverride", "ResetMethod", "SetOverride"));
}

// --- the audit ---

std::vector<v1::Event> Audit(AdminFixture* f) {
  v1::WatchEventsRequest request;
  request.set_stop_at_newest(true);
  grpc::ClientContext context;
  auto reader = f->stub()->WatchEvents(&context, request);
  std::vector<v1::Event> events;
  v1::WatchEventsResponse response;
  while (reader->Read(&response)) {
    for (const v1::Event& each : response.events()) {
      if (each.kind() == v1::EVENT_KIND_AUDIT) events.push_back(each);
    }
  }
  EXPECT_TRUE(reader->Finish().ok());
  return events;
}

TEST(AdminAuditTest, EachChangeWithWhoWhatBeforeAndAfter) {
  AdminOptions options;
  options.authorizer = [](AdminCall* call) {
    call->actor = "alice";
    return absl::OkStatus();
  };
  AdminFixture f(options);
  f.Bind("payment", "a:1", kCharge);
  f.Bind("payment", "b:1", kCharge);
  v1::SetOverrideRequest set =
      Override("Charge", v1::BREAKER_STATE_FORCED_OPEN);
  set.mutable_duration()->set_seconds(30);
  v1::SetOverrideResponse was_set;
  ASSERT_TRUE(f.Call(&Stub::SetOverride, set, &was_set).ok());
  v1::ClearOverrideRequest clear;
  clear.mutable_selector()->set_method("Charge");
  clear.mutable_selector()->set_target("b:1");
  v1::ClearOverrideResponse cleared;
  ASSERT_TRUE(f.Call(&Stub::ClearOverride, clear, &cleared).ok());
  ASSERT_TRUE(f.Call(&Stub::ClearOverride, clear, &cleared).ok());
  v1::ResetMethodRequest reset;
  reset.mutable_selector()->set_method("Nothing");
  v1::ResetMethodResponse was_reset;
  ASSERT_FALSE(f.Call(&Stub::ResetMethod, reset, &was_reset).ok());
  const std::vector<v1::Event> audit = Audit(&f);
  ASSERT_THAT(audit, SizeIs(3)) << "what changed nothing is not in it";
  EXPECT_THAT(audit[0].actor(), ::testing::StartsWith("alice, unix:"));
  EXPECT_EQ(audit[0].action(), "SetOverride FORCED_OPEN for 30s");
  EXPECT_EQ(audit[0].channel(), "payment");
  EXPECT_EQ(audit[0].target(), "a:1");
  EXPECT_EQ(audit[0].method(), kCharge);
  EXPECT_EQ(audit[0].from(), v1::BREAKER_STATE_CLOSED);
  EXPECT_EQ(audit[0].to(), v1::BREAKER_STATE_FORCED_OPEN);
  EXPECT_FALSE(audit[0].refused());
  EXPECT_EQ(audit[1].target(), "b:1");
  EXPECT_EQ(audit[2].action(), "ClearOverride");
  EXPECT_EQ(audit[2].from(), v1::BREAKER_STATE_FORCED_OPEN);
  EXPECT_EQ(audit[2].to(), v1::BREAKER_STATE_HALF_OPEN);
}

TEST(AdminAuditTest, EachRefusalUpToALimit) {
  AdminFixture f({}, "127.0.0.1:0");
  core::Breaker* const breaker = f.Bind("payment", "", kCharge);
  v1::SetOverrideRequest request =
      Override("Cha\033rge", v1::BREAKER_STATE_FORCED_OPEN);
  request.mutable_selector()->set_channel(std::string(5000, 'x'));
  v1::SetOverrideResponse response;
  for (int i = 0; i < 300; ++i) {
    EXPECT_EQ(f.Call(&Stub::SetOverride, request, &response).error_code(),
              grpc::StatusCode::PERMISSION_DENIED);
  }
  EXPECT_EQ(breaker->Snapshot(engine::Now()).state,
            core::BreakerState::kClosed);
  EXPECT_EQ(f.core()->audit_counters()->refused, 300) << "all of them";
  EXPECT_EQ(f.core()->audit_counters()->changed, 0);
  const std::vector<v1::Event> audit = Audit(&f);
  EXPECT_THAT(audit.size(),
              ::testing::AllOf(::testing::Ge(10), ::testing::Lt(200)));
  EXPECT_TRUE(audit[0].refused());
  EXPECT_THAT(audit[0].actor(), ::testing::StartsWith("ipv4:127.0.0.1:"));
  EXPECT_EQ(audit[0].action(), "SetOverride FORCED_OPEN");
  EXPECT_EQ(audit[0].from(), v1::BREAKER_STATE_UNSPECIFIED);
  EXPECT_THAT(audit[0].cause(), HasSubstr("allow_loopback"));
  EXPECT_LT(audit[0].channel().size(), 600);
  EXPECT_EQ(audit[0].method(), "Cha\\033rge");
}

TEST(AdminAuditTest, ReadsAreAskedForOnRequest) {
  AdminOptions options;
  options.authorize_reads = true;
  options.authorizer = [](AdminCall* call) {
    return call->is_change ? absl::OkStatus()
                           : absl::PermissionDeniedError("no reading");
  };
  AdminFixture f(options);
  f.Bind("payment", "", kCharge);
  v1::GetMethodResponse get;
  EXPECT_EQ(f.Get("Charge", &get).error_message(), "no reading");
  v1::ListMethodsResponse list;
  EXPECT_FALSE(f.Call(&Stub::ListMethods, {}, &list).ok());
  v1::GetHealthResponse health;
  EXPECT_FALSE(f.Call(&Stub::GetHealth, {}, &health).ok());
  v1::ListAlertsResponse alerts;
  EXPECT_FALSE(f.Call(&Stub::ListAlerts, {}, &alerts).ok());
  grpc::ClientContext context;
  auto reader = f.stub()->WatchEvents(&context, {});
  v1::WatchEventsResponse response;
  EXPECT_FALSE(reader->Read(&response));
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::PERMISSION_DENIED);
  v1::SetOverrideResponse set;
  EXPECT_TRUE(f.Call(&Stub::SetOverride,
                     Override("Charge", v1::BREAKER_STATE_FORCED_OPEN), &set)
                  .ok());
  EXPECT_EQ(f.core()->events().last(), 7) << "five refusals, and a change";
  EXPECT_EQ(f.core()->audit_counters()->refused, 5);
  EXPECT_EQ(f.core()->audit_counters()->changed, 1);
}

}  // namespace
}  // namespace firebreak::testing
