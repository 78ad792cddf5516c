// The effects of the origin of a status: a failure that this process caused is
// not counted against the server, and a call that a server may have seen is not
// sent twice.
#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/engine_fixture.h"
#include "tests/support/grpc_texts.h"
#include "tests/support/stub_styles.h"

namespace firebreak::testing {
namespace {

using core::Attribution;
using grpc::StatusCode;

// The message that a middle tier gets from its own gRPC, and passes on.
constexpr char kNoConnection[] =
    "failed to connect to all addresses; last error: UNKNOWN: "
    "ipv4:10.0.0.7:443: Failed to connect to remote host: Connection refused";
constexpr char kRetries[] =
    "retry { max_attempts: 5 backoff { initial: \"1ms\" } "
    "codes: [UNAVAILABLE, RESOURCE_EXHAUSTED, UNAUTHENTICATED] } ";

class OriginEffectsTest : public ::testing::TestWithParam<StubStyle> {
 protected:
  static int64_t Ended(EngineFixture* f, Attribution attribution) {
    return f->counts().attributions[static_cast<size_t>(attribution)];
  }
  // Makes a call with credentials, which an insecure channel refuses.
  static void RunUnauthenticated(const Caller& caller) {
    UnaryCall call;
    call.context.set_credentials(grpc::AccessTokenCredentials("token"));
    caller.Run(&call);
    EXPECT_EQ(call.status.error_code(), StatusCode::UNAUTHENTICATED);
  }
};
INSTANTIATE_TEST_SUITE_P(Styles, OriginEffectsTest, AllStyles(), StyleName);

class NoToken final : public grpc::MetadataCredentialsPlugin {
  grpc::Status GetMetadata(
      grpc::string_ref /*service_url*/, grpc::string_ref /*method_name*/,
      const grpc::AuthContext& /*auth*/,
      std::multimap<grpc::string, grpc::string>* /*metadata*/) override {
    return {StatusCode::UNAVAILABLE, "no token"};
  }
};

TEST_P(OriginEffectsTest, MessagesOverOurLimitsThrottleNobody) {
  for (const std::string retry : {"", kRetries}) {
    for (const bool is_reply : {false, true}) {
      EngineFixture f(retry + "throttle {}");
      ChannelOptions options;
      if (is_reply) {
        options.args.SetMaxReceiveMessageSize(50);
      } else {
        options.args.SetMaxSendMessageSize(50);
      }
      const Caller caller(GetParam(), f.NewChannel(std::move(options)));
      for (int i = 0; i < 14; ++i) {
        UnaryCall call(std::string(100, 'a'));
        caller.Run(&call);
        EXPECT_EQ(call.status.error_code(), StatusCode::RESOURCE_EXHAUSTED);
        EXPECT_EQ(Trailing(call.context, "firebreak-reason"), "");
      }
      EXPECT_EQ(f.server().calls(), is_reply ? 14 : 0) << "not sent again";
      EXPECT_EQ(Ended(&f, Attribution::kLocalError), 14);
      for (int i = 0; i < 200; ++i) {
        UnaryCall healthy;
        caller.Run(&healthy);
        ASSERT_TRUE(healthy.status.ok()) << healthy.status.error_message();
      }
    }
  }
}

TEST_P(OriginEffectsTest, MetadataOverOurLimitThrottlesNobody) {
  EngineFixture f("throttle {}");
  const Caller caller(GetParam(), f.channel());
  Step much;
  much.trailing.emplace("k", std::string(kOverMetadataLimit, 'x'));
  f.server().Script("much", std::vector<Step>(14, much));
  for (int i = 0; i < 14; ++i) {
    UnaryCall call("much");
    caller.Run(&call);
    EXPECT_EQ(call.status.error_code(), StatusCode::RESOURCE_EXHAUSTED)
        << call.status.error_message();
  }
  EXPECT_EQ(Ended(&f, Attribution::kOverload), 0);
  // In gRPC 1.51 such a call may also end another call on its connection.
  for (int i = 0; i < 200; ++i) {
    UnaryCall other;
    caller.Run(&other);
    ASSERT_EQ(Trailing(other.context, "firebreak-reason"), "");
  }
}

TEST_P(OriginEffectsTest, CredentialsThatFailOpenNoBreaker) {
  for (const std::string retry : {"", kRetries}) {
    // gRPC reports less on a channel to an address.
    for (const std::string scheme : {"", "ipv4:"}) {
      EngineFixture f(retry + "breaker { consecutive_failures: 2 }");
      const Caller caller(GetParam(), f.engine()->CreateChannel(
                                          "test", scheme + f.server().address(),
                                          grpc::InsecureChannelCredentials()));
      for (int i = 0; i < 5; ++i) {
        UnaryCall call;
        call.context.set_credentials(
            grpc::experimental::MetadataCredentialsFromPlugin(
                std::make_unique<NoToken>(), GRPC_SECURITY_NONE));
        caller.Run(&call);
        EXPECT_EQ(call.status.error_code(), StatusCode::UNAVAILABLE);
      }
      EXPECT_EQ(f.breaker().state, core::BreakerState::kClosed);
      EXPECT_EQ(Ended(&f, Attribution::kLocalError), 5) << "not tried again";
      UnaryCall healthy;
      caller.Run(&healthy);
      EXPECT_TRUE(healthy.status.ok()) << healthy.status.error_message();
    }
  }
}

TEST_P(OriginEffectsTest, CredentialsThatFailCloseNoBreakerEither) {
  for (const std::string retry : {"", kRetries}) {
    EngineFixture f(retry +
                    "breaker { consecutive_failures: 2 probes: 1 "
                    "open_duration: \"50ms\" open_jitter: 0 }");
    const Caller caller(GetParam(), f.channel());
    f.server().Script(
        {Step::Fail(StatusCode::INTERNAL), Step::Fail(StatusCode::INTERNAL)});
    for (int i = 0; i < 2; ++i) {
      UnaryCall call;
      caller.Run(&call);
    }
    ASSERT_EQ(f.breaker().state, core::BreakerState::kOpen);
    ASSERT_TRUE(
        Eventually([&] { return engine::Now() >= *f.breaker().probe_due; }));
    for (int i = 0; i < 3; ++i) {
      RunUnauthenticated(caller);
      EXPECT_EQ(f.breaker().state, core::BreakerState::kHalfOpen);
      EXPECT_EQ(f.breaker().probes_in_flight, 0);
    }
    EXPECT_EQ(f.server().calls(), 2);
    UnaryCall probe;
    caller.Run(&probe);
    EXPECT_TRUE(probe.status.ok());
    EXPECT_EQ(f.breaker().state, core::BreakerState::kClosed);
  }
}

TEST_P(OriginEffectsTest, AServerThatHandsOnNoConnectionIsNotRunTwice) {
  EngineFixture f(std::string(kRetries) + "idempotent: false");
  std::vector<Step> script(5,
                           Step::Fail(StatusCode::UNAVAILABLE, kNoConnection));
  f.server().Script(script);
  UnaryCall call;
  Caller(GetParam(), f.channel()).Run(&call);
  EXPECT_EQ(call.status.error_code(), StatusCode::UNAVAILABLE);
  EXPECT_EQ(call.status.error_message(), kNoConnection);
  EXPECT_EQ(Trailing(call.context, "firebreak-reason"), "not_idempotent");
  EXPECT_EQ(f.server().calls(), 1);
  // It counts as a failure of the server, and not of the connection.
  EXPECT_EQ(Ended(&f, Attribution::kServerFailure), 1);
}

TEST_P(OriginEffectsTest, AnAddressForATargetDoesNotChangeThat) {
  EngineFixture f(std::string(kRetries) + "idempotent: false");
  std::vector<Step> script(5,
                           Step::Fail(StatusCode::UNAVAILABLE, kNoConnection));
  f.server().Script(script);
  auto channel =
      f.engine()->CreateChannel("test", "ipv4:" + f.server().address(),
                                grpc::InsecureChannelCredentials());
  UnaryCall call;
  Caller(GetParam(), channel).Run(&call);
  EXPECT_EQ(call.status.error_code(), StatusCode::UNAVAILABLE);
  EXPECT_EQ(f.server().calls(), 1);
}

TEST_P(OriginEffectsTest, WithoutAConnectionItIsSentAgainWhateverItMayDo) {
  EngineFixture f(std::string(kRetries) + "idempotent: false");
  f.server().Stop();
  UnaryCall call;
  Caller(GetParam(), f.channel()).Run(&call);
  EXPECT_EQ(call.status.error_code(), StatusCode::UNAVAILABLE);
  EXPECT_EQ(f.counts().attempts_of(core::AttemptKind::kRetry), 4);
  EXPECT_EQ(Ended(&f, Attribution::kTransportFailure), 5);
}

// A middle tier, whose calls depend on the calls that it serves.
class MiddleTierTest : public OriginEffectsTest {
 protected:
  // Calls `f` from a handler of `front`, and returns the inner call's status.
  static grpc::Status CallThrough(EngineFixture* f, EchoServer* front,
                                  UnaryCall* outer) {
    grpc::Status inner;
    front->SetHandler([&](grpc::ServerContextBase* server_context) {
      auto context = grpc::ClientContext::FromServerContext(
          *static_cast<grpc::ServerContext*>(server_context));
      inner = Run(f->channel(), context.get());
    });
    Caller(GetParam(), grpc::CreateChannel(front->address(),
                                           grpc::InsecureChannelCredentials()))
        .Run(outer);
    front->Stop();
    return inner;
  }

 private:
  // Does the same as Caller, with a given context.
  static grpc::Status Run(const std::shared_ptr<grpc::Channel>& channel,
                          grpc::ClientContext* context) {
    const auto stub = Echo::NewStub(channel);
    const EchoRequest request;
    EchoReply reply;
    grpc::Status status;
    if (GetParam() == StubStyle::kSync) {
      return stub->Unary(context, request, &reply);
    }
    if (GetParam() == StubStyle::kCallback) {
      std::promise<grpc::Status> done;
      stub->async()->Unary(context, &request, &reply, [&](grpc::Status ended) {
        done.set_value(std::move(ended));
      });
      return done.get_future().get();
    }
    grpc::CompletionQueue cq;
    const auto reader = stub->AsyncUnary(context, request, &cq);
    reader->Finish(&reply, &status, nullptr);
    void* tag = nullptr;
    bool ok = false;
    cq.Next(&tag, &ok);
    return status;
  }
};
INSTANTIATE_TEST_SUITE_P(Styles, MiddleTierTest, AllStyles(), StyleName);

TEST_P(MiddleTierTest, ACancelOfTheServerIsRetriedWhereListed) {
  for (const std::string message : {"", "draining", "CANCELLED"}) {
    // This is gRPC's own message. If the debug string does not show the origin
    // either, the cancel is taken for the parent's.
    if (message == "CANCELLED" && !kDebugTellsOrigin) continue;
    EngineFixture f(
        "retry { max_attempts: 3 backoff { initial: \"1ms\" } "
        "codes: [UNAVAILABLE, CANCELLED] } breaker {}");
    EchoServer front;
    f.server().Script({Step::Fail(StatusCode::CANCELLED, message)});
    UnaryCall outer;
    const grpc::Status inner = CallThrough(&f, &front, &outer);
    EXPECT_TRUE(inner.ok()) << inner.error_message();
    EXPECT_EQ(f.server().calls(), 2);
    EXPECT_EQ(Ended(&f, Attribution::kServerFailure), 1);
    EXPECT_EQ(f.counts().end(core::CallEnd::kSuccess), 1);
  }
}

TEST_P(MiddleTierTest, ACancelOfTheServerIsItsFailure) {
  EngineFixture f("breaker { consecutive_failures: 1 }");
  EchoServer front;
  f.server().Script({Step::Fail(StatusCode::CANCELLED, "draining")});
  UnaryCall outer;
  EXPECT_EQ(CallThrough(&f, &front, &outer).error_code(),
            StatusCode::CANCELLED);
  EXPECT_EQ(Ended(&f, Attribution::kServerFailure), 1);
  EXPECT_EQ(Ended(&f, Attribution::kCancelledByCaller), 0);
  EXPECT_EQ(f.breaker().state, core::BreakerState::kOpen);
}

TEST_P(MiddleTierTest, ACancelOfTheParentIsNobodysFailure) {
  for (const std::string retry :
       {"", "retry { max_attempts: 3 codes: [CANCELLED] } "}) {
    EngineFixture f(retry + "breaker { consecutive_failures: 1 }");
    EchoServer front;
    f.server().Script({Step::Hang()});
    UnaryCall outer;
    std::thread canceller([&] {
      EXPECT_TRUE(f.server().WaitForCalls(1));
      outer.context.TryCancel();
    });
    const grpc::Status inner = CallThrough(&f, &front, &outer);
    canceller.join();
    EXPECT_EQ(inner.error_code(), StatusCode::CANCELLED);
    EXPECT_EQ(f.server().calls(), 1);
    EXPECT_EQ(Ended(&f, Attribution::kCancelledByCaller), 1);
    EXPECT_EQ(f.breaker().state, core::BreakerState::kClosed);
  }
}

}  // namespace
}  // namespace firebreak::testing
