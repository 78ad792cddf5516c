// The messages of a health check: interceptors of the application can read
// them, and any kind of answer is handled.
#include "src/engine/io/health_message.h"

#include <google/protobuf/message.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/client_interceptor.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "src/core/base/rng.h"
#include "tests/support/engine_fixture.h"
#include "tests/support/health_service.h"
#include "tests/support/stub_styles.h"

namespace firebreak::testing {
namespace {

TEST(HealthMessageTest, IsAsProtobufWritesIt) {
  const auto bytes = [](const std::string& service) {
    return engine::HealthRequest(service).fields.SerializeAsString();
  };
  EXPECT_EQ(bytes(""), "");
  EXPECT_EQ(bytes("a.b"),
            "\x0a\x03"
            "a.b");
  EXPECT_EQ(bytes(std::string(200, 'x')),
            "\x0a\xc8\x01" + std::string(200, 'x'));
}

TEST(HealthMessageTest, AnyAnswerIsWorthSomething) {
  using core::TargetHealth;
  const auto read = [](const std::string& bytes,
                       grpc::StatusCode code = grpc::StatusCode::OK) {
    grpc::Slice slice(bytes);
    engine::HealthMessage reply;
    const bool is_one = engine::FromBytes(grpc::ByteBuffer(&slice, 1), &reply);
    return engine::ReadHealth({code, ""}, is_one ? &reply : nullptr);
  };
  EXPECT_EQ(read(kServing).health, TargetHealth::kServing);
  EXPECT_EQ(read(kNotServing).health, TargetHealth::kNotServing);
  EXPECT_EQ(read(kServiceUnknown).health, TargetHealth::kNoWord);
  EXPECT_EQ(read("").text, "UNKNOWN");
  EXPECT_EQ(read("\x08\x07").text, "status 7");
  EXPECT_EQ(read("\x08\x02\x08\x01").text, "SERVING") << "the last one counts";
  EXPECT_EQ(read("\x12\x01z\x08\x01").text, "SERVING") << "another field";
  for (const char* bytes : {"\x08", "\x0a\x01z", "\xff", "\x0a\x7f"}) {
    EXPECT_EQ(read(bytes).text, "an answer that cannot be read");
    EXPECT_EQ(read(bytes).health, TargetHealth::kNoWord);
  }
  engine::HealthMessage none;
  EXPECT_TRUE(engine::FromBytes(grpc::ByteBuffer(), &none));
  EXPECT_EQ(engine::ReadHealth(grpc::Status::OK, &none).text, "UNKNOWN");
  using grpc::StatusCode;
  for (const StatusCode code :
       {StatusCode::UNAVAILABLE, StatusCode::DEADLINE_EXCEEDED,
        StatusCode::RESOURCE_EXHAUSTED}) {
    EXPECT_EQ(read(kServing, code).health, TargetHealth::kNotServing);
  }
  for (const StatusCode code :
       {StatusCode::UNIMPLEMENTED, StatusCode::NOT_FOUND,
        StatusCode::PERMISSION_DENIED, StatusCode::UNAUTHENTICATED,
        StatusCode::INTERNAL, StatusCode::UNKNOWN}) {
    EXPECT_EQ(read(kServing, code).health, TargetHealth::kNoWord);
  }
  EXPECT_EQ(read("", StatusCode::UNIMPLEMENTED).text, "UNIMPLEMENTED");
  EXPECT_EQ(read("", StatusCode::CANCELLED).health, TargetHealth::kNotServing);
  EXPECT_EQ(read("", StatusCode::CANCELLED).text,
            "CANCELLED, as a server does that ends");
  core::Rng rng(7);
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes;
    const auto size = static_cast<int>(rng.Uniform(0, 12));
    for (int k = 0; k < size; ++k) {
      bytes += static_cast<char>(static_cast<int>(rng.Uniform(0, 256)));
    }
    EXPECT_FALSE(read(bytes).text.empty());
  }
}

// An application's interceptor that casts each message to the type that its
// channel's messages have, without checking the method.
class Reads final : public grpc::experimental::Interceptor {
 public:
  using Look = std::function<void(const char* method, const void* message)>;
  Reads(grpc::experimental::ClientRpcInfo* info, Look look)
      : info_(info), look_(std::move(look)) {}

  void Intercept(grpc::experimental::InterceptorBatchMethods* m) override {
    using Hook = grpc::experimental::InterceptionHookPoints;
    if (m->QueryInterceptionHookPoint(Hook::POST_RECV_MESSAGE) &&
        m->GetRecvMessage() != nullptr) {
      look_(info_->method(), m->GetRecvMessage());
    }
    m->Proceed();
  }

 private:
  grpc::experimental::ClientRpcInfo* const info_;
  const Look look_;
};

class ReadsFactory final
    : public grpc::experimental::ClientInterceptorFactoryInterface {
 public:
  explicit ReadsFactory(Reads::Look look) : look_(std::move(look)) {}
  grpc::experimental::Interceptor* CreateClientInterceptor(
      grpc::experimental::ClientRpcInfo* info) override {
    return new Reads(info, look_);
  }

 private:
  const Reads::Look look_;
};

class HealthMessageSeenTest : public ::testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Codecs, HealthMessageSeenTest,
                         ::testing::Values(false, true), [](const auto& each) {
                           return each.param ? "Bytes" : "Messages";
                         });

TEST_P(HealthMessageSeenTest, IsOfTheKindOfTheChannel) {
  const bool is_generic = GetParam();
  std::atomic<int> healthy{0};
  std::atomic<int> others{0};
  const auto look = [&](const char* method, const void* message) {
    // The string from which the name was set no longer exists.
    EXPECT_STREQ(method, "/grpc.health.v1.Health/Check");
    std::string bytes;
    if (is_generic) {
      grpc::Slice slice;
      static_cast<const grpc::ByteBuffer*>(message)
          ->DumpToSingleSlice(&slice)
          .IgnoreError();
      bytes.assign(reinterpret_cast<const char*>(slice.begin()), slice.size());
    } else {
      bytes = static_cast<const google::protobuf::Message*>(message)
                  ->SerializeAsString();
    }
    ++(bytes == kServing ? healthy : others);
  };
  HealthService health;
  const std::string missing = "/shop.v1.Shop/None";
  EchoServer server("127.0.0.1:0", grpc::InsecureServerCredentials(), &health);
  auto engine = MakeEngine(
      "breaker { consecutive_failures: 1 probe_interval: \"20ms\" "
      "probe { health_check: \"\" } }");
  ChannelOptions options;
  options.interceptors.push_back(std::make_shared<ReadsFactory>(look));
  const auto channel =
      is_generic ? engine->CreateGenericChannel(
                       "test", server.address(),
                       grpc::InsecureChannelCredentials(), std::move(options))
                 : engine->CreateChannel("test", server.address(),
                                         grpc::InsecureChannelCredentials(),
                                         std::move(options));
  // A generic call to the method `missing` fails with UNAVAILABLE.
  const auto call = [&] {
    grpc::ClientContext context;
    grpc::CompletionQueue queue;
    grpc::Status status;
    void* tag = nullptr;
    bool ok = false;
    if (is_generic) {
      grpc::GenericStub stub(channel);
      grpc::ByteBuffer reply;
      auto reader =
          stub.PrepareUnaryCall(&context, missing, grpc::ByteBuffer(), &queue);
      reader->StartCall();
      reader->Finish(&reply, &status, nullptr);
      queue.Next(&tag, &ok);
    } else {
      UnaryCall unary;
      server.Script({Step::Fail(grpc::StatusCode::UNAVAILABLE)});
      Caller(StubStyle::kSync, channel).Run(&unary);
    }
    queue.Shutdown();
    while (queue.Next(&tag, &ok)) {
    }
  };
  EXPECT_TRUE(Eventually([&] {
    call();
    return healthy >= 1;
  }));
  EXPECT_GE(health.asked(), 1);
  EXPECT_EQ(engine->core()->Methods().size(), 1u);
  EXPECT_EQ(others, 0);
}

}  // namespace
}  // namespace firebreak::testing
