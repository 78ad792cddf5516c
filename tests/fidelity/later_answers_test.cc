// Driven calls that a later attempt answers. If the first attempt was the
// caller's own call, the caller and interceptors can still see traces of it.
#include <gmock/gmock.h>

#include <algorithm>

#include "tests/fidelity/modes.h"
#include "tests/fidelity/recorder.h"

namespace firebreak::testing {
namespace {

using ::testing::Contains;
using ::testing::Not;

constexpr char kQuickRetry[] =
    "retry { max_attempts: 3 backoff { initial: \"1ms\" max: \"1ms\" } }";
constexpr char kHedge[] = "hedging { max_attempts: 2 delay: \"5ms\" }";

class LaterAnswersTest : public ::testing::TestWithParam<StubStyle> {
 protected:
  std::shared_ptr<grpc::Channel> NewChannel(EngineFixture* f,
                                            Recorder::More more = nullptr) {
    ChannelOptions options;
    options.args.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
    options.interceptors.push_back(
        recorder_.NewFactory("before", std::move(more)));
    return f->NewChannel(std::move(options));
  }
  static void Run(const std::shared_ptr<grpc::Channel>& channel,
                  UnaryCall* call) {
    Caller(GetParam(), channel).Run(call);
    ASSERT_TRUE(call->status.ok()) << call->status.error_message();
    EXPECT_EQ(call->reply.text(), "hello");
  }
  static bool is_native() { return GoesOutNatively(GetParam()); }

  Recorder recorder_;
};
INSTANTIATE_TEST_SUITE_P(Styles, LaterAnswersTest, AllStyles(), StyleName);

TEST_P(LaterAnswersTest, PeerAndAuthAreTheFirstAttempts) {
  EngineFixture f(kQuickRetry);
  f.server().Script({Step::Fail(grpc::StatusCode::UNAVAILABLE), Step::Ok()});
  UnaryCall call("hello");
  Run(NewChannel(&f), &call);
  EXPECT_EQ(f.server().calls(), 2);
  EXPECT_EQ(call.context.peer(), is_native()
                                     ? "ipv4:" + f.server().address()
                                     : TargetAsPeer(f.server().address()));
  EXPECT_EQ(ShowAuth(call.context).empty(), !is_native());
}

TEST_P(LaterAnswersTest, AHedgeThatWinsCancelsTheCallersOwnCall) {
  EngineFixture f(kHedge);
  f.server().ScriptAttempts({Step::Hang(), Step::Ok()});
  UnaryCall call("hello");
  Run(NewChannel(&f), &call);
  EXPECT_TRUE(f.server().WaitForCancelled(1));
  const std::vector<std::string> lines = recorder_.TakeLines();
  // Only firebreak has cancelled it.
  EXPECT_EQ(std::count(lines.begin(), lines.end(), "before: cancel"),
            is_native() ? 1 : 0);
  // According to gRPC, it was not connected when it was cancelled.
  EXPECT_EQ(call.context.peer(), TargetAsPeer(f.server().address()));
}

TEST_P(LaterAnswersTest, AMessageThatInterceptorsBeforeOursAreNotShown) {
  EngineFixture f(kQuickRetry);
  f.server().Script({Step::Fail(grpc::StatusCode::UNAVAILABLE), Step::Ok()});
  UnaryCall call("hello");
  Run(NewChannel(&f), &call);
  const std::string all = recorder_.Take();
  EXPECT_EQ(all.find("message(null)") != std::string::npos, is_native()) << all;
  EXPECT_NE(all.find("status(0)"), std::string::npos) << all;
}

TEST_P(LaterAnswersTest, InterceptorsBeforeOursAreToldByAThreadOfOurs) {
  // The thread that has a later answer calls the interceptors before
  // firebreak's. The program gets the answer on the same thread as always.
  EngineFixture f(kQuickRetry);
  f.server().Script({Step::Fail(grpc::StatusCode::UNAVAILABLE), Step::Ok()});
  const auto own = std::this_thread::get_id();
  UnaryCall call("hello");
  Run(NewChannel(&f,
                 [&](Recorder::Info*, Recorder::Methods*) {
                   return std::this_thread::get_id() == own ? " here"
                                                            : " elsewhere";
                 }),
      &call);
  const std::string all = recorder_.Take();
  const bool elsewhere = all.find("status(0) elsewhere") != std::string::npos;
  EXPECT_EQ(elsewhere, is_native()) << all;
}

TEST(LateQueueTest, RetriesWhenItIsPolled) {
  EngineFixture f(kQuickRetry);
  f.server().Script({Step::Fail(grpc::StatusCode::UNAVAILABLE), Step::Ok()});
  UnaryCall call("hello");
  grpc::CompletionQueue cq;
  const auto stub = Echo::NewStub(f.channel());
  auto reader = stub->AsyncUnary(&call.context, call.request, &cq);
  reader->Finish(&call.reply, &call.status, &call);
  // No thread of gRPC polls the queue, and none of firebreak's can.
  EXPECT_LE(f.server().calls(), 1);
  EXPECT_EQ(f.counts().attempts_of(core::AttemptKind::kRetry), 0);
  void* tag = nullptr;
  bool ok = false;
  ASSERT_TRUE(cq.Next(&tag, &ok));
  EXPECT_TRUE(call.status.ok());
  EXPECT_EQ(f.counts().attempts_of(core::AttemptKind::kRetry), 1);
}

TEST_P(LaterAnswersTest, ATimeoutIsTheServersButNotTheContexts) {
  EngineFixture f("timeout: \"600s\"");
  UnaryCall call("hello");
  Run(NewChannel(&f), &call);
  EXPECT_LT(f.server().seen().back().granted, std::chrono::seconds(601));
  EXPECT_EQ(call.context.deadline(),
            std::chrono::system_clock::time_point::max());
}

TEST_P(LaterAnswersTest, WithoutFurtherAttemptsTheRequestStaysTyped) {
  // With one attempt only, the request need not be serialized for another.
  const auto show = [&](bool driven) {
    EngineFixture f(driven ? "timeout: \"600s\"" : "breaker {}");
    UnaryCall call("hello");
    Run(NewChannel(&f), &call);
    return recorder_.TakeLines();
  };
  const std::vector<std::string> guarded = show(false);
  const std::vector<std::string> driven = show(true);
  if (GetParam() == StubStyle::kCompletionQueueSplit) return;  // any order
  if (GetParam() == StubStyle::kSync) {
    EXPECT_NE(driven, guarded) << "the message is told to be sent by now";
  } else {
    EXPECT_EQ(driven, guarded);
  }
}

// A reactor that records whether there was initial metadata.
class Reactor final : public grpc::ClientUnaryReactor {
 public:
  explicit Reactor(grpc::ClientContext* context) : context_(context) {}
  void OnReadInitialMetadataDone(bool ok) override {
    events_ = absl::StrCat("metadata ", ok, " ",
                           context_->GetServerInitialMetadata().size());
  }
  void OnDone(const grpc::Status& status) override {
    absl::StrAppend(&events_, ", done ", status.error_code());
    done_.set_value();
  }
  std::string Wait() {
    done_.get_future().wait();
    return events_;
  }

 private:
  grpc::ClientContext* const context_;
  std::string events_;
  std::promise<void> done_;
};

class ReactorOkTest : public ::testing::Test {
 protected:
  static std::string Run(const std::shared_ptr<grpc::Channel>& channel,
                         UnaryCall* call) {
    const auto stub = Echo::NewStub(channel);
    Reactor reactor(&call->context);
    stub->async()->Unary(&call->context, &call->request, &call->reply,
                         &reactor);
    reactor.StartCall();
    return reactor.Wait();
  }
  World world_;
};

TEST_F(ReactorOkTest, OfACallThatFails) {
  const std::string nowhere = EchoServer().address();
  const Shown native = ExpectAlike([&](Mode mode) {
    Shown shown;
    world_.server.Script({Step::Fail(grpc::StatusCode::NOT_FOUND)});
    UnaryCall call;
    shown["answered"] = Run(world_.NewChannel(mode), &call);
    UnaryCall unsent;
    shown["nobody"] = Run(world_.NewChannel(mode, {}, nowhere), &unsent);
    return shown;
  });
  EXPECT_EQ(native.at("nobody"), "metadata 0 0, done 14");
}

TEST_F(ReactorOkTest, OfACallThatIsRefused) {
  // firebreak answers the call itself, so gRPC reports that it has metadata.
  EngineFixture f("rate_limit { rate: 0.001 burst: 1 }");
  UnaryCall first;
  Run(f.channel(), &first);
  UnaryCall call;
  EXPECT_EQ(Run(f.channel(), &call), "metadata 1 0, done 8");
}

TEST_F(ReactorOkTest, OfACallThatIsTakenOver) {
  // With a deadline earlier than the caller's own, the call is taken over.
  EngineFixture f("timeout: \"100s\"");
  f.server().Script({Step::Fail(grpc::StatusCode::NOT_FOUND)});
  UnaryCall call;
  call.context.set_deadline(std::chrono::system_clock::now() +
                            std::chrono::minutes(10));
  EXPECT_EQ(Run(f.channel(), &call), "metadata 1 0, done 5");
}

TEST_F(ReactorOkTest, OfACallThatIsAnsweredLater) {
  EngineFixture f(kQuickRetry);
  Step answers = Step::Ok();
  answers.initial = {{"x-a", "1"}};
  f.server().Script({Step::Fail(grpc::StatusCode::UNAVAILABLE), answers});
  UnaryCall call;
  EXPECT_EQ(Run(f.channel(), &call), "metadata 0 1, done 0");
}

}  // namespace
}  // namespace firebreak::testing
