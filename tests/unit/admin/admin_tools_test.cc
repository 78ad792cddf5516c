// Tools that prevent operators' mistakes: earlier policies, breakers that a
// policy removes, channels that do not exist, overrides before the first call,
// reasons, and the process that events belong to.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "firebreak/testing/echo.pb.h"
#include "src/admin/engines.h"
#include "tests/support/admin_fixture.h"

namespace firebreak::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

using Stub = v1::Admin::Stub;

class AdminToolsTest : public ::testing::Test {
 protected:
  v1::ApplyPolicyResponse Apply(const std::string& text, bool dry_run = false) {
    v1::ApplyPolicyRequest request;
    request.set_text(text);
    request.set_dry_run(dry_run);
    request.set_reason("ticket 7");
    v1::ApplyPolicyResponse response;
    const grpc::Status status = f_.Call(&Stub::ApplyPolicy, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
  grpc::Status GetPolicy(uint64_t version, v1::GetPolicyResponse* response) {
    v1::GetPolicyRequest request;
    request.set_version(version);
    return f_.Call(&Stub::GetPolicy, request, response);
  }
  grpc::Status Override(const std::string& method, const std::string& channel,
                        v1::SetOverrideResponse* response) {
    v1::SetOverrideRequest request;
    request.mutable_selector()->set_method(method);
    request.mutable_selector()->set_channel(channel);
    request.set_state(v1::BREAKER_STATE_FORCED_OPEN);
    request.set_reason("drill \"12\"\n");
    return f_.Call(&Stub::SetOverride, request, response);
  }
  std::vector<std::string> Actions() {
    std::vector<std::string> actions;
    for (const core::Event& each : f_.core()->events().Since(0, 1000).events) {
      if (each.kind == core::Event::Kind::kAudit) {
        actions.push_back(each.action);
      }
    }
    return actions;
  }

  AdminFixture f_;
};

TEST_F(AdminToolsTest, EarlierPoliciesAreKept) {
  const std::string text = "method { name {} timeout: '3s' breaker {} }";
  Apply(text);
  v1::GetPolicyResponse now;
  ASSERT_TRUE(GetPolicy(0, &now).ok());
  EXPECT_EQ(now.version(), 2u);
  ASSERT_THAT(now.history(), SizeIs(2));
  EXPECT_EQ(now.history(0).version(), 2u);
  EXPECT_EQ(now.history(1).version(), 1u);
  v1::GetPolicyResponse before;
  ASSERT_TRUE(GetPolicy(1, &before).ok());
  EXPECT_EQ(before.version(), 1u);
  EXPECT_THAT(before.text(), HasSubstr("CatalogService"));
  v1::GetPolicyResponse none;
  const grpc::Status status = GetPolicy(3, &none);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(status.error_message(), "version: is 3; kept are [1, 2]");
}

TEST_F(AdminToolsTest, WhatLosesItsBreakerIsListed) {
  f_.Bind("payment", "a:1", kCharge);
  const v1::ApplyPolicyResponse would =
      Apply("method { name {} timeout: '3s' }", /*dry_run=*/true);
  EXPECT_THAT(would.lost_breakers(), ::testing::Contains(absl::StrCat(
                                         kCharge, " on channel \"payment\"")));
  EXPECT_THAT(Apply(kAdminPolicy, true).lost_breakers(), IsEmpty());
}

TEST_F(AdminToolsTest, AChannelThatNobodyHasMadeIsNotFound) {
  f_.Bind("payment", "a:1", kCharge);
  v1::ListMethodsRequest list;
  list.mutable_selector()->set_channel("paymnt");
  v1::ListMethodsResponse listed;
  grpc::Status status = f_.Call(&Stub::ListMethods, list, &listed);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(status.error_message(),
            "no channel \"paymnt\"; nearest: \"payment\"");
  v1::GetHealthRequest health;
  *health.mutable_selector() = list.selector();
  v1::GetHealthResponse judged;
  EXPECT_EQ(f_.Call(&Stub::GetHealth, health, &judged).error_code(),
            grpc::StatusCode::NOT_FOUND);
  v1::ListAlertsRequest alerts;
  *alerts.mutable_selector() = list.selector();
  v1::ListAlertsResponse warned;
  EXPECT_EQ(f_.Call(&Stub::ListAlerts, alerts, &warned).error_code(),
            grpc::StatusCode::NOT_FOUND);
  // A channel without calls is known, too.
  const auto idle = f_.core()->BindChannel("stock", {""});
  list.mutable_selector()->set_channel("stock");
  EXPECT_TRUE(f_.Call(&Stub::ListMethods, list, &listed).ok());
  EXPECT_THAT(listed.methods(), IsEmpty());
}

// The method's proto is linked in, so its name is known to be right.
TEST_F(AdminToolsTest, AnOverrideBeforeTheFirstCall) {
  // A use that the optimizer cannot remove, so that the linker keeps the proto.
  ASSERT_NE(EchoRequest::descriptor(), nullptr);
  ASSERT_TRUE(
      f_.core()
          ->policies()
          ->UpdatePolicy(
              engine::ParsePolicyText("method { name {} breaker {} }", "p"), {})
          .ok());
  const auto channel = f_.core()->BindChannel("echo", {"a:1", "b:1"});
  v1::SetOverrideResponse response;
  grpc::Status status = Override(kUnaryMethod, "", &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_THAT(response.breakers(), SizeIs(2));
  EXPECT_EQ(response.breakers(1).target(), "b:1");
  // The override applies to the first call.
  EXPECT_EQ(channel->Find(kUnaryMethod)
                ->targets.front()
                ->Snapshot(engine::Now())
                .state,
            core::BreakerState::kForcedOpen);
  // A misspelled name creates nothing.
  status = Override("/firebreak.testing.Echo/Unry", "", &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_THAT(status.error_message(), HasSubstr(kUnaryMethod));
  EXPECT_THAT(f_.core()->Methods(), SizeIs(1));
}

// If the proto is not linked in, the policy must have the name.
TEST_F(AdminToolsTest, AnOverrideOfWhatThePolicyNames) {
  ASSERT_TRUE(
      f_.core()
          ->policies()
          ->UpdatePolicy(engine::ParsePolicyText(
                             "method { name { service: 'x.Y' method: 'Z' } "
                             "breaker {} }",
                             "p"),
                         {})
          .ok());
  const auto channel = f_.core()->BindChannel("x", {""});
  v1::SetOverrideResponse response;
  EXPECT_TRUE(Override("/x.Y/Z", "x", &response).ok());
  EXPECT_EQ(Override("/x.Y/W", "x", &response).error_code(),
            grpc::StatusCode::NOT_FOUND);
}

TEST_F(AdminToolsTest, TheAuditHasTheReason) {
  f_.Bind("payment", "a:1", kCharge);
  v1::SetOverrideResponse set;
  ASSERT_TRUE(Override("Charge", "", &set).ok());
  v1::ClearOverrideRequest clear;
  clear.mutable_selector()->set_method("Charge");
  clear.set_reason("over");
  v1::ClearOverrideResponse cleared;
  ASSERT_TRUE(f_.Call(&Stub::ClearOverride, clear, &cleared).ok());
  v1::ResetMethodRequest reset;
  reset.mutable_selector()->set_method("Charge");
  v1::ResetMethodResponse was_reset;
  ASSERT_TRUE(f_.Call(&Stub::ResetMethod, reset, &was_reset).ok());
  Apply("method { name {} breaker {} }");
  EXPECT_THAT(
      Actions(),
      ElementsAre(AllOf(HasSubstr("SetOverride FORCED_OPEN (reason: \"drill "),
                        ::testing::Not(HasSubstr("\n"))),
                  "ClearOverride (reason: \"over\")", "ResetMethod",
                  "ApplyPolicy (reason: \"ticket 7\")"));
}

std::vector<v1::WatchEventsResponse> Watch(AdminFixture* f, int64_t after,
                                           uint64_t instance,
                                           grpc::StatusCode* code) {
  v1::WatchEventsRequest request;
  request.set_after_sequence(after);
  request.set_instance(instance);
  request.set_stop_at_newest(true);
  grpc::ClientContext context;
  auto reader = f->stub()->WatchEvents(&context, request);
  std::vector<v1::WatchEventsResponse> responses(1);
  while (reader->Read(&responses.back())) responses.emplace_back();
  responses.pop_back();
  *code = reader->Finish().error_code();
  return responses;
}

TEST_F(AdminToolsTest, EventsAreOfOneProcess) {
  Trip(f_.Bind("payment", "a:1", kCharge));
  grpc::StatusCode code;
  const auto first = Watch(&f_, 0, 0, &code);
  ASSERT_EQ(code, grpc::StatusCode::OK);
  const uint64_t instance = first.front().instance();
  EXPECT_NE(instance, 0u);
  EXPECT_THAT(Watch(&f_, 1, instance, &code).front().events(), IsEmpty());
  // Numbers of the earlier process mean nothing in this one, high or low.
  for (int64_t after : {1, 1000}) {
    const auto all = Watch(&f_, after, instance + 1, &code);
    EXPECT_EQ(code, grpc::StatusCode::OK);
    EXPECT_THAT(all.front().events(), SizeIs(1));
    EXPECT_EQ(all.front().missed(), 0);
  }
  Watch(&f_, 1000, instance, &code);
  EXPECT_EQ(code, grpc::StatusCode::OUT_OF_RANGE);
}

// It used to show "next hedge after 20ms", although no hedge was ever sent.
TEST_F(AdminToolsTest, NoHedgeIsAnnouncedThatIsNeverSent) {
  ASSERT_TRUE(f_.core()
                  ->policies()
                  ->UpdatePolicy(engine::ParsePolicyText(
                                     "method { name {} idempotent: false "
                                     "hedging { delay: '20ms' } }",
                                     "p"),
                                 {})
                  .ok());
  f_.Bind("payment", "", kCharge);
  v1::GetMethodResponse response;
  ASSERT_TRUE(f_.Get("Charge", &response).ok());
  EXPECT_FALSE(response.method().latency_model().has_hedge_delay());
  EXPECT_THAT(response.method().latency_model().hedging_paused(),
              HasSubstr("idempotent: false"));
}

// With two services on one server, BuildAndStart() would return null.
class SeveralEnginesTest : public ::testing::Test {
 protected:
  SeveralEnginesTest()
      : service_({{"orders", orders_}, {"users", users_}, {"none", nullptr}}) {
    KeepGrpc();
    grpc::ServerBuilder builder;
    builder.AddListeningPort(address_, grpc::InsecureServerCredentials());
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    stub_ = v1::Admin::NewStub(
        grpc::CreateChannel(address_, grpc::InsecureChannelCredentials()));
    Bind(orders_, kCharge);
    Bind(orders_, kRefund);
    Bind(users_, kCharge);
  }
  ~SeveralEnginesTest() override {
    service_.Shutdown();
    server_->Shutdown();
    unlink(address_.c_str() + 5);
  }

  static core::Breaker* Bind(const std::shared_ptr<Engine>& engine,
                             const std::string& method) {
    return engine->core()
        ->BindChannel("payment", {"a:1"})
        ->Find(method)
        ->targets.front();
  }
  template <class Request, class Response>
  grpc::Status Call(grpc::Status (Stub::*rpc)(grpc::ClientContext*,
                                              const Request&, Response*),
                    const std::common_type_t<Request>& request,
                    Response* response) {
    grpc::ClientContext context;
    return (stub_.get()->*rpc)(&context, request, response);
  }

  const std::string address_ = NewSocketAddress();
  std::shared_ptr<Engine> orders_ = *Engine::FromText(kAdminPolicy);
  std::shared_ptr<Engine> users_ = *Engine::FromText(kAdminPolicy);
  AdminService service_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<Stub> stub_;
};

TEST_F(SeveralEnginesTest, ListsAreOfAll) {
  ASSERT_NE(server_, nullptr);
  v1::ListMethodsResponse all;
  ASSERT_TRUE(Call(&Stub::ListMethods, {}, &all).ok());
  ASSERT_THAT(all.methods(), SizeIs(3));
  EXPECT_EQ(all.methods(0).engine(), "orders");
  EXPECT_EQ(all.methods(2).engine(), "users");
  v1::ListMethodsRequest request;
  request.mutable_selector()->set_engine("users");
  v1::ListMethodsResponse one;
  ASSERT_TRUE(Call(&Stub::ListMethods, request, &one).ok());
  EXPECT_THAT(one.methods(), SizeIs(1));
  request.mutable_selector()->set_engine("user");
  const grpc::Status wrong = Call(&Stub::ListMethods, request, &one);
  EXPECT_EQ(wrong.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(wrong.error_message(), "no engine \"user\"; nearest: \"users\"");
}

TEST_F(SeveralEnginesTest, PagesGoFromOneToTheNext) {
  for (int size : {1, 2}) {
    v1::ListMethodsRequest request;
    request.set_page_size(size);
    int seen = 0;
    for (int pages = 0; pages < 5; ++pages) {
      v1::ListMethodsResponse page;
      ASSERT_TRUE(Call(&Stub::ListMethods, request, &page).ok());
      EXPECT_LE(page.methods_size(), size);
      seen += page.methods_size();
      if (page.next_page_token().empty()) break;
      request.set_page_token(page.next_page_token());
    }
    EXPECT_EQ(seen, 3) << size;
  }
  for (const char* token : {"x", "7:", "-1:", "0:zz"}) {
    v1::ListMethodsRequest request;
    request.set_page_token(token);
    v1::ListMethodsResponse page;
    EXPECT_EQ(Call(&Stub::ListMethods, request, &page).error_code(),
              grpc::StatusCode::INVALID_ARGUMENT)
        << token;
  }
}

TEST_F(SeveralEnginesTest, HealthAndAlertsAreOfAll) {
  Trip(Bind(users_, kCharge));
  v1::GetHealthRequest request;
  request.set_page_size(1);
  v1::GetHealthResponse health;
  ASSERT_TRUE(Call(&Stub::GetHealth, request, &health).ok());
  EXPECT_THAT(health.methods(), SizeIs(1));
  EXPECT_EQ(health.healthy() + health.degraded() + health.unhealthy(), 3);
  EXPECT_NE(health.level(), v1::HEALTH_LEVEL_HEALTHY);
  v1::ListAlertsResponse alerts;
  ASSERT_TRUE(Call(&Stub::ListAlerts, {}, &alerts).ok());
  ASSERT_FALSE(alerts.alerts().empty());
  EXPECT_EQ(alerts.alerts(0).engine(), "users");
}

TEST_F(SeveralEnginesTest, WhatIsOfOneNeedsItsName) {
  v1::GetMethodRequest get;
  get.mutable_selector()->set_method("Charge");
  v1::GetMethodResponse method;
  const grpc::Status both = Call(&Stub::GetMethod, get, &method);
  EXPECT_EQ(both.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(both.error_message(),
            "selector.engine: is \"\"; allowed one of \"orders\", "
            "\"users\", which all have it");
  get.mutable_selector()->set_engine("users");
  EXPECT_TRUE(Call(&Stub::GetMethod, get, &method).ok());
  EXPECT_EQ(method.method().engine(), "users");
  // If only one engine has the method, the request need not name the engine.
  v1::SetOverrideRequest set;
  set.mutable_selector()->set_method("Refund");
  set.set_state(v1::BREAKER_STATE_FORCED_OPEN);
  v1::SetOverrideResponse forced;
  EXPECT_TRUE(Call(&Stub::SetOverride, set, &forced).ok());
  set.mutable_selector()->set_method("Refnd");
  EXPECT_EQ(Call(&Stub::SetOverride, set, &forced).error_code(),
            grpc::StatusCode::NOT_FOUND);

  v1::GetPolicyResponse policy;
  EXPECT_EQ(Call(&Stub::GetPolicy, {}, &policy).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  v1::ApplyPolicyRequest apply;
  apply.set_text("method { name {} breaker {} }");
  v1::ApplyPolicyResponse applied;
  EXPECT_EQ(Call(&Stub::ApplyPolicy, apply, &applied).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  apply.set_engine("users");
  EXPECT_TRUE(Call(&Stub::ApplyPolicy, apply, &applied).ok());
  EXPECT_EQ(users_->policy().version, 2u);
  EXPECT_EQ(orders_->policy().version, 1u);

  for (const auto& [name, code] : {std::pair<const char*, grpc::StatusCode>{
                                       "", grpc::StatusCode::INVALID_ARGUMENT},
                                   {"orders", grpc::StatusCode::OK}}) {
    v1::WatchEventsRequest watch;
    watch.mutable_selector()->set_engine(name);
    watch.set_stop_at_newest(true);
    grpc::ClientContext context;
    auto reader = stub_->WatchEvents(&context, watch);
    v1::WatchEventsResponse response;
    while (reader->Read(&response)) {
    }
    EXPECT_EQ(reader->Finish().error_code(), code) << name;
  }
}

TEST(EngineNamesTest, ThoseThatAreMissingOrTwiceAreNumbers) {
  const auto engine = *Engine::FromText("method { name {} }");
  const admin::Engines engines({{"", engine}, {"a", engine}, {"a", engine}},
                               AdminOptions());
  ASSERT_THAT(engines.all(), SizeIs(3));
  EXPECT_EQ(engines.all()[0]->name, "1");
  EXPECT_EQ(engines.all()[1]->name, "a");
  EXPECT_EQ(engines.all()[2]->name, "3");
}

}  // namespace
}  // namespace firebreak::testing
