// Health checks as probes, over sockets: no caller pays for a probe, and calls
// are the probes of a server that has no health service.
#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "src/engine/io/health_checks.h"
#include "tests/support/core_fixtures.h"
#include "tests/support/engine_fixture.h"
#include "tests/support/health_service.h"
#include "tests/support/stub_styles.h"

namespace firebreak::testing {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;

constexpr char kChecks[] =
    "breaker { consecutive_failures: 2 probes: 1 probe_interval: \"20ms\" "
    "probe { health_check: \"shop\" } }";

class HealthCheckTest : public ::testing::TestWithParam<StubStyle> {
 protected:
  explicit HealthCheckTest(const std::string& policy = kChecks)
      : engine_(MakeEngine(policy)), channel_(Connect()) {}

  std::shared_ptr<grpc::Channel> Connect() {
    return engine_->CreateChannel("test", server_.address(),
                                  grpc::InsecureChannelCredentials());
  }
  void Trip() {
    server_.Script({Step::Fail(grpc::StatusCode::UNAVAILABLE),
                    Step::Fail(grpc::StatusCode::UNAVAILABLE)});
    for (int i = 0; i < 2; ++i) Call();
  }
  grpc::Status Call() {
    UnaryCall call;
    Caller(GetParam(), channel_).Run(&call);
    return call.status;
  }
  bool CallsUntil(const std::function<bool()>& condition) {
    return Eventually([&] {
      Call();
      return condition();
    });
  }
  core::BreakerSnapshot breaker() {
    for (const auto& runtime : engine_->core()->Methods()) {
      if (runtime->method != kUnaryMethod) continue;
      return runtime->breakers().front()->Snapshot(engine::Now());
    }
    return {};
  }
  core::BreakerState state() { return breaker().state; }
  std::vector<std::string> Causes() {
    std::vector<std::string> causes;
    for (const auto& event : engine_->core()->events().Since(0, 1000).events) {
      causes.push_back(event.cause);
    }
    return causes;
  }

  HealthService health_;
  EchoServer server_{"127.0.0.1:0", grpc::InsecureServerCredentials(),
                     &health_};
  std::shared_ptr<Engine> engine_;
  std::shared_ptr<grpc::Channel> channel_;
};
INSTANTIATE_TEST_SUITE_P(Styles, HealthCheckTest, AllStyles(), StyleName);

TEST_P(HealthCheckTest, NoCallIsSentWhileTheTargetDoesNotServe) {
  health_.Answer(kNotServing);
  Trip();
  EXPECT_EQ(state(), core::BreakerState::kOpen);
  ASSERT_TRUE(CallsUntil([&] { return health_.asked() >= 5; }));
  EXPECT_EQ(server_.calls(), 2) << "those that opened it";
  EXPECT_THAT(health_.requests(), Each("\x0a\x04shop"));
  EXPECT_EQ(breaker().health, "NOT_SERVING");
  EXPECT_THAT(Call().error_message(),
              HasSubstr("the health check answers NOT_SERVING"));
  EXPECT_EQ(breaker().times_opened, 1);

  health_.Answer(kServing);
  ASSERT_TRUE(
      CallsUntil([&] { return state() == core::BreakerState::kClosed; }));
  EXPECT_EQ(server_.calls(), 3) << "and the probe, which closed it";
  EXPECT_THAT(Causes(),
              ::testing::Contains("the health check answered SERVING"));
  const int asked = health_.asked();
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(Call().ok());
  EXPECT_EQ(health_.asked(), asked) << "nobody asks while it is closed";
}

TEST_P(HealthCheckTest, WhereThereIsNoHealthServiceACallLooksAndOneIsTold) {
  for (const char* answer : {"", kServiceUnknown, "\xff\xff", "\x0a"}) {
    if (*answer == '\0') {
      health_.Fail(grpc::StatusCode::UNIMPLEMENTED);
    } else {
      health_.Answer(answer);
    }
    Trip();
    ASSERT_TRUE(CallsUntil([&] {
      return state() == core::BreakerState::kClosed;
    })) << answer;
  }
  int told = 0;
  for (const std::string& cause : Causes()) {
    if (cause.find("calls look whether it is back") != std::string::npos) {
      ++told;
    }
  }
  EXPECT_EQ(told, 1);
}

TEST_P(HealthCheckTest, AfterACheckThatHangsComesAnother) {
  health_.Hang();
  Trip();
  ASSERT_TRUE(CallsUntil([&] { return health_.asked() >= 1; }));
  health_.Answer(kServing);
  ASSERT_TRUE(
      CallsUntil([&] { return state() == core::BreakerState::kClosed; }));
  EXPECT_EQ(server_.calls(), 3);
}

TEST_P(HealthCheckTest, AServerThatWasGoneIsAskedAsSoonAsItIsBack) {
  const std::string address = server_.address();
  ASSERT_TRUE(Call().ok());
  server_.Stop();
  ASSERT_TRUE(CallsUntil([&] { return state() == core::BreakerState::kOpen; }));
  ASSERT_TRUE(CallsUntil([&] { return breaker().health == "no connection"; }));
  HealthService of_the_next;
  EchoServer back(address, grpc::InsecureServerCredentials(), &of_the_next);
  ASSERT_TRUE(
      CallsUntil([&] { return state() == core::BreakerState::kClosed; }));
  EXPECT_GE(of_the_next.asked(), 1);
  back.Stop();
}

// The policy names the health service, since `name {}` does not apply to it.
TEST_P(HealthCheckTest, ACheckPassesTheEnginesOwnInterceptors) {
  auto engine = Engine::FromText(absl::StrCat(
      "method { name {} ", kChecks,
      "} method { name { service: \"grpc.health.v1.Health\" } breaker {} }"));
  ASSERT_TRUE(engine.ok()) << engine.status();
  engine_ = *std::move(engine);
  channel_ = Connect();
  Trip();
  ASSERT_TRUE(
      CallsUntil([&] { return state() == core::BreakerState::kClosed; }));
  EXPECT_GE(health_.asked(), 1);
  for (const auto& runtime : engine_->core()->Methods()) {
    EXPECT_EQ(runtime->method, kUnaryMethod);
  }
}

class SharedHealthCheckTest : public HealthCheckTest {};
INSTANTIATE_TEST_SUITE_P(Styles, SharedHealthCheckTest,
                         ::testing::Values(StubStyle::kSync), StyleName);

TEST_P(SharedHealthCheckTest, FortyMethodsSendNoMoreThanOne) {
  constexpr int kMethods = 40;
  constexpr auto kInterval = std::chrono::milliseconds(100);
  engine_ = MakeEngine(
      "breaker { consecutive_failures: 1 probe_interval: \"100ms\" "
      "probe { health_check: \"\" } }");
  channel_ = Connect();
  health_.Answer(kNotServing);
  const auto call = [&](int n) {
    grpc::ClientContext context;
    grpc::CompletionQueue queue;
    grpc::GenericStub stub(channel_);
    grpc::ByteBuffer request;
    grpc::ByteBuffer reply;
    grpc::Status status;
    auto reader = stub.PrepareUnaryCall(
        &context, absl::StrCat("/shop.v1.Shop/Method", n), request, &queue);
    reader->StartCall();
    reader->Finish(&reply, &status, nullptr);
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
    queue.Shutdown();
    while (queue.Next(&tag, &ok)) {
    }
    return status;
  };
  const core::Time begun = engine::Now();
  for (int n = 0; n < kMethods; ++n) {
    EXPECT_EQ(call(n).error_code(), grpc::StatusCode::UNAVAILABLE);
  }
  ASSERT_TRUE(Eventually([&] { return health_.asked() >= 8; }));
  const auto intervals = static_cast<int>((engine::Now() - begun) / kInterval);
  // A breaker's interval is shorter by a tenth at most.
  EXPECT_LE(health_.asked(), 2 * intervals + 2);
  EXPECT_THAT(health_.requests(), Each("")) << "the server as a whole";
  for (const auto& runtime : engine_->core()->Methods()) {
    EXPECT_EQ(runtime->breakers().front()->Snapshot(engine::Now()).state,
              core::BreakerState::kOpen);
  }
  // One answer is used by all of the breakers.
  health_.Answer(kServing);
  const int before = health_.asked();
  ASSERT_TRUE(Eventually([&] {
    for (const auto& runtime : engine_->core()->Methods()) {
      if (runtime->breakers().front()->Snapshot(engine::Now()).state ==
          core::BreakerState::kOpen) {
        return false;
      }
    }
    return true;
  }));
  EXPECT_LE(health_.asked() - before, 6);
}

// A channel that only a health check still uses.
TEST(HealthChecksTest, ACheckKeepsNoChannel) {
  HealthService health;
  EchoServer server("127.0.0.1:0", grpc::InsecureServerCredentials(), &health);
  health.Hang();
  engine::Io io({});
  ASSERT_TRUE(io.status().ok());
  core::BreakerOptions options = core::TripsAfter(1);
  options.probe_interval = options.probe_timeout = std::chrono::hours(1);
  options.health_check = "shop";
  const core::Time now = engine::Now();
  core::Breaker breaker({"test", server.address(), "/s/m", nullptr, nullptr},
                        options, 1, now - std::chrono::hours(2));
  breaker.Admit(now - std::chrono::hours(2), core::kInfiniteFuture)
      .permit.Settle(core::Verdict::kFailure, now - std::chrono::hours(2));
  auto owner = std::make_shared<int>(0);
  const auto checks = engine::HealthChecks::Create(&io);
  checks->SetOwner(owner);
  auto channel =
      grpc::CreateChannel(server.address(), grpc::InsecureChannelCredentials());
  ASSERT_TRUE(channel->WaitForConnected(std::chrono::system_clock::now() +
                                        std::chrono::seconds(30)));
  checks->Look(&breaker, {{channel}}, now);
  ASSERT_TRUE(Eventually([&] { return health.asked() == 1; }));
  checks->CancelWhatNobodyUses();
  checks->Look(&breaker, {{channel}}, now);
  EXPECT_EQ(health.cancelled(), 0);
  const std::weak_ptr<grpc::Channel> gone = channel;
  channel.reset();
  checks->CancelWhatNobodyUses();
  EXPECT_TRUE(Eventually([&] { return health.cancelled() == 1; }));
  EXPECT_TRUE(Eventually([&] { return gone.expired(); }));
  EXPECT_EQ(health.asked(), 1);
  checks->Stop();
}

TEST(HealthChecksTest, StopEndsWhatRuns) {
  HealthService health;
  EchoServer server("127.0.0.1:0", grpc::InsecureServerCredentials(), &health);
  health.Hang();
  auto io = std::make_unique<engine::Io>(engine::Io::Options());
  core::BreakerOptions options = core::TripsAfter(1);
  options.probe_interval = options.probe_timeout = std::chrono::hours(1);
  options.health_check = "shop";
  const core::Time now = engine::Now();
  core::Breaker breaker({"test", server.address(), "/s/m", nullptr, nullptr},
                        options, 1, now - std::chrono::hours(2));
  breaker.Admit(now - std::chrono::hours(2), core::kInfiniteFuture)
      .permit.Settle(core::Verdict::kFailure, now - std::chrono::hours(2));
  auto owner = std::make_shared<int>(0);
  const auto checks = engine::HealthChecks::Create(io.get());
  checks->SetOwner(owner);
  auto channel =
      grpc::CreateChannel(server.address(), grpc::InsecureChannelCredentials());
  ASSERT_TRUE(channel->WaitForConnected(std::chrono::system_clock::now() +
                                        std::chrono::seconds(30)));
  checks->Look(&breaker, {{channel}}, now);
  ASSERT_TRUE(Eventually([&] { return health.asked() == 1; }));
  checks->Stop();
  io.reset();  // must not wait for the timeout of an hour
  EXPECT_EQ(breaker.Snapshot(now).health, "");
}

}  // namespace
}  // namespace firebreak::testing
