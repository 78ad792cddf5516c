// Hedging over real sockets. A straggler is a call that hangs until it is
// cancelled, so an answer can only have come from a hedge.
#include <gtest/gtest.h>

#include "tests/support/engine_fixture.h"
#include "tests/support/stub_styles.h"

namespace firebreak::testing {
namespace {

constexpr char kHedge[] = "hedging { max_attempts: 2 delay: \"20ms\" }";

class HedgingTest : public ::testing::TestWithParam<StubStyle> {};
INSTANTIATE_TEST_SUITE_P(Styles, HedgingTest, AllStyles(), StyleName);

TEST_P(HedgingTest, AHedgeAnswersForAStragglerWhichIsCancelled) {
  EngineFixture f(kHedge);
  Step after_the_other;
  after_the_other.waits_for = 2;
  f.server().ScriptAttempts({Step::Hang(), after_the_other});
  UnaryCall call("slow");
  Caller(GetParam(), f.NewNumberingChannel()).Run(&call);
  EXPECT_TRUE(call.status.ok()) << call.status.error_message();
  EXPECT_EQ(call.reply.text(), "slow");
  EXPECT_TRUE(f.server().WaitForCancelled(1)) << "the loser runs on";
  // It is counted by then, or a moment later.
  EXPECT_TRUE(Eventually([&] { return f.counts().hedge_wins == 1; }));
  EXPECT_TRUE(Eventually([&] {
    return f.counts().attributions[static_cast<size_t>(
               core::Attribution::kSuperseded)] == 1;
  }));
}

TEST_P(HedgingTest, AFastPrimaryIsNotHedged) {
  EngineFixture f("hedging { max_attempts: 2 delay: \"1h\" }");
  UnaryCall call("fast");
  Caller(GetParam(), f.channel()).Run(&call);
  EXPECT_TRUE(call.status.ok());
  EXPECT_EQ(f.server().calls(), 1);
  EXPECT_EQ(f.counts().attempts_of(core::AttemptKind::kHedge), 0);
}

TEST_P(HedgingTest, AnEmptyBudgetRefusesTheHedgeAndNotThePrimary) {
  auto engine = Engine::FromText(
      "method { name {} hedging { max_attempts: 3 delay: \"0s\" } }"
      "channel { budget { ratio: 0 floor: 0 burst: 1 } }");
  ASSERT_TRUE(engine.ok()) << engine.status();
  EchoServer server;
  auto channel = (*engine)->CreateChannel("test", server.address(),
                                          grpc::InsecureChannelCredentials());
  const Caller caller(GetParam(), channel);
  for (int i = 0; i < 5; ++i) {
    UnaryCall call("x");
    caller.Run(&call);
    EXPECT_TRUE(call.status.ok()) << call.status.error_message();
  }
  // Five first attempts, and the one hedge that the burst allows.
  EXPECT_LE(server.calls(), 6);
}

TEST_P(HedgingTest, AFailureSendsTheNextAtOnce) {
  EngineFixture f("hedging { max_attempts: 2 delay: \"1h\" }");
  f.server().Script({Step::Fail(grpc::StatusCode::UNAVAILABLE)});
  UnaryCall call("x");
  Caller(GetParam(), f.channel()).Run(&call);
  EXPECT_TRUE(call.status.ok()) << call.status.error_message();
  EXPECT_EQ(f.server().calls(), 2);
}

TEST_P(HedgingTest, AFatalStatusCancelsTheOthers) {
  EngineFixture f("hedging { max_attempts: 2 delay: \"20ms\" }");
  f.server().Script(
      {Step::Hang(), Step::Fail(grpc::StatusCode::PERMISSION_DENIED, "no")});
  UnaryCall call("x");
  Caller(GetParam(), f.channel()).Run(&call);
  EXPECT_EQ(call.status.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_TRUE(f.server().WaitForCancelled(1));
}

// The attempt that lost ends after the call, when everything of the caller has
// been destroyed.
TEST_P(HedgingTest, TheChannelMayGoWithTheAnswerWhileLosersEnd) {
  auto engine = MakeEngine("hedging { max_attempts: 2 delay: \"1ms\" }");
  EchoServer server;
  for (int i = 0; i < 200; ++i) {
    server.Script({Step::Hang(), Step::Ok()});
    auto channel = engine->CreateChannel("test", server.address(),
                                         grpc::InsecureChannelCredentials());
    UnaryCall call("x");
    Caller(GetParam(), channel).Run(&call);
    EXPECT_TRUE(call.status.ok()) << call.status.error_message();
    channel.reset();
  }
}

// gRPC itself frees twice if a channel's last reference is dropped inside one
// of its callbacks. Here the callback drops the caller's channel and stub. The
// attempts that lost hold the rest, which the engine's threads drop.
TEST(HedgingLifetimeTest, TheChannelMayGoInsideAGrpcCallback) {
  auto engine = MakeEngine("hedging { max_attempts: 2 delay: \"1ms\" }");
  EchoServer server;
  for (int i = 0; i < 200; ++i) {
    server.Script({Step::Hang(), Step::Ok()});
    auto channel = engine->CreateChannel("test", server.address(),
                                         grpc::InsecureChannelCredentials());
    auto stub = Echo::NewStub(channel);
    UnaryCall call;
    std::promise<grpc::Status> done;
    stub->async()->Unary(&call.context, &call.request, &call.reply,
                         [&](grpc::Status status) {
                           stub.reset();
                           channel.reset();
                           done.set_value(std::move(status));
                         });
    EXPECT_TRUE(done.get_future().get().ok());
  }
}

TEST(HedgingLifetimeTest, EngineChannelAndStubMayGoWhileLosersEnd) {
  EchoServer server;
  for (int i = 0; i < 50; ++i) {
    server.Script({Step::Hang(), Step::Ok()});
    auto engine = MakeEngine("hedging { max_attempts: 2 delay: \"1ms\" }");
    auto channel = engine->CreateChannel("test", server.address(),
                                         grpc::InsecureChannelCredentials());
    engine.reset();
    UnaryCall call("x");
    Caller(StubStyle::kSync, channel).Run(&call);
    EXPECT_TRUE(call.status.ok()) << call.status.error_message();
  }
}

}  // namespace
}  // namespace firebreak::testing
