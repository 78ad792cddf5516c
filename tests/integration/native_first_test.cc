// A driven call of an asynchronous stub whose first attempt is the caller's own
// call: what the caller and the server see, and what a later answer replaces.
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <string>

#include "tests/fidelity/raw_server.h"
#include "tests/support/engine_fixture.h"
#include "tests/support/stub_styles.h"
#include "tests/support/tcp.h"

namespace firebreak::testing {
namespace {

using std::chrono::seconds;

constexpr char kQuickRetry[] =
    "retry { max_attempts: 3 backoff { initial: \"1ms\" max: \"1ms\" } }";

class NativeFirstTest : public ::testing::TestWithParam<StubStyle> {
 protected:
  static void Run(const std::shared_ptr<grpc::Channel>& channel,
                  UnaryCall* call) {
    Caller(GetParam(), channel).Run(call);
  }
};
INSTANTIATE_TEST_SUITE_P(Styles, NativeFirstTest, AllStyles(), StyleName);

TEST_P(NativeFirstTest, TheFirstAnswerIsTheCallersOwnCalls) {
  EngineFixture f(kQuickRetry);
  UnaryCall call("hello");
  Run(f.channel(), &call);
  EXPECT_TRUE(call.status.ok());
  EXPECT_EQ(call.reply.text(), "hello");
  // If firebreak's attempts answer a call, the call itself is never connected.
  EXPECT_EQ(call.context.peer() == absl::StrCat("ipv4:", f.server().address()),
            GoesOutNatively(GetParam()))
      << call.context.peer();
  EXPECT_EQ(f.server().calls(), 1);
  EXPECT_EQ(f.counts().end(core::CallEnd::kSuccess), 1);
}

TEST_P(NativeFirstTest, ALaterAnswerIsWrittenOverTheFirst) {
  EngineFixture f(kQuickRetry);
  Step fails = Step::Fail(grpc::StatusCode::UNAVAILABLE, "no", "details");
  fails.trailing = {{"who", "first"}};
  Step answers = Step::Ok();
  answers.initial = {{"early", "second"}};
  answers.trailing = {{"who", "second"}};
  f.server().Script({fails, answers});
  UnaryCall call("hello");
  call.reply.set_text("stale");
  Run(f.channel(), &call);
  ASSERT_TRUE(call.status.ok()) << call.status.error_message();
  EXPECT_EQ(call.status.error_message(), "");
  EXPECT_EQ(call.status.error_details(), "");
  EXPECT_EQ(call.reply.text(), "hello");
  EXPECT_EQ(Trailing(call.context, "who"), "second");
  EXPECT_EQ(call.context.GetServerTrailingMetadata().count("who"), 1u);
  const auto& initial = call.context.GetServerInitialMetadata();
  EXPECT_EQ(initial.count("early"), 1u);
}

TEST_P(NativeFirstTest, AHedgeThatWinsIsWrittenOverTheCancelledCall) {
  EngineFixture f("hedging { max_attempts: 2 delay: \"5ms\" }");
  f.server().ScriptAttempts({Step::Hang(), Step::Ok()});
  auto channel = f.NewNumberingChannel();
  UnaryCall call("hello");
  Run(channel, &call);
  ASSERT_TRUE(call.status.ok()) << call.status.error_message();
  EXPECT_EQ(call.reply.text(), "hello");
  EXPECT_TRUE(f.server().WaitForCancelled(1));
  EXPECT_EQ(f.counts().end(core::CallEnd::kSuccess), 1);
  EXPECT_EQ(f.counts().attempts_of(core::AttemptKind::kHedge), 1);
}

TEST_P(NativeFirstTest, WhenAllFailTheLastStatusIsTheCallers) {
  EngineFixture f(kQuickRetry);
  f.server().Script({Step::Fail(grpc::StatusCode::UNAVAILABLE, "one"),
                     Step::Fail(grpc::StatusCode::UNAVAILABLE, "two"),
                     Step::Fail(grpc::StatusCode::UNAVAILABLE, "three", "x")});
  UnaryCall call("hello");
  call.reply.set_text("untouched");
  Run(f.channel(), &call);
  EXPECT_EQ(call.status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(call.status.error_message(), "three");
  EXPECT_EQ(call.status.error_details(), "x");
  EXPECT_EQ(call.reply.text(), "untouched");
  EXPECT_EQ(Trailing(call.context, "firebreak-reason"), "attempts_exhausted");
}

TEST_P(NativeFirstTest, AReasonStandsBesideTheFirstFailure) {
  EngineFixture f(kQuickRetry);
  Step fails = Step::Fail(grpc::StatusCode::UNAVAILABLE, "no");
  fails.trailing = {{"grpc-retry-pushback-ms", "-1"}, {"mine", "kept"}};
  f.server().Script({fails});
  UnaryCall call("hello");
  Run(f.channel(), &call);
  EXPECT_EQ(call.status.error_message(), "no");
  EXPECT_EQ(Trailing(call.context, "mine"), "kept");
  EXPECT_EQ(Trailing(call.context, "firebreak-reason"), "pushback");
}

TEST_P(NativeFirstTest, AFallbackIsWrittenOverTheFirst) {
  EngineFixture f("breaker {}");
  ASSERT_TRUE(
      f.engine()
          ->SetFallback("test", kUnaryMethod,
                        MakeFallback<EchoRequest, EchoReply>(
                            [](const EchoRequest& request,
                               const grpc::Status& failure, EchoReply* reply) {
                              reply->set_text(request.text() + " " +
                                              failure.error_message());
                              return grpc::Status::OK;
                            }))
          .ok());
  f.server().Script({Step::Fail(grpc::StatusCode::INTERNAL, "broken")});
  UnaryCall call("hello");
  Run(f.channel(), &call);
  ASSERT_TRUE(call.status.ok()) << call.status.error_message();
  EXPECT_EQ(call.reply.text(), "hello broken");
}

TEST_P(NativeFirstTest, AFallbackThatThrowsHasFailed) {
  EngineFixture f("breaker {}");
  ASSERT_TRUE(
      f.engine()
          ->SetFallback("test", kUnaryMethod,
                        [](const grpc::ByteBuffer&, const grpc::Status&,
                           grpc::ByteBuffer*) -> grpc::Status { throw 42; })
          .ok());
  f.server().Script({Step::Fail(grpc::StatusCode::INTERNAL, "broken")});
  UnaryCall call("hello");
  Run(f.channel(), &call);
  EXPECT_EQ(call.status.error_code(), grpc::StatusCode::INTERNAL);
  EXPECT_EQ(call.status.error_message(), "broken");
  EXPECT_EQ(f.engine()->callback_faults().fallback_threw, 1);
}

TEST_P(NativeFirstTest, ATimeoutOfThePolicyReachesTheServer) {
  EngineFixture f("timeout: \"5s\"");
  UnaryCall call("hello");
  Run(f.channel(), &call);
  ASSERT_TRUE(call.status.ok());
  const SeenCall seen = f.server().seen().front();
  EXPECT_LT(seen.granted, seconds(6));
  EXPECT_GT(seen.granted, seconds(0));
}

TEST_P(NativeFirstTest, ATimeoutOfThePolicyEndsACallThatHasNone) {
  EngineFixture f("timeout: \"200ms\"");
  f.Connect();
  f.server().Script({Step::Hang()});
  UnaryCall call("hello");
  Run(f.channel(), &call);
  EXPECT_EQ(call.status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_TRUE(f.server().WaitForCancelled(1));
}

TEST_P(NativeFirstTest, LaterAttemptsHaveTheTimeThatIsLeftAndNoMore) {
  EngineFixture f(absl::StrCat("timeout: \"10s\" ", kQuickRetry));
  f.server().Script({Step::Fail(grpc::StatusCode::UNAVAILABLE), Step::Ok()});
  UnaryCall call("hello");
  Run(f.channel(), &call);
  ASSERT_TRUE(call.status.ok()) << call.status.error_message();
  const auto seen = f.server().seen();
  ASSERT_EQ(seen.size(), 2u);
  for (const SeenCall& each : seen) {
    EXPECT_LT(each.granted, seconds(11));
    EXPECT_GT(each.granted, seconds(0));
  }
}

TEST_P(NativeFirstTest, ATighterTimeoutThanTheCallersReachesTheServer) {
  EngineFixture f("timeout: \"5s\"");
  UnaryCall call("hello");
  call.context.set_deadline(std::chrono::system_clock::now() + seconds(60));
  Run(f.channel(), &call);
  ASSERT_TRUE(call.status.ok());
  EXPECT_LT(f.server().seen().front().granted, seconds(6));
}

TEST_P(NativeFirstTest, OptionsOfTheCallDoNotLeaveTheProcess) {
  EngineFixture f(kQuickRetry);
  f.server().Script({Step::Fail(grpc::StatusCode::UNAVAILABLE), Step::Ok()});
  UnaryCall call("hello");
  AskForReport(&call.context);
  Run(f.channel(), &call);
  for (const SeenCall& seen : f.server().seen()) {
    for (const auto& [key, value] : seen.metadata) {
      EXPECT_EQ(key.find("firebreak"), std::string::npos) << key;
    }
  }
}

// An interceptor after firebreak's sees the caller's own metadata with the
// first attempt. What it adds there is sent with that attempt only.
TEST_P(NativeFirstTest, WhatIsAddedToOneAttemptIsNotSentWithTheNext) {
  class Span final : public grpc::experimental::Interceptor {
   public:
    void Intercept(
        grpc::experimental::InterceptorBatchMethods* methods) override {
      if (methods->QueryInterceptionHookPoint(
              grpc::experimental::InterceptionHookPoints::
                  PRE_SEND_INITIAL_METADATA)) {
        methods->GetSendInitialMetadata()->emplace("span", "one");
      }
      methods->Proceed();
    }
  };
  class Spans final
      : public grpc::experimental::ClientInterceptorFactoryInterface {
   public:
    grpc::experimental::Interceptor* CreateClientInterceptor(
        grpc::experimental::ClientRpcInfo*) override {
      return new Span;
    }
  };
  EngineFixture f(kQuickRetry);
  std::vector<
      std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface>>
      factories;
  factories.push_back(f.engine()->InterceptorFactory("test"));
  factories.push_back(std::make_unique<Spans>());
  const auto channel = grpc::experimental::CreateCustomChannelWithInterceptors(
      f.server().address(), grpc::InsecureChannelCredentials(),
      grpc::ChannelArguments(), std::move(factories));
  f.server().Script({Step::Fail(grpc::StatusCode::UNAVAILABLE),
                     Step::Fail(grpc::StatusCode::UNAVAILABLE), Step::Ok()});
  UnaryCall call("hello");
  call.context.AddMetadata("mine", "1");
  Run(channel, &call);
  ASSERT_TRUE(call.status.ok()) << call.status.error_message();
  const auto seen = f.server().seen();
  ASSERT_EQ(seen.size(), 3u);
  for (const SeenCall& each : seen) {
    EXPECT_EQ(each.metadata.count("span"), 1u);
    EXPECT_EQ(each.metadata.count("mine"), 1u);
  }
}

// The server accepts the connection and never sends anything. The timeouts must
// hold without its help.
TEST_P(NativeFirstTest, TimeoutsHoldAgainstAServerThatIsSilent) {
  int listener = tcp::NewSocket();
  const int port = tcp::Bind(listener, 0);
  tcp::Must(listen(listener, 16), "listen");
  for (const std::string policy :
       {"timeout: \"50ms\"",
        "retry { max_attempts: 2 attempt_timeout: \"30ms\" "
        "codes: [DEADLINE_EXCEEDED] backoff { initial: \"1ms\" } }"}) {
    const auto engine = MakeEngine(policy);
    const auto channel =
        engine->CreateChannel("test", absl::StrCat("127.0.0.1:", port),
                              grpc::InsecureChannelCredentials());
    UnaryCall call("hello");
    Run(channel, &call);
    EXPECT_EQ(call.status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED)
        << policy << ": " << call.status.error_message();
  }
  tcp::Close(&listener);
}

class UnaryReactor final : public grpc::ClientUnaryReactor {
 public:
  void Start(Echo::Stub* stub, UnaryCall* call) {
    call_ = call;
    stub->async()->Unary(&call->context, &call->request, &call->reply, this);
    StartCall();
  }
  void OnReadInitialMetadataDone(bool /*ok*/) override {
    metadata_.set_value(call_->context.GetServerInitialMetadata().size());
  }
  void OnDone(const grpc::Status& status) override {
    call_->status = status;
    done_.set_value();
  }

  UnaryCall* call_ = nullptr;
  std::promise<size_t> metadata_;
  std::promise<void> done_;
};

class ReactorTest : public ::testing::Test {
 protected:
  ReactorTest() : f_(kQuickRetry), stub_(Echo::NewStub(f_.channel())) {}

  EngineFixture f_;
  const std::unique_ptr<Echo::Stub> stub_;
};

TEST_F(ReactorTest, IsRetried) {
  Step answers = Step::Ok();
  answers.initial = {{"k", "v"}};
  f_.server().Script({Step::Fail(grpc::StatusCode::UNAVAILABLE), answers});
  UnaryCall call("hello");
  UnaryReactor reactor;
  reactor.Start(stub_.get(), &call);
  reactor.done_.get_future().wait();
  EXPECT_TRUE(call.status.ok()) << call.status.error_message();
  EXPECT_EQ(call.reply.text(), "hello");
  EXPECT_EQ(reactor.metadata_.get_future().get(), 1u);
  EXPECT_EQ(f_.server().calls(), 2);
}

#ifndef FIREBREAK_TSAN  // whose server is a reactor:
                        // tests/support/tsan/edges.cc
// gRFC A6: once the caller has the initial metadata, the call is committed to
// that attempt.
TEST_F(ReactorTest, WithInitialMetadataIsCommitted) {
  RawServer server({"", {grpc::StatusCode::UNAVAILABLE, "late"}, true});
  const auto stub = Echo::NewStub(f_.engine()->CreateChannel(
      "test", server.address(), grpc::InsecureChannelCredentials()));
  UnaryCall call("hello");
  UnaryReactor reactor;
  reactor.Start(stub.get(), &call);
  EXPECT_EQ(reactor.metadata_.get_future().get(), 1u);
  // The caller may get the metadata before the server's reactor is notified.
  ASSERT_TRUE(server.WaitForSent());
  server.Release();
  reactor.done_.get_future().wait();
  EXPECT_EQ(call.status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(call.status.error_message(), "late");
  EXPECT_EQ(f_.counts().attempts_of(core::AttemptKind::kRetry), 0);
}
#endif

TEST_F(ReactorTest, IsCancelledInABackoff) {
  EngineFixture f(
      "retry { max_attempts: 3 backoff { initial: \"1h\" max: \"1h\" "
      "jitter: NONE } }");
  const auto stub = Echo::NewStub(f.channel());
  f.server().Script({Step::Fail(grpc::StatusCode::UNAVAILABLE)});
  UnaryCall call("hello");
  UnaryReactor reactor;
  reactor.Start(stub.get(), &call);
  ASSERT_TRUE(
      Eventually([&] { return f.engine()->core()->io()->armed_timers() > 0; }));
  call.context.TryCancel();
  reactor.done_.get_future().wait();
  EXPECT_EQ(call.status.error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_EQ(f.server().calls(), 1);
}

}  // namespace
}  // namespace firebreak::testing
