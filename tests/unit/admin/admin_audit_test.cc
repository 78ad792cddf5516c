// Who may make changes through the admin service, and the audit of changes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "tests/support/admin_fixture.h"

namespace firebreak::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

using Stub = v1::Admin::Stub;

// --- who may ---

// Tries a change by a client that connects to `address`.
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
  EXPECT_THAT(audit[0].actor(), ::testing::StartsWith("alice, unix socket"));
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
  EXPECT_EQ(audit[0].method(), "Cha\\x1brge");
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
