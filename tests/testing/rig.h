// An engine on a virtual clock, with a scripted server.
//
//   Rig rig(R"pb(retry { max_attempts: 3 })pb");
//   rig.server.Script(kUnary, {Reply::Fail(grpc::StatusCode::UNAVAILABLE)});
//   Pending call(GetParam(), rig.channel());
//   rig.clock->Advance(...);
//   EXPECT_TRUE(call.Wait().ok());
#ifndef FIREBREAK_TESTS_TESTING_RIG_H_
#define FIREBREAK_TESTS_TESTING_RIG_H_

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "firebreak/call_options.h"
#include "firebreak/call_report.h"
#include "firebreak/testing.h"
#include "tests/support/stub_styles.h"

namespace firebreak::testing {

inline constexpr grpc::StatusCode kUnavailable = grpc::StatusCode::UNAVAILABLE;
inline constexpr char kUnary[] = "/firebreak.testing.Echo/Unary";
inline constexpr char kServerStream[] = "/firebreak.testing.Echo/ServerStream";

inline std::shared_ptr<Engine> EngineOn(std::shared_ptr<Clock> clock,
                                        const std::string& method_policy) {
  EngineOptions options;
  options.clock = std::move(clock);
  options.log_sink = nullptr;
  auto engine = Engine::FromText(
      absl::StrCat("method { name {} ", method_policy, " }",
                   "channel { budget { ratio: 1 burst: 10000 } }"),
      options);
  EXPECT_TRUE(engine.ok()) << engine.status();
  return *std::move(engine);
}

inline Reply EchoOf(const std::string& text) {
  EchoReply reply;
  reply.set_text(text);
  return Reply::Ok(reply);
}

struct Rig {
  explicit Rig(const std::string& method_policy)
      : engine(EngineOn(clock, method_policy)), injector(clock) {
    server.Always(kUnary, EchoOf("ok"));
  }

  // Returns a channel with the injector behind firebreak's interceptor.
  std::shared_ptr<grpc::Channel> NewChannel() {
    ChannelOptions options;
    options.attempt_interceptors.push_back(injector.NewFactory());
    return engine->CreateChannel("echo", server.target(),
                                 grpc::InsecureChannelCredentials(), options);
  }
  const std::shared_ptr<grpc::Channel>& channel() {
    if (channel_ == nullptr) channel_ = NewChannel();
    return channel_;
  }
  BreakerState breaker() const { return BreakerOf(*engine, "echo", kUnary); }

  std::shared_ptr<VirtualClock> clock = std::make_shared<VirtualClock>();
  std::shared_ptr<Engine> engine;
  FaultInjector injector;
  ScriptedServer server;

 private:
  std::shared_ptr<grpc::Channel> channel_;
};

// One call in flight, on a separate thread.
class Pending {
 public:
  Pending(StubStyle style, const std::shared_ptr<grpc::Channel>& channel,
          const CallOptions& options = {})
      : call_(std::make_unique<UnaryCall>("hello")) {
    CallOptions with_report = options;
    with_report.report = true;
    EXPECT_TRUE(with_report.Set(&call_->context).ok());
    done_ = std::async(std::launch::async, [this, style, channel] {
      Caller(style, channel).Run(call_.get());
    });
  }

  bool has_ended() const {
    return done_.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  }
  const grpc::Status& Wait() {
    done_.wait();
    return call_->status;
  }
  grpc::StatusCode Code() { return Wait().error_code(); }
  grpc::ClientContext& context() { return call_->context; }
  const EchoReply& reply() const { return call_->reply; }
  v1::CallReport Report() {
    Wait();
    return GetCallReport(call_->context).value_or(v1::CallReport());
  }

 private:
  const std::unique_ptr<UnaryCall> call_;
  std::future<void> done_;
};

}  // namespace firebreak::testing

#endif  // FIREBREAK_TESTS_TESTING_RIG_H_
