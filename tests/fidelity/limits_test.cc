// The limits of calls through firebreak: other interceptors that hold a lock
// during a call, and in-process servers.
#include <grpcpp/generic/async_generic_service.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "tests/fidelity/modes.h"
#include "tests/fidelity/recorder.h"

namespace firebreak::testing {
namespace {

// An interceptor that lets only one call at a time proceed.
class OneByOne final
    : public grpc::experimental::ClientInterceptorFactoryInterface {
 public:
  explicit OneByOne(std::mutex* mu) : mu_(mu) {}
  grpc::experimental::Interceptor* CreateClientInterceptor(
      grpc::experimental::ClientRpcInfo*) override {
    return new Holder(mu_);
  }

 private:
  class Holder final : public grpc::experimental::Interceptor {
   public:
    explicit Holder(std::mutex* mu) : mu_(mu) {}
    void Intercept(
        grpc::experimental::InterceptorBatchMethods* methods) override {
      if (!methods->QueryInterceptionHookPoint(
              grpc::experimental::InterceptionHookPoints::
                  PRE_SEND_INITIAL_METADATA)) {
        methods->Proceed();
        return;
      }
      std::lock_guard<std::mutex> lock(*mu_);
      methods->Proceed();
    }

   private:
    std::mutex* const mu_;
  };
  std::mutex* const mu_;
};

class ProceedTest : public ::testing::Test {
 protected:
  // Makes two synchronous calls, which the server does not answer before it has
  // both. Returns whether both have reached it.
  static bool Overlap(bool driven, bool on_calling_thread) {
    EngineOptions options;
    options.drive_on_calling_thread = on_calling_thread;
    auto engine = Engine::FromText(
        driven ? "method { name {} retry {} }" : "method { name {} }", options);
    EXPECT_TRUE(engine.ok());
    EchoServer server;
    server.Script({Step::Hang(), Step::Hang()});
    std::mutex mu;
    ChannelOptions channel_options;
    channel_options.interceptors.push_back(std::make_unique<OneByOne>(&mu));
    const auto channel = (*engine)->CreateChannel(
        "test", server.address(), grpc::InsecureChannelCredentials(),
        std::move(channel_options));
    const auto run = [&] {
      UnaryCall call("hello");
      Caller(StubStyle::kSync, channel).Run(&call);
      EXPECT_TRUE(call.status.ok()) << call.status.error_message();
    };
    std::thread first(run);
    EXPECT_TRUE(server.WaitForCalls(1));
    std::thread second(run);
    bool both = true;
    if (driven && on_calling_thread) {
      // The call that holds the lock keeps it until it is answered.
      both = mu.try_lock();
      if (both) mu.unlock();
    } else {
      both = server.WaitForCalls(2);
    }
    server.Release();
    first.join();
    second.join();
    return both;
  }
};

TEST_F(ProceedTest, ASynchronousDrivenCallRunsInsideIt) {
  EXPECT_TRUE(Overlap(/*driven=*/false, /*on_calling_thread=*/true));
  EXPECT_FALSE(Overlap(/*driven=*/true, /*on_calling_thread=*/true));
  EXPECT_TRUE(Overlap(/*driven=*/true, /*on_calling_thread=*/false));
}

// A server that counts its calls, and the calls that ended before they began.
class InProcessTest : public ::testing::Test {
 protected:
  class Service final : public grpc::CallbackGenericService {
   public:
    grpc::ServerGenericBidiReactor* CreateReactor(
        grpc::GenericCallbackServerContext* context) override {
      ++(context->method() == "/" ? unnamed : named);
      return new Reactor();
    }
    std::atomic<int> named{0};
    std::atomic<int> unnamed{0};

   private:
    class Reactor final : public grpc::ServerGenericBidiReactor {
     public:
      Reactor() { StartRead(&bytes_); }
      void OnReadDone(bool ok) override {
        if (ok) {
          StartWriteAndFinish(&bytes_, {}, grpc::Status::OK);
        } else {
          Finish(grpc::Status::CANCELLED);
        }
      }
      void OnDone() override { delete this; }

     private:
      grpc::ByteBuffer bytes_;
    };
  };

  InProcessTest() {
    grpc::ServerBuilder builder;
    builder.RegisterCallbackGenericService(&service_);
    server_ = builder.BuildAndStart();
  }
  ~InProcessTest() override {
    server_->Shutdown(std::chrono::system_clock::now());
  }

  void Run(StubStyle style, const std::string& policy) {
    const auto engine = MakeEngine(policy);
    std::vector<
        std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface>>
        factories;
    factories.push_back(engine->InterceptorFactory("test"));
    const auto channel =
        server_->experimental().InProcessChannelWithInterceptors(
            {}, std::move(factories));
    UnaryCall call("hello");
    Caller(style, channel).Run(&call);
    EXPECT_TRUE(call.status.ok()) << call.status.error_message();
  }

  Service service_;
  std::unique_ptr<grpc::Server> server_;
};

TEST_F(InProcessTest, ACallThatIsTakenOverLeavesAnEmptyOneBehind) {
  Run(StubStyle::kSync, "breaker {}");
  Run(StubStyle::kCallback, "breaker {} retry {}");
  EXPECT_EQ(service_.named, 2);
  EXPECT_EQ(service_.unnamed, 0);
  Run(StubStyle::kSync, "breaker {} retry {}");
  EXPECT_EQ(service_.named, 3);
  EXPECT_TRUE(Eventually([&] { return service_.unnamed == 1; }));
}

}  // namespace
}  // namespace firebreak::testing
