// A call that is made for a server call ends with it, even while it has no
// attempt in flight that gRPC could cancel: in a queue or in a backoff.
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <tuple>

#include "firebreak/call_options.h"
#include "tests/support/engine_fixture.h"
#include "tests/support/stub_styles.h"

namespace firebreak::testing {
namespace {

enum class Waits { kInABackoff, kInTheBulkhead, kForAToken, kInAGuardedQueue };
enum class Made { kFromServerContext, kInheritFrom };
enum class Ends { kAtItsDeadline, kCancelled };

using Param = std::tuple<StubStyle, Waits, Made, Ends>;

std::string PolicyFor(Waits waits) {
  std::string retry =
      "retry { max_attempts: 3 backoff { initial: \"1h\" max: \"1h\" "
      "jitter: NONE } }";
  std::string bulkhead =
      "bulkhead { max_concurrent: 1 max_queue: 5 max_wait: \"1h\" }";
  switch (waits) {
    case Waits::kInABackoff:
      return retry;
    case Waits::kInTheBulkhead:
      return retry + bulkhead;
    case Waits::kForAToken:
      return retry + "rate_limit { rate: 0.001 burst: 1 max_wait: \"1h\" }";
    case Waits::kInAGuardedQueue:
      return bulkhead;
  }
  return "";
}

class ParentTest : public ::testing::TestWithParam<Param> {
 protected:
  ParentTest() : f_(PolicyFor(waits())), stub_(Echo::NewStub(f_.channel())) {
    if (waits() == Waits::kInABackoff) {
      f_.server().Script({Step::Fail(grpc::StatusCode::UNAVAILABLE)});
      return;
    }
    // Takes the only place, or the only token.
    f_.server().Script("first", {Step::Hang()});
    first_.request.set_text("first");
    stub_->async()->Unary(&first_.context, &first_.request, &first_.reply,
                          [this](const grpc::Status&) { done_.set_value(); });
    EXPECT_TRUE(f_.server().WaitForCalls(1));
  }
  ~ParentTest() override {
    if (waits() == Waits::kInABackoff) return;
    first_.context.TryCancel();
    done_.get_future().wait();
  }

  static StubStyle style() { return std::get<0>(GetParam()); }
  static Waits waits() { return std::get<1>(GetParam()); }
  static Made made() { return std::get<2>(GetParam()); }
  static Ends ends() { return std::get<3>(GetParam()); }

  // Makes the call inside the handler of `server`.
  grpc::Status CallFor(grpc::ServerContextBase* server) {
    std::unique_ptr<grpc::ClientContext> context;
    if (made() == Made::kFromServerContext) {
      context = grpc::ClientContext::FromServerContext(
          *static_cast<grpc::ServerContext*>(server));
    } else {
      context = std::make_unique<grpc::ClientContext>();
      InheritFrom(*server, context.get());
    }
    EchoRequest request;
    EchoReply reply;
    grpc::Status status;
    if (style() == StubStyle::kSync) {
      return stub_->Unary(context.get(), request, &reply);
    }
    if (style() == StubStyle::kCallback) {
      std::promise<grpc::Status> done;
      stub_->async()->Unary(
          context.get(), &request, &reply,
          [&](grpc::Status ended) { done.set_value(std::move(ended)); });
      return done.get_future().get();
    }
    grpc::CompletionQueue cq;
    auto reader = stub_->AsyncUnary(context.get(), request, &cq);
    reader->Finish(&reply, &status, nullptr);
    void* tag = nullptr;
    bool ok = false;
    EXPECT_TRUE(cq.Next(&tag, &ok));
    return status;
  }

  // Returns whether the inner call waits now, with no attempt in flight.
  bool IsWaiting() {
    const auto runtime = f_.runtime();
    if (runtime == nullptr) return false;
    if (waits() == Waits::kInABackoff) {
      return f_.server().calls() == 1 &&
             f_.engine()->core()->io()->armed_timers() > 0;
    }
    return runtime->stats.counts().in_flight == 2;
  }

  EngineFixture f_;
  const std::unique_ptr<Echo::Stub> stub_;
  UnaryCall first_;
  std::promise<void> done_;
};

std::string ParentName(const ::testing::TestParamInfo<Param>& info) {
  const auto& [style, waits, made, ends] = info.param;
  constexpr const char* kWaits[] = {"InABackoff", "InTheBulkhead", "ForAToken",
                                    "InAGuardedQueue"};
  return absl::StrCat(StyleName({style, 0}), kWaits[static_cast<int>(waits)],
                      made == Made::kInheritFrom ? "Inherited" : "",
                      ends == Ends::kCancelled ? "Cancelled" : "Late");
}
INSTANTIATE_TEST_SUITE_P(
    All, ParentTest,
    ::testing::Combine(
        ::testing::Values(StubStyle::kSync, StubStyle::kCallback,
                          StubStyle::kCompletionQueue),
        ::testing::Values(Waits::kInABackoff, Waits::kInTheBulkhead,
                          Waits::kForAToken, Waits::kInAGuardedQueue),
        ::testing::Values(Made::kFromServerContext, Made::kInheritFrom),
        ::testing::Values(Ends::kAtItsDeadline, Ends::kCancelled)),
    ParentName);

TEST_P(ParentTest, EndsWithIt) {
  grpc::Status inner;
  EchoServer front;
  front.SetHandler(
      [&](grpc::ServerContextBase* server) { inner = CallFor(server); });
  UnaryCall outer;
  std::thread canceller;
  if (ends() == Ends::kCancelled) {
    canceller = std::thread([&] {
      EXPECT_TRUE(Eventually([&] { return IsWaiting(); }));
      outer.context.TryCancel();
    });
  } else {
    outer.context.set_deadline(std::chrono::system_clock::now() +
                               std::chrono::milliseconds(300));
  }
  Caller(
      StubStyle::kSync,
      grpc::CreateChannel(front.address(), grpc::InsecureChannelCredentials()))
      .Run(&outer);
  if (canceller.joinable()) canceller.join();
  front.Stop();  // waits for the handler, even for an hour
  // At the deadline its client cancels, so the server call may be cancelled
  // before its own deadline. If an attempt has failed, the call ends with the
  // server's status instead of DEADLINE_EXCEEDED.
  const bool is_late =
      inner.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED ||
      (waits() == Waits::kInABackoff &&
       inner.error_code() == grpc::StatusCode::UNAVAILABLE);
  EXPECT_TRUE(inner.error_code() == grpc::StatusCode::CANCELLED ||
              (ends() == Ends::kAtItsDeadline && is_late))
      << inner.error_code() << " " << inner.error_message();
  EXPECT_TRUE(Eventually([&] {
    return f_.counts().in_flight == (waits() == Waits::kInABackoff ? 0 : 1);
  }));
}

}  // namespace
}  // namespace firebreak::testing
