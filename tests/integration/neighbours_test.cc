// Other interceptors on the same channel, and firebreak twice on one channel.
// Each test has a trap of the interceptor API. Natively, some of them recurse
// for ever or crash.
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>

#include "tests/support/engine_fixture.h"
#include "tests/support/stub_styles.h"

namespace firebreak::testing {
namespace {

using grpc::experimental::ClientInterceptorFactoryInterface;
using grpc::experimental::ClientRpcInfo;
using grpc::experimental::InterceptionHookPoints;
using grpc::experimental::InterceptorBatchMethods;
using Factories =
    std::vector<std::unique_ptr<ClientInterceptorFactoryInterface>>;

constexpr char kQuickRetry[] =
    "retry { max_attempts: 3 backoff { initial: \"1ms\" max: \"1ms\" } }";

// Makes a factory from a function, so that each test's trap is in one place.
class FactoryOf final : public ClientInterceptorFactoryInterface {
 public:
  using Make =
      std::function<grpc::experimental::Interceptor*(ClientRpcInfo* info)>;
  explicit FactoryOf(Make make) : make_(std::move(make)) {}
  grpc::experimental::Interceptor* CreateClientInterceptor(
      ClientRpcInfo* info) override {
    return make_(info);
  }

 private:
  const Make make_;
};

std::unique_ptr<ClientInterceptorFactoryInterface> MakeFactory(
    FactoryOf::Make make) {
  return std::make_unique<FactoryOf>(std::move(make));
}

std::shared_ptr<grpc::Channel> MakeChannel(const std::string& target,
                                           Factories factories) {
  return grpc::experimental::CreateCustomChannelWithInterceptors(
      target, grpc::InsecureChannelCredentials(), grpc::ChannelArguments(),
      std::move(factories));
}

class NeighboursTest : public ::testing::TestWithParam<StubStyle> {
 protected:
  // The server fails twice and then answers, so there are three attempts.
  void ExpectThreeAttempts(EngineFixture* f,
                           const std::shared_ptr<grpc::Channel>& channel) {
    f->server().Script({Step::Fail(grpc::StatusCode::UNAVAILABLE),
                        Step::Fail(grpc::StatusCode::UNAVAILABLE), Step::Ok()});
    UnaryCall call("hello");
    Caller(GetParam(), channel).Run(&call);
    EXPECT_TRUE(call.status.ok()) << call.status.error_message();
    EXPECT_EQ(call.reply.text(), "hello");
    EXPECT_EQ(f->server().calls(), 3);
    EXPECT_EQ(f->counts().calls, 1) << "one logical call";
    EXPECT_EQ(f->counts().end(core::CallEnd::kSuccess), 1);
  }
};
INSTANTIATE_TEST_SUITE_P(Styles, NeighboursTest, AllStyles(), StyleName);

TEST_P(NeighboursTest, OursTwiceOnOneChannel) {
  EngineFixture f(kQuickRetry);
  Factories factories;
  factories.push_back(f.engine()->InterceptorFactory("test"));
  factories.push_back(f.engine()->InterceptorFactory("test"));
  ExpectThreeAttempts(&f,
                      MakeChannel(f.server().address(), std::move(factories)));
}

TEST_P(NeighboursTest, OursTwiceGuardedCountsOnce) {
  EngineFixture f(
      "breaker { consecutive_failures: 2 open_duration: \"1h\" "
      "max_open_duration: \"1h\" }");
  Factories factories;
  factories.push_back(f.engine()->InterceptorFactory("test"));
  factories.push_back(f.engine()->InterceptorFactory("test"));
  auto channel = MakeChannel(f.server().address(), std::move(factories));
  f.server().Script({Step::Fail(grpc::StatusCode::INTERNAL)});
  UnaryCall call;
  Caller(GetParam(), channel).Run(&call);
  EXPECT_EQ(f.counts().calls, 1);
  EXPECT_EQ(f.breaker().state, core::BreakerState::kClosed)
      << "one failure was counted twice";
}

TEST_P(NeighboursTest, TwoEnginesOnOneChannel) {
  EngineFixture f(kQuickRetry);
  auto other = MakeEngine(kQuickRetry);
  Factories factories;
  factories.push_back(f.engine()->InterceptorFactory("test"));
  factories.push_back(other->InterceptorFactory("test"));
  f.server().Script({Step::Fail(grpc::StatusCode::UNAVAILABLE)});
  UnaryCall call;
  Caller(GetParam(), MakeChannel(f.server().address(), std::move(factories)))
      .Run(&call);
  EXPECT_TRUE(call.status.ok()) << call.status.error_message();
}

TEST_P(NeighboursTest, ForeignFactoriesThatAnswerNullBeforeOurs) {
  // A missing interceptor shifts the positions of those after it, so the
  // attempts pass firebreak's own factory again.
  EngineFixture f(kQuickRetry);
  Factories factories;
  for (int i = 0; i < 2; ++i) {
    factories.push_back(MakeFactory([](ClientRpcInfo*) { return nullptr; }));
  }
  factories.push_back(f.engine()->InterceptorFactory("test"));
  ExpectThreeAttempts(&f,
                      MakeChannel(f.server().address(), std::move(factories)));
}

// Hijacks every call and makes it again behind itself, as a caching or tracing
// interceptor may do.
class Hijacker final : public grpc::experimental::Interceptor {
 public:
  Hijacker(ClientRpcInfo* info, std::atomic<int>* seen)
      : info_(info), seen_(seen) {
    ++*seen_;
  }

  void Intercept(InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(
            InterceptionHookPoints::PRE_SEND_INITIAL_METADATA)) {
      methods_ = methods;
      request_ = *methods->GetSerializedSendMessage();
      channel_ = methods->GetInterceptedChannel();
      method_ = info_->method();
      grpc::GenericStub(channel_).UnaryCall(&context_, method_, {}, &request_,
                                            &reply_,
                                            [this](grpc::Status status) {
                                              status_ = std::move(status);
                                              methods_->Hijack();
                                            });
      return;
    }
    if (methods->QueryInterceptionHookPoint(
            InterceptionHookPoints::PRE_RECV_MESSAGE)) {
      if (status_.ok()) {
        grpc::ProtoBufferReader reader(&reply_);
        EXPECT_TRUE(static_cast<google::protobuf::MessageLite*>(
                        methods->GetRecvMessage())
                        ->ParseFromZeroCopyStream(&reader));
      } else {
        methods->FailHijackedRecvMessage();
      }
    }
    if (methods->QueryInterceptionHookPoint(
            InterceptionHookPoints::PRE_RECV_STATUS)) {
      *methods->GetRecvStatus() = status_;
    }
    methods->Proceed();
  }

 private:
  ClientRpcInfo* const info_;
  std::atomic<int>* const seen_;
  InterceptorBatchMethods* methods_ = nullptr;
  std::shared_ptr<grpc::ChannelInterface> channel_;
  std::string method_;
  grpc::ClientContext context_;
  grpc::ByteBuffer request_;
  grpc::ByteBuffer reply_;
  grpc::Status status_;
};

// Tested only with styles whose call is a single batch, since this interceptor
// does not support more.
TEST(NeighboursHijackTest, AForeignHijackerBeforeOurs) {
  for (StubStyle style :
       {StubStyle::kSync, StubStyle::kCallback, StubStyle::kCompletionQueue}) {
    EngineFixture f(kQuickRetry);
    std::atomic<int> seen{0};
    Factories factories;
    factories.push_back(MakeFactory(
        [&](ClientRpcInfo* info) { return new Hijacker(info, &seen); }));
    // The call that it makes is a generic one, whose messages are ByteBuffers.
    factories.push_back(
        f.engine()->InterceptorFactory("test", "", Codec::kByteBuffer));
    auto channel = MakeChannel(f.server().address(), std::move(factories));
    f.server().Script({Step::Fail(grpc::StatusCode::UNAVAILABLE),
                       Step::Fail(grpc::StatusCode::UNAVAILABLE), Step::Ok()});
    UnaryCall call("hello");
    Caller(style, channel).Run(&call);
    EXPECT_TRUE(call.status.ok()) << call.status.error_message();
    EXPECT_EQ(call.reply.text(), "hello");
    EXPECT_EQ(f.server().calls(), 3);
    EXPECT_EQ(seen, 1) << "it sees the logical call, not our attempts";
    EXPECT_EQ(f.counts().calls, 1);
  }
}

// Reads messages as the stub's own types, which is only allowed before
// firebreak's interceptor.
class Logger final : public grpc::experimental::Interceptor {
 public:
  struct Log {
    std::mutex mu;
    std::vector<std::string> lines;
    void Add(std::string line) {
      std::lock_guard<std::mutex> lock(mu);
      lines.push_back(std::move(line));
    }
  };

  explicit Logger(Log* log) : log_(log) {}

  void Intercept(InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(
            InterceptionHookPoints::PRE_SEND_MESSAGE)) {
      const void* message = methods->GetSendMessage();
      log_->Add("send " +
                (message == nullptr
                     ? std::string("serialized")
                     : static_cast<const EchoRequest*>(message)->text()));
    }
    if (methods->QueryInterceptionHookPoint(
            InterceptionHookPoints::POST_RECV_MESSAGE)) {
      void* message = methods->GetRecvMessage();
      log_->Add("receive " +
                (message == nullptr
                     ? std::string("nothing")
                     : static_cast<EchoReply*>(
                           static_cast<google::protobuf::MessageLite*>(message))
                           ->text()));
    }
    if (methods->QueryInterceptionHookPoint(
            InterceptionHookPoints::POST_RECV_STATUS)) {
      log_->Add("status " +
                std::to_string(methods->GetRecvStatus()->error_code()));
    }
    methods->Proceed();
  }

 private:
  Log* const log_;
};

TEST_P(NeighboursTest, ALoggerBeforeOursThatCastsMessages) {
  EngineFixture f(kQuickRetry);
  Logger::Log log;
  ChannelOptions options;
  options.interceptors.push_back(
      MakeFactory([&](ClientRpcInfo*) { return new Logger(&log); }));
  ExpectThreeAttempts(&f, f.NewChannel(std::move(options)));
  const bool typed =
      GetParam() == StubStyle::kSync || GetParam() == StubStyle::kCallback;
  // If the caller's own call has failed, gRPC reports no message to the
  // interceptors, although the caller gets the message of a later attempt.
  EXPECT_EQ(log.lines, (std::vector<std::string>{
                           typed ? "send hello" : "send serialized",
                           GoesOutNatively(GetParam()) ? "receive nothing"
                                                       : "receive hello",
                           "status 0"}));
}

TEST_P(NeighboursTest, ALoggerBeforeOursSeesAFailureWithoutMessage) {
  EngineFixture f(kQuickRetry);
  Logger::Log log;
  ChannelOptions options;
  options.interceptors.push_back(
      MakeFactory([&](ClientRpcInfo*) { return new Logger(&log); }));
  f.server().Script({Step::Fail(grpc::StatusCode::NOT_FOUND)});
  UnaryCall call("hello");
  Caller(GetParam(), f.NewChannel(std::move(options))).Run(&call);
  EXPECT_EQ(call.status.error_code(), grpc::StatusCode::NOT_FOUND);
  ASSERT_EQ(log.lines.size(), 3U);
  EXPECT_EQ(log.lines[1], "receive nothing");
  EXPECT_EQ(log.lines[2], "status 5");
}

TEST_P(NeighboursTest, APassThroughAfterOursSeesEachAttempt) {
  EngineFixture f(kQuickRetry);
  std::atomic<int> seen{0};
  Factories factories;
  factories.push_back(f.engine()->InterceptorFactory("test"));
  factories.push_back(MakeFactory([&](ClientRpcInfo*) {
    ++seen;
    struct Pass final : grpc::experimental::Interceptor {
      void Intercept(InterceptorBatchMethods* m) override { m->Proceed(); }
    };
    return new Pass();
  }));
  ExpectThreeAttempts(&f,
                      MakeChannel(f.server().address(), std::move(factories)));
  // One is created for the caller's own call, which is the first attempt or is
  // never sent, and one for each attempt that firebreak makes.
  EXPECT_EQ(seen, GoesOutNatively(GetParam()) ? 1 + 2 : 1 + 3);
}

TEST(NeighboursGenericTest, GenericStubsOfAByteBufferChannel) {
  EngineFixture f(kQuickRetry);
  ChannelOptions options;
  options.codec = Codec::kByteBuffer;
  auto channel = f.NewChannel(std::move(options));
  f.server().Script({Step::Fail(grpc::StatusCode::UNAVAILABLE), Step::Ok()});
  EchoRequest request;
  request.set_text("generic");
  const std::string bytes = request.SerializeAsString();
  const grpc::Slice slice(bytes);
  grpc::ByteBuffer request_buffer(&slice, 1);
  grpc::ByteBuffer reply_buffer;
  grpc::ClientContext context;
  std::promise<grpc::Status> done;
  grpc::GenericStub stub(channel);
  stub.UnaryCall(&context, kUnaryMethod, {}, &request_buffer, &reply_buffer,
                 [&](grpc::Status status) { done.set_value(status); });
  EXPECT_TRUE(done.get_future().get().ok());
  EchoReply reply;
  grpc::ProtoBufferReader reader(&reply_buffer);
  ASSERT_TRUE(reply.ParseFromZeroCopyStream(&reader));
  EXPECT_EQ(reply.text(), "generic");
  EXPECT_EQ(f.server().calls(), 2);
}

}  // namespace
}  // namespace firebreak::testing
