// Everything that a caller sets in its context reaches the server with every
// attempt.
#include <gtest/gtest.h>

#include "tests/support/engine_fixture.h"
#include "tests/support/stub_styles.h"

namespace firebreak::testing {
namespace {

constexpr char kQuickRetry[] =
    "retry { max_attempts: 3 backoff { initial: \"1ms\" max: \"1ms\" } }";

class CarriedTest : public ::testing::TestWithParam<StubStyle> {
 protected:
  // Fails once, so that two attempts are seen.
  void RunTwoAttempts(EngineFixture* f, UnaryCall* call) {
    f->server().Script({Step::Fail(grpc::StatusCode::UNAVAILABLE)});
    Caller(GetParam(), f->channel()).Run(call);
    EXPECT_TRUE(call->status.ok()) << call->status.error_message();
    seen_ = f->server().seen();
    ASSERT_EQ(seen_.size(), 2U);
  }

  std::vector<SeenCall> seen_;
};
INSTANTIATE_TEST_SUITE_P(Styles, CarriedTest, AllStyles(), StyleName);

TEST_P(CarriedTest, Metadata) {
  EngineFixture f(kQuickRetry);
  UnaryCall call;
  call.context.AddMetadata("x-tenant", "blue");
  call.context.AddMetadata("x-tenant", "green");
  call.context.AddMetadata("x-trace-bin", std::string("\0\1\2", 3));
  RunTwoAttempts(&f, &call);
  for (const SeenCall& seen : seen_) {
    EXPECT_EQ(seen.metadata.count("x-tenant"), 2U);
    ASSERT_EQ(seen.metadata.count("x-trace-bin"), 1U);
    EXPECT_EQ(seen.metadata.find("x-trace-bin")->second,
              std::string("\0\1\2", 3));
  }
}

TEST_P(CarriedTest, Deadline) {
  EngineFixture f(kQuickRetry);
  UnaryCall call;
  const auto deadline =
      std::chrono::system_clock::now() + std::chrono::minutes(10);
  call.context.set_deadline(deadline);
  RunTwoAttempts(&f, &call);
  for (const SeenCall& seen : seen_) {
    // The remaining time is sent, and gRPC rounds it.
    EXPECT_LT(seen.deadline, deadline + std::chrono::seconds(10));
    EXPECT_GT(seen.deadline, deadline - std::chrono::minutes(1));
  }
}

TEST_P(CarriedTest, NoDeadlineStaysNone) {
  EngineFixture f(kQuickRetry);
  UnaryCall call;
  RunTwoAttempts(&f, &call);
  for (const SeenCall& seen : seen_) {
    EXPECT_GT(seen.deadline,
              std::chrono::system_clock::now() + std::chrono::hours(24 * 365));
  }
}

TEST_P(CarriedTest, Authority) {
  EngineFixture f(kQuickRetry);
  UnaryCall call;
  call.context.set_authority("payment.example");
  RunTwoAttempts(&f, &call);
  for (const SeenCall& seen : seen_) {
    EXPECT_EQ(seen.authority, "payment.example");
  }
}

TEST_P(CarriedTest, Compression) {
  EngineFixture f(kQuickRetry);
  UnaryCall call(std::string(10'000, 'a'));
  call.context.set_compression_algorithm(GRPC_COMPRESS_GZIP);
  RunTwoAttempts(&f, &call);
  EXPECT_EQ(call.reply.text(), std::string(10'000, 'a'));
  // If it were also copied as metadata, it would be sent twice.
  EXPECT_EQ(call.context.compression_algorithm(), GRPC_COMPRESS_GZIP);
}

TEST_P(CarriedTest, WaitForReady) {
  // There is no server yet. Fail-fast attempts would use up their retries at
  // once. Attempts that wait find the server that starts later.
  auto engine = MakeEngine(kQuickRetry);
  std::string address;
  { address = EchoServer().address(); }
  auto channel = engine->CreateChannel("test", address,
                                       grpc::InsecureChannelCredentials());
  std::thread starts_late([&] {
    // Waits until the channel has tried to connect and failed.
    ASSERT_TRUE(Eventually([&] {
      return channel->GetState(true) == GRPC_CHANNEL_TRANSIENT_FAILURE;
    }));
  });
  UnaryCall call("late");
  call.context.set_wait_for_ready(true);
  std::unique_ptr<EchoServer> server;
  std::thread runs([&] { Caller(GetParam(), channel).Run(&call); });
  starts_late.join();
  server = std::make_unique<EchoServer>(address);
  runs.join();
  EXPECT_TRUE(call.status.ok()) << call.status.error_message();
  EXPECT_EQ(server->calls(), 1);
}

class HeaderPlugin final : public grpc::MetadataCredentialsPlugin {
 public:
  grpc::Status GetMetadata(
      grpc::string_ref, grpc::string_ref, const grpc::AuthContext&,
      std::multimap<grpc::string, grpc::string>* metadata) override {
    metadata->emplace("x-token", "secret");
    return grpc::Status::OK;
  }
};

TEST(CarriedCredentialsTest, CallCredentialsAreAskedForEachAttempt) {
  // Call credentials need a secure channel: local credentials are one.
  for (StubStyle style :
       {StubStyle::kSync, StubStyle::kCallback, StubStyle::kCompletionQueue}) {
    EchoServer server("127.0.0.1:0",
                      grpc::experimental::LocalServerCredentials(LOCAL_TCP));
    server.Script({Step::Fail(grpc::StatusCode::UNAVAILABLE)});
    auto engine = MakeEngine(kQuickRetry);
    auto channel =
        engine->CreateChannel("test", server.address(),
                              grpc::experimental::LocalCredentials(LOCAL_TCP));
    UnaryCall call;
    call.context.set_credentials(
        grpc::experimental::MetadataCredentialsFromPlugin(
            std::make_unique<HeaderPlugin>(), GRPC_SECURITY_NONE));
    Caller(style, channel).Run(&call);
    EXPECT_TRUE(call.status.ok()) << call.status.error_message();
    const auto seen = server.seen();
    ASSERT_EQ(seen.size(), 2U);
    for (const SeenCall& each : seen) {
      EXPECT_EQ(each.metadata.count("x-token"), 1U);
    }
  }
}

TEST_P(CarriedTest, TheParentCallsDeadline) {
  // A context made from a server's context does not show its deadline, so the
  // attempts must be children of the same server call.
  EngineFixture f(kQuickRetry);
  EchoServer front;
  const auto deadline =
      std::chrono::system_clock::now() + std::chrono::minutes(10);
  front.SetHandler([&](grpc::ServerContextBase* server_context) {
    UnaryCall call("through");
    auto context = grpc::ClientContext::FromServerContext(
        *static_cast<grpc::ServerContext*>(server_context));
    // Only the synchronous style easily accepts such a context. The result does
    // not depend on the style.
    call.status = Echo::NewStub(f.channel())
                      ->Unary(context.get(), call.request, &call.reply);
    EXPECT_TRUE(call.status.ok()) << call.status.error_message();
  });
  f.server().Script({Step::Fail(grpc::StatusCode::UNAVAILABLE)});
  UnaryCall outer;
  outer.context.set_deadline(deadline);
  Caller(GetParam(), grpc::CreateChannel(front.address(),
                                         grpc::InsecureChannelCredentials()))
      .Run(&outer);
  EXPECT_TRUE(outer.status.ok());
  const auto seen = f.server().seen();
  ASSERT_EQ(seen.size(), 2U);
  for (const SeenCall& each : seen) {
    EXPECT_LT(each.deadline, deadline + std::chrono::seconds(10));
  }
}

TEST_P(CarriedTest, TheParentCallsCancellation) {
  EngineFixture f(kQuickRetry);
  EchoServer front;
  f.server().Script({Step::Hang()});
  grpc::Status inner;
  front.SetHandler([&](grpc::ServerContextBase* server_context) {
    auto context = grpc::ClientContext::FromServerContext(
        *static_cast<grpc::ServerContext*>(server_context));
    EchoRequest request;
    EchoReply reply;
    inner = Echo::NewStub(f.channel())->Unary(context.get(), request, &reply);
  });
  UnaryCall outer;
  std::thread canceller([&] {
    EXPECT_TRUE(f.server().WaitForCalls(1));
    outer.context.TryCancel();
  });
  Caller(GetParam(), grpc::CreateChannel(front.address(),
                                         grpc::InsecureChannelCredentials()))
      .Run(&outer);
  canceller.join();
  EXPECT_EQ(outer.status.error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_TRUE(f.server().WaitForCancelled(1));
  front.Stop();
  EXPECT_EQ(inner.error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_EQ(f.counts().end(core::CallEnd::kCancelled), 1);
}

}  // namespace
}  // namespace firebreak::testing
