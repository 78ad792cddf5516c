#include "firebreak/testing/scripted_server.h"

#include "tests/testing/rig.h"

namespace firebreak::testing {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::SizeIs;

struct Plain {
  Plain()
      : channel(grpc::CreateChannel(server.target(),
                                    grpc::InsecureChannelCredentials())) {}
  grpc::Status Call(EchoReply* reply = nullptr) {
    UnaryCall call("hello");
    Caller(StubStyle::kSync, channel).Run(&call);
    if (reply != nullptr) *reply = call.reply;
    return call.status;
  }
  ScriptedServer server;
  std::shared_ptr<grpc::Channel> channel;
};

TEST(ScriptedServerTest, AnswersByTheNumberOfTheAttempt) {
  Plain plain;
  plain.server.Script(
      kUnary, {Reply::Fail(kUnavailable, "one"), EchoOf("two"), Reply::Ok()});
  EXPECT_EQ(plain.Call().error_message(), "one");
  EchoReply reply;
  EXPECT_TRUE(plain.Call(&reply).ok());
  EXPECT_EQ(reply.text(), "two");
  EXPECT_TRUE(plain.Call(&reply).ok());
  EXPECT_EQ(reply.text(), "");
  EXPECT_EQ(plain.server.attempts(kUnary), 3);
  ASSERT_THAT(plain.server.seen(kUnary), SizeIs(3));
  EchoRequest request;
  ASSERT_TRUE(request.ParseFromString(plain.server.seen(kUnary)[0].request));
  EXPECT_EQ(request.text(), "hello");
}

TEST(ScriptedServerTest, AScriptThatEndsBeforeTheAttemptsDoSaysSo) {
  Plain plain;
  plain.server.Script(kUnary, {EchoOf("one")});
  EXPECT_TRUE(plain.Call().ok());
  const grpc::Status over = plain.Call();
  EXPECT_EQ(over.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(over.error_message(), HasSubstr("has ended after 1 replies"));
  EXPECT_EQ(plain.server.overruns(), 1);
  plain.server.Always(kUnary, EchoOf("rest"));
  EXPECT_TRUE(plain.Call().ok());
  plain.server.Script(kUnary, {Reply::Fail(kUnavailable)});
  EXPECT_EQ(plain.Call().error_code(), kUnavailable);
  EXPECT_TRUE(plain.Call().ok());
  EXPECT_EQ(plain.server.overruns(), 1);
}

TEST(ScriptedServerTest, WhatHangsIsReleasedOrCancelled) {
  Plain plain;
  plain.server.Always(kUnary, Reply::Hang());
  auto released = std::async(std::launch::async, [&] { return plain.Call(); });
  ASSERT_TRUE(plain.server.WaitForHanging(1));
  plain.server.Release(EchoOf("now"));
  EXPECT_TRUE(released.get().ok());

  UnaryCall call("hello");
  auto cancelled = std::async(std::launch::async, [&] {
    Caller(StubStyle::kSync, plain.channel).Run(&call);
  });
  ASSERT_TRUE(plain.server.WaitForHanging(1));
  call.context.TryCancel();
  cancelled.wait();
  EXPECT_EQ(call.status.error_code(), grpc::StatusCode::CANCELLED);
}

TEST(ScriptedServerTest, ItsEndEndsWhatHangs) {
  auto plain = std::make_unique<ScriptedServer>();
  plain->Always(kUnary, Reply::Hang());
  const auto channel =
      grpc::CreateChannel(plain->target(), grpc::InsecureChannelCredentials());
  UnaryCall call("hello");
  auto left = std::async(std::launch::async,
                         [&] { Caller(StubStyle::kSync, channel).Run(&call); });
  ASSERT_TRUE(plain->WaitForHanging(1));
  plain.reset();
  left.wait();
  EXPECT_FALSE(call.status.ok());
}

TEST(ScriptedServerTest, PushbackAndTrailingMetadataReachTheClient) {
  Plain plain;
  plain.server.Script(kUnary, {Reply::Fail(kUnavailable).WithPushback("123")});
  UnaryCall call("hello");
  Caller(StubStyle::kSync, plain.channel).Run(&call);
  const auto& trailing = call.context.GetServerTrailingMetadata();
  ASSERT_EQ(trailing.count("grpc-retry-pushback-ms"), 1U);
  EXPECT_EQ(trailing.find("grpc-retry-pushback-ms")->second, "123");
}

TEST(MatchersTest, SayWhatIsThere) {
  Rig rig(R"pb(bulkhead { max_concurrent: 1 max_queue: 0 })pb");
  rig.server.Script(kUnary, {Reply::Hang()});
  EXPECT_THAT(rig.breaker(), BreakerIs("none"));
  Pending inside(StubStyle::kSync, rig.channel());
  ASSERT_TRUE(rig.server.WaitForHanging(1));
  Pending refused(StubStyle::kSync, rig.channel());
  refused.Wait();
  EXPECT_THAT(refused.context(), WasRefusedBy("bulkhead"));
  EXPECT_THAT(refused.context(), WasRefusedBy("bulkhead_full"));
  EXPECT_THAT(refused.context(), ::testing::Not(WasRefusedBy("breaker")));
  EXPECT_EQ(OutcomeOf(refused.Wait(), refused.context()),
            "RESOURCE_EXHAUSTED (bulkhead_full)");
  ::testing::StringMatchResultListener listener;
  EXPECT_FALSE(
      ::testing::Matcher<const grpc::ClientContext&>(WasRefusedBy("the moon"))
          .MatchAndExplain(refused.context(), &listener));
  EXPECT_THAT(listener.str(), HasSubstr("nothing of that name"));
  rig.server.Release(EchoOf("now"));
  inside.Wait();
  EXPECT_THAT(inside.context(), ::testing::Not(WasRefusedBy("bulkhead")));
  EXPECT_EQ(OutcomeOf(inside.Wait(), inside.context()), "OK");
  EXPECT_THAT(inside.Report(), AttemptsWere("first OK"));
}

}  // namespace
}  // namespace firebreak::testing
