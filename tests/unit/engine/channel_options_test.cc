// Channel options are values: they can be kept, changed and used again.
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <atomic>
#include <memory>
#include <utility>
#include <vector>

#include "firebreak/engine.h"
#include "gtest/gtest.h"

namespace firebreak {
namespace {

using grpc::experimental::ClientInterceptorFactoryInterface;

// Counts the calls that pass.
class CountingFactory final : public ClientInterceptorFactoryInterface {
 public:
  explicit CountingFactory(std::atomic<int>* calls) : calls_(calls) {}

  grpc::experimental::Interceptor* CreateClientInterceptor(
      grpc::experimental::ClientRpcInfo*) override {
    class Through final : public grpc::experimental::Interceptor {
      void Intercept(
          grpc::experimental::InterceptorBatchMethods* methods) override {
        methods->Proceed();
      }
    };
    ++*calls_;
    return new Through;
  }

 private:
  std::atomic<int>* const calls_;
};

class ChannelOptionsTest : public ::testing::Test {
 protected:
  ChannelOptionsTest() { options_.codec = Codec::kByteBuffer; }

  std::shared_ptr<grpc::Channel> NewChannel(const ChannelOptions& options) {
    return engine_->CreateChannel("c", "unix:/nonexistent.sock",
                                  grpc::InsecureChannelCredentials(), options);
  }

  static void Call(const std::shared_ptr<grpc::Channel>& channel) {
    grpc::GenericStub stub(channel);
    grpc::ClientContext context;
    const grpc::Slice empty;
    grpc::ByteBuffer request(&empty, 1);
    grpc::CompletionQueue queue;
    auto call = stub.PrepareUnaryCall(&context, "/p.S/M", request, &queue);
    call->StartCall();
    grpc::ByteBuffer reply;
    grpc::Status status;
    call->Finish(&reply, &status, nullptr);
    void* tag = nullptr;
    bool ok = false;
    ASSERT_TRUE(queue.Next(&tag, &ok));
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  }

  const std::shared_ptr<Engine> engine_ =
      *Engine::FromText("method { name {} breaker {} }");
  ChannelOptions options_;
  std::atomic<int> calls_{0};
};

TEST_F(ChannelOptionsTest, OneOptionsObjectMakesSeveralChannels) {
  options_.interceptors.push_back(std::make_unique<CountingFactory>(&calls_));
  const auto first = engine_->CreateChannel("c", "unix:/nonexistent.sock",
                                            grpc::InsecureChannelCredentials(),
                                            options_);  // an lvalue
  const auto second = NewChannel(options_);             // a const lvalue
  const auto third = engine_->CreateChannel("c", "unix:/nonexistent.sock",
                                            grpc::InsecureChannelCredentials(),
                                            std::move(options_));
  Call(first);
  Call(second);
  Call(third);
  EXPECT_EQ(calls_, 3) << "each channel has the interceptors of its options";
}

TEST_F(ChannelOptionsTest, InterceptorsOutliveTheOptions) {
  std::shared_ptr<grpc::Channel> channel;
  {
    ChannelOptions options = options_;
    options.interceptors.push_back(std::make_unique<CountingFactory>(&calls_));
    channel = NewChannel(options);
  }
  Call(channel);
  EXPECT_EQ(calls_, 1);
}

// Code that compiled when the factories were not shared still compiles.
TEST_F(ChannelOptionsTest, TakesAndGivesWhatGrpcTakes) {
  std::vector<std::unique_ptr<ClientInterceptorFactoryInterface>> own;
  own.push_back(std::make_unique<CountingFactory>(&calls_));
  options_.interceptors = std::move(own);
  options_.interceptors.emplace_back(new CountingFactory(&calls_));
  Call(grpc::experimental::CreateCustomChannelWithInterceptors(
      "unix:/nonexistent.sock", grpc::InsecureChannelCredentials(),
      options_.args, std::move(options_.interceptors)));
  EXPECT_EQ(calls_, 2);
}

}  // namespace
}  // namespace firebreak
