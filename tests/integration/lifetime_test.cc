// Engine, channel, stub and context may be destroyed in any order and on any
// thread, and firebreak never needs a thread of gRPC.
#include <gtest/gtest.h>

#include "absl/base/config.h"

#ifdef ABSL_HAVE_ADDRESS_SANITIZER
#include <sanitizer/lsan_interface.h>
#endif

#include "firebreak/v1/policy.pb.h"
#include "tests/support/engine_fixture.h"
#include "tests/support/stub_styles.h"

namespace firebreak::testing {
namespace {

constexpr char kDriven[] =
    "retry { max_attempts: 3 backoff { initial: \"1ms\" max: \"2ms\" } }";

// gRPC runs all callbacks of a process on about two threads. If attempts used
// the callback API, these calls would wait for each other for ever.
TEST(StarvationTest, EightCallbackHandlersEachMakingASyncDrivenCall) {
  EngineFixture f(kDriven);
  struct Front final : Echo::CallbackService {
    std::shared_ptr<grpc::Channel> channel;
    grpc::ServerUnaryReactor* Unary(grpc::CallbackServerContext* context,
                                    const EchoRequest* request,
                                    EchoReply* reply) override {
      UnaryCall call(request->text());
      Caller(StubStyle::kSync, channel).Run(&call);
      reply->set_text(call.reply.text());
      auto* reactor = context->DefaultReactor();
      reactor->Finish(call.status);
      return reactor;
    }
  } front;
  front.channel = f.channel();
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                           &port);
  builder.RegisterService(&front);
  auto server = builder.BuildAndStart();
  const auto channel = grpc::CreateChannel("127.0.0.1:" + std::to_string(port),
                                           grpc::InsecureChannelCredentials());
  constexpr int kCallers = 8;
  constexpr int kRounds = 5;
  std::atomic<int> answered{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < kCallers; ++i) {
    callers.emplace_back([&] {
      for (int round = 0; round < kRounds; ++round) {
        UnaryCall call("x");
        call.context.set_deadline(std::chrono::system_clock::now() +
                                  std::chrono::seconds(30));
        Caller(StubStyle::kSync, channel).Run(&call);
        EXPECT_TRUE(call.status.ok()) << call.status.error_message();
        if (call.status.ok()) ++answered;
      }
    });
  }
  for (auto& caller : callers) caller.join();
  EXPECT_EQ(answered, kCallers * kRounds);
  server->Shutdown(std::chrono::system_clock::now());
}

class LifetimeTest : public ::testing::TestWithParam<StubStyle> {};
INSTANTIATE_TEST_SUITE_P(Styles, LifetimeTest, AllStyles(), StyleName);

TEST_P(LifetimeTest, TheEngineMayGoBeforeItsChannels) {
  EchoServer server;
  auto engine = MakeEngine(kDriven);
  auto channel = engine->CreateChannel("test", server.address(),
                                       grpc::InsecureChannelCredentials());
  engine.reset();
  server.Script({Step::Fail(grpc::StatusCode::UNAVAILABLE), Step::Ok()});
  UnaryCall call;
  Caller(GetParam(), channel).Run(&call);
  EXPECT_TRUE(call.status.ok()) << call.status.error_message();
}

TEST_P(LifetimeTest, TheEngineMayGoWhileACallIsInFlight) {
  EchoServer server;
  server.Script({Step::Hang()});
  auto engine = MakeEngine(kDriven);
  auto channel = engine->CreateChannel("test", server.address(),
                                       grpc::InsecureChannelCredentials());
  UnaryCall call("x");
  std::thread runs([&] { Caller(GetParam(), channel).Run(&call); });
  ASSERT_TRUE(server.WaitForCalls(1));
  engine.reset();
  server.Release();
  runs.join();
  EXPECT_TRUE(call.status.ok()) << call.status.error_message();
}

TEST_P(LifetimeTest, EverythingGoesWhileAHungLoserIsLeft) {
  EchoServer server;
  server.Script({Step::Hang(), Step::Ok()});
  {
    auto engine = MakeEngine("hedging { max_attempts: 2 delay: \"1ms\" }");
    auto channel = engine->CreateChannel("test", server.address(),
                                         grpc::InsecureChannelCredentials());
    UnaryCall call;
    Caller(GetParam(), channel).Run(&call);
    EXPECT_TRUE(call.status.ok());
  }
  EXPECT_TRUE(server.WaitForCancelled(1));
}

TEST_P(LifetimeTest, TheContextMayGoAtOnceAfterTheCall) {
  EngineFixture f(kDriven);
  const Caller caller(GetParam(), f.channel());
  for (int i = 0; i < 100; ++i) {
    auto call = std::make_unique<UnaryCall>("x");
    caller.Run(call.get());
    EXPECT_TRUE(call->status.ok());
  }
}

// gRPC itself leaks the request of a call that was prepared and never started,
// even without interceptors. The test shows that firebreak leaks nothing with
// it: anything left of the call would keep the engine alive.
TEST(LifetimeQueueTest, AStubCallThatIsPreparedAndNeverStarted) {
  std::weak_ptr<engine::EngineCore> core;
  {
    EngineFixture f(kDriven);
    core = f.engine()->core();
    auto stub = Echo::NewStub(f.channel());
    grpc::CompletionQueue cq;
    {
#ifdef ABSL_HAVE_ADDRESS_SANITIZER
      const __lsan::ScopedDisabler leaks_of_grpc;
#endif
      grpc::ClientContext context;
      EchoRequest request;
      auto reader = stub->PrepareAsyncUnary(&context, request, &cq);
    }
    cq.Shutdown();
    void* tag = nullptr;
    bool ok = false;
    EXPECT_FALSE(cq.Next(&tag, &ok));
    EXPECT_EQ(f.server().calls(), 0);
  }
  EXPECT_TRUE(Eventually([&] { return core.expired(); }));
}

TEST(LifetimeThreadsTest, ManyEnginesComeAndGo) {
  EchoServer server;
  for (int i = 0; i < 50; ++i) {
    auto engine = MakeEngine(kDriven);
    auto channel = engine->CreateChannel("test", server.address(),
                                         grpc::InsecureChannelCredentials());
    UnaryCall call;
    Caller(StubStyle::kSync, channel).Run(&call);
    EXPECT_TRUE(call.status.ok());
  }
}

// --- fallbacks --------------------------------------------------------------

class FallbackTest : public ::testing::TestWithParam<StubStyle> {
 protected:
  absl::Status SetFallback(
      EngineFixture* f,
      std::function<grpc::Status(const EchoRequest&, const grpc::Status&,
                                 EchoReply*)>
          answer) {
    return f->engine()->SetFallback(
        "test", kUnaryMethod,
        MakeFallback<EchoRequest, EchoReply>(std::move(answer)));
  }
};
INSTANTIATE_TEST_SUITE_P(Styles, FallbackTest, AllStyles(), StyleName);

TEST_P(FallbackTest, AnswersForAFailure) {
  EngineFixture f(kDriven);
  ASSERT_TRUE(
      SetFallback(&f, [](const EchoRequest& request,
                         const grpc::Status& failure, EchoReply* reply) {
        reply->set_text(request.text() + " instead of " +
                        failure.error_message());
        return grpc::Status::OK;
      }).ok());
  f.server().Script({Step::Fail(grpc::StatusCode::NOT_FOUND, "nothing")});
  UnaryCall call("default");
  Caller(GetParam(), f.channel()).Run(&call);
  EXPECT_TRUE(call.status.ok()) << call.status.error_message();
  EXPECT_EQ(call.reply.text(), "default instead of nothing");
  EXPECT_EQ(f.counts().fallbacks, 1);
}

TEST_P(FallbackTest, AnswersForARefusal) {
  EngineFixture f("breaker { consecutive_failures: 1 }");
  UnaryCall first;
  Caller(GetParam(), f.channel()).Run(&first);
  f.runtime()->breakers().front()->ForceOpen(absl::nullopt, engine::Now());
  ASSERT_TRUE(SetFallback(&f, [](const EchoRequest&, const grpc::Status&,
                                 EchoReply* reply) {
                reply->set_text("cached");
                return grpc::Status::OK;
              }).ok());
  UnaryCall call;
  Caller(GetParam(), f.channel()).Run(&call);
  EXPECT_TRUE(call.status.ok());
  EXPECT_EQ(call.reply.text(), "cached");
  EXPECT_EQ(f.server().calls(), 1);
}

TEST_P(FallbackTest, AFailingFallbackLeavesTheFailureAsItIs) {
  EngineFixture f(kDriven);
  ASSERT_TRUE(
      SetFallback(&f, [](const EchoRequest&, const grpc::Status&, EchoReply*) {
        return grpc::Status(grpc::StatusCode::ABORTED, "neither");
      }).ok());
  f.server().Script({Step::Fail(grpc::StatusCode::NOT_FOUND, "nothing")});
  UnaryCall call;
  Caller(GetParam(), f.channel()).Run(&call);
  EXPECT_EQ(call.status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(call.status.error_message(), "nothing");
  EXPECT_EQ(Trailing(call.context, "firebreak-reason"), "fallback_failed");
}

TEST_P(FallbackTest, OneThatNeverReturnsEndsAtTheDeadline) {
  EngineFixture f(kDriven);
  std::promise<void> may_end;
  auto ends = may_end.get_future().share();
  ASSERT_TRUE(SetFallback(&f, [ends](const EchoRequest&, const grpc::Status&,
                                     EchoReply*) {
                ends.wait();
                return grpc::Status::OK;
              }).ok());
  f.server().Script({Step::Fail(grpc::StatusCode::NOT_FOUND, "nothing")});
  UnaryCall call;
  call.context.set_deadline(std::chrono::system_clock::now() +
                            std::chrono::milliseconds(100));
  Caller(GetParam(), f.channel()).Run(&call);
  EXPECT_EQ(call.status.error_code(), grpc::StatusCode::NOT_FOUND);
  may_end.set_value();
}

TEST(FallbackSetTest, GarbageIsRefusedWithAReason) {
  auto engine = MakeEngine("");
  auto noop = [](const grpc::ByteBuffer&, const grpc::Status&,
                 grpc::ByteBuffer*) { return grpc::Status::OK; };
  for (const char* bad : {"", "/", "Unary", "/a", "//", "a/b"}) {
    EXPECT_EQ(engine->SetFallback("c", bad, noop).code(),
              absl::StatusCode::kInvalidArgument)
        << bad;
  }
  auto other = Engine::FromText("method { name { channel: \"a\" } }");
  ASSERT_TRUE(other.ok());
  EXPECT_EQ((*other)->SetFallback("b", "/p.S/M", noop).code(),
            absl::StatusCode::kNotFound);
}

// --- the engine's own input --------------------------------------------------

TEST(EngineTest, OptionsOutOfRangeAreAllNamed) {
  EngineOptions options;
  options.poller_threads = 0;
  options.callback_queue = 0;
  auto engine = Engine::FromText("method { name {} }", options);
  ASSERT_FALSE(engine.ok());
  EXPECT_EQ(engine.status().code(), absl::StatusCode::kInvalidArgument);
  for (const char* field : {"poller_threads", "callback_queue", "[1, 64]"}) {
    EXPECT_NE(engine.status().message().find(field), absl::string_view::npos)
        << engine.status();
  }
}

TEST(EngineTest, PastTheCapMethodsShareAnEntryThatOnlyCounts) {
  EngineOptions options;
  options.max_methods = 2;
  auto engine = Engine::FromText(
      "method { name {} breaker { consecutive_failures: 1 } }", options);
  ASSERT_TRUE(engine.ok());
  auto channel = (*engine)->core()->BindChannel("c", {"t"});
  for (int i = 0; i < 100; ++i) {
    auto method = channel->Find("/p.S/M" + std::to_string(i));
    ASSERT_NE(method, nullptr);
    EXPECT_EQ(method->runtime->method == "other", i >= 2);
  }
  EXPECT_EQ((*engine)->core()->Methods().size(), 3U);
  const auto page = (*engine)->core()->events().Since(0, 100);
  ASSERT_EQ(page.events.size(), 1U) << "one warning";
  EXPECT_EQ(page.events[0].kind, core::Event::Kind::kWarning);
}

TEST(EngineTest, FromProtoIsTheSameLanguage) {
  v1::PolicySet policy;
  policy.add_method()->add_name();
  EXPECT_TRUE(Engine::FromProto(policy).ok());
  policy.add_method()->mutable_retry()->set_max_attempts(99);
  EXPECT_FALSE(Engine::FromProto(policy).ok());
}

}  // namespace
}  // namespace firebreak::testing
