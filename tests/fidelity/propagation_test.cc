// A call inside a handler, with a context created from the server's context.
#include "tests/fidelity/modes.h"

namespace firebreak::testing {
namespace {

// Runs only with the styles to which a context can be passed.
class PropagationTest : public FidelityTest {
 protected:
  // Makes the inner call over `channel`, and returns its status.
  grpc::Status CallOn(const std::shared_ptr<grpc::Channel>& channel,
                      grpc::ServerContextBase* server,
                      const grpc::PropagationOptions& options) {
    const auto context = grpc::ClientContext::FromServerContext(
        *static_cast<grpc::ServerContext*>(server), options);
    const auto stub = Echo::NewStub(channel);
    EchoRequest request;
    EchoReply reply;
    if (GetParam() == StubStyle::kSync) {
      return stub->Unary(context.get(), request, &reply);
    }
    grpc::CompletionQueue cq;
    grpc::Status status;
    auto reader = stub->AsyncUnary(context.get(), request, &cq);
    reader->Finish(&reply, &status, nullptr);
    void* tag = nullptr;
    bool ok = false;
    EXPECT_TRUE(cq.Next(&tag, &ok));
    return status;
  }

  // The outer call has a deadline in ten minutes.
  Shown ShowDeadline(Mode mode, const grpc::PropagationOptions& options) {
    const auto channel = world_.NewChannel(mode);
    EchoServer front;
    front.SetHandler([&](grpc::ServerContextBase* server) {
      EXPECT_TRUE(CallOn(channel, server, options).ok());
    });
    UnaryCall outer;
    outer.context.set_deadline(std::chrono::system_clock::now() +
                               std::chrono::minutes(10));
    Run(grpc::CreateChannel(front.address(),
                            grpc::InsecureChannelCredentials()),
        &outer);
    EXPECT_TRUE(outer.status.ok());
    const auto left =
        world_.server.seen().back().deadline - std::chrono::system_clock::now();
    return {{"deadline",
             left < std::chrono::minutes(15) ? "the parent's" : "none"}};
  }

  // Cancels the outer call while the server holds the inner one. The server
  // then releases the inner call, unless it `ends_by_itself`.
  Shown ShowCancel(Mode mode, const grpc::PropagationOptions& options,
                   bool ends_by_itself) {
    World world;
    const auto channel = world.NewChannel(mode);
    grpc::Status inner;
    EchoServer front;
    front.SetHandler([&](grpc::ServerContextBase* server) {
      std::thread call([&] { inner = CallOn(channel, server, options); });
      EXPECT_TRUE(Eventually([&] { return server->IsCancelled(); }));
      if (!ends_by_itself) world.server.Release();
      call.join();
    });
    world.server.Script({Step::Hang()});
    UnaryCall outer;
    std::thread canceller([&] {
      EXPECT_TRUE(world.server.WaitForCalls(1));
      outer.context.TryCancel();
    });
    Run(grpc::CreateChannel(front.address(),
                            grpc::InsecureChannelCredentials()),
        &outer);
    canceller.join();
    EXPECT_EQ(outer.status.error_code(), grpc::StatusCode::CANCELLED);
    front.Stop();  // waits for the handler
    return {{"code", absl::StrCat(inner.error_code())}};
  }
};
INSTANTIATE_TEST_SUITE_P(Styles, PropagationTest,
                         ::testing::Values(StubStyle::kSync,
                                           StubStyle::kCompletionQueue),
                         StyleName);

TEST_P(PropagationTest, Deadline) {
  const Shown native = ExpectAlike([&](Mode mode) {
    return ShowDeadline(mode, grpc::PropagationOptions());
  });
  EXPECT_EQ(native.at("deadline"), "the parent's");
}

TEST_P(PropagationTest, DeadlineSwitchedOff) {
  const Shown native = ExpectAlike([&](Mode mode) {
    return ShowDeadline(
        mode, grpc::PropagationOptions().disable_deadline_propagation());
  });
  EXPECT_EQ(native.at("deadline"), "none");
}

TEST_P(PropagationTest, Cancellation) {
  const Shown native = ExpectAlike([&](Mode mode) {
    return ShowCancel(mode, grpc::PropagationOptions(),
                      /*ends_by_itself=*/true);
  });
  EXPECT_EQ(native.at("code"), "1");
}

TEST_P(PropagationTest, CancellationSwitchedOff) {
  const Shown native = ExpectAlike([&](Mode mode) {
    return ShowCancel(
        mode, grpc::PropagationOptions().disable_cancellation_propagation(),
        /*ends_by_itself=*/false);
  });
  EXPECT_EQ(native.at("code"), "0");
}

}  // namespace
}  // namespace firebreak::testing
