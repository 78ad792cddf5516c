// Calls whose batches come in an order or on threads that plain stubs never
// use: corked streams, and interceptors before firebreak's that delay batches.
// In every case a call ends once, with all its tags and reactions.
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/engine_fixture.h"
#include "tests/support/stub_styles.h"

namespace firebreak::testing {
namespace {

using grpc::experimental::ClientInterceptorFactoryInterface;
using grpc::experimental::ClientRpcInfo;
using grpc::experimental::InterceptionHookPoints;
using grpc::experimental::InterceptorBatchMethods;

// A way to refuse a call: the policy, and the preparation in the constructor.
struct Refusal {
  const char* name;
  const char* policy;
  grpc::StatusCode code;
};

const Refusal kRefusals[] = {
    {"Breaker",
     "breaker { consecutive_failures: 1 open_duration: \"1h\" "
     "max_open_duration: \"1h\" }",
     grpc::StatusCode::UNAVAILABLE},
    {"RateLimit", "rate_limit { rate: 0.001 burst: 1 }",
     grpc::StatusCode::RESOURCE_EXHAUSTED},
    {"Throttle", "throttle { k: 1 }", grpc::StatusCode::RESOURCE_EXHAUSTED},
    {"Bulkhead", "bulkhead { max_concurrent: 1 max_queue: 0 }",
     grpc::StatusCode::RESOURCE_EXHAUSTED},
};

class CorkedTest : public ::testing::TestWithParam<Refusal> {
 protected:
  CorkedTest() : f_(GetParam().policy), stub_(Echo::NewStub(f_.channel())) {
    // Opens the breaker, takes the token, or occupies the only place.
    f_.server().Script({std::string(GetParam().name) == "Bulkhead"
                            ? Step::Hang()
                            : Step::Fail(grpc::StatusCode::UNAVAILABLE)});
    first_ = stub_->BidiStream(&first_context_);
    EchoRequest request;
    first_->Write(request);
    first_->WritesDone();
    f_.server().WaitForCalls(1);
    if (std::string(GetParam().name) != "Bulkhead") {
      EchoReply reply;
      while (first_->Read(&reply)) {
      }
      first_->Finish();
    }
    if (std::string(GetParam().name) == "Throttle") {
      // The server has accepted none of a million calls, so the next call is
      // almost certainly refused.
      const auto settings =
          f_.runtime("/firebreak.testing.Echo/BidiStream")->settings();
      core::Throttle* const throttle = settings->admission.throttle();
      for (int i = 0; i < 1'000'000; ++i) {
        throttle->Admit(engine::Now());
        throttle->OnEnd(/*accepted=*/false, engine::Now());
      }
    }
  }
  ~CorkedTest() override { first_context_.TryCancel(); }

  EngineFixture f_;
  const std::unique_ptr<Echo::Stub> stub_;
  grpc::ClientContext first_context_;
  std::unique_ptr<grpc::ClientReaderWriter<EchoRequest, EchoReply>> first_;
};
INSTANTIATE_TEST_SUITE_P(Refusals, CorkedTest, ::testing::ValuesIn(kRefusals),
                         [](const auto& param) {
                           return std::string(param.param.name);
                         });

class Bidi final : public grpc::ClientBidiReactor<EchoRequest, EchoReply> {
 public:
  explicit Bidi(Echo::Stub* stub) {
    context_.set_initial_metadata_corked(true);
    stub->async()->BidiStream(&context_, this);
    StartRead(&reply_);
    StartCall();
  }
  void Write() { StartWrite(&request_); }
  void OnWriteDone(bool ok) override { write_ok_.set_value(ok); }
  void OnReadDone(bool ok) override {
    if (!ok) read_failed_ = true;
  }
  void OnDone(const grpc::Status& status) override {
    TellOfTheStreamsEnd(status);
  }
  // tests/support/tsan/edges.cc refers to this function by its name.
  void TellOfTheStreamsEnd(const grpc::Status& status) {
    done_.set_value(status);
  }

  grpc::ClientContext context_;
  EchoRequest request_;
  EchoReply reply_;
  std::atomic<bool> read_failed_{false};
  std::promise<bool> write_ok_;
  std::promise<grpc::Status> done_;
};

TEST_P(CorkedTest, ARefusedReactorEnds) {
  Bidi bidi(stub_.get());
  bidi.Write();
  auto done = bidi.done_.get_future();
  ASSERT_EQ(done.wait_for(std::chrono::seconds(30)), std::future_status::ready);
  EXPECT_EQ(done.get().error_code(), GetParam().code);
  EXPECT_FALSE(bidi.write_ok_.get_future().get());
  EXPECT_TRUE(bidi.read_failed_);
}

TEST_P(CorkedTest, ARefusedQueuesTagsAllCome) {
  grpc::CompletionQueue cq;
  grpc::ClientContext context;
  context.set_initial_metadata_corked(true);
  auto stream = stub_->PrepareAsyncBidiStream(&context, &cq);
  stream->StartCall(nullptr);
  EchoReply reply;
  grpc::Status status;
  stream->Read(&reply, reinterpret_cast<void*>(1));
  stream->Finish(&status, reinterpret_cast<void*>(2));
  stream->Write(EchoRequest(), reinterpret_cast<void*>(3));
  int seen = 0;
  for (int i = 0; i < 3; ++i) {
    void* tag = nullptr;
    bool ok = false;
    ASSERT_EQ(cq.AsyncNext(
                  &tag, &ok,
                  std::chrono::system_clock::now() + std::chrono::seconds(30)),
              grpc::CompletionQueue::GOT_EVENT);
    seen |= 1 << reinterpret_cast<intptr_t>(tag);
    EXPECT_EQ(ok, tag == reinterpret_cast<void*>(2)) << tag;
  }
  EXPECT_EQ(seen, 14);
  EXPECT_EQ(status.error_code(), GetParam().code);
  cq.Shutdown();
}

TEST_P(CorkedTest, ARefusedReadInAnotherThreadReturns) {
  grpc::ClientContext context;
  context.set_initial_metadata_corked(true);
  auto stream = stub_->BidiStream(&context);
  std::thread reader([&] {
    EchoReply reply;
    EXPECT_FALSE(stream->Read(&reply));
  });
  EXPECT_FALSE(stream->Write(EchoRequest()));
  reader.join();
  EXPECT_EQ(stream->Finish().error_code(), GetParam().code);
}

// Nothing has been sent and nothing decided, but a cancel and a deadline end
// the call as they do natively.
TEST_P(CorkedTest, OneThatNeverWritesEndsWhenItIsCancelled) {
  Bidi bidi(stub_.get());
  bidi.context_.TryCancel();
  auto done = bidi.done_.get_future();
  ASSERT_EQ(done.wait_for(std::chrono::seconds(30)), std::future_status::ready);
  EXPECT_EQ(done.get().error_code(), grpc::StatusCode::CANCELLED);
}

TEST_P(CorkedTest, OneThatNeverWritesEndsAtItsDeadline) {
  grpc::CompletionQueue cq;
  grpc::ClientContext context;
  context.set_initial_metadata_corked(true);
  context.set_deadline(std::chrono::system_clock::now() +
                       std::chrono::milliseconds(50));
  auto stream = stub_->PrepareAsyncBidiStream(&context, &cq);
  stream->StartCall(nullptr);
  grpc::Status status;
  stream->Finish(&status, reinterpret_cast<void*>(2));
  void* tag = nullptr;
  bool ok = false;
  ASSERT_EQ(
      cq.AsyncNext(&tag, &ok,
                   std::chrono::system_clock::now() + std::chrono::seconds(30)),
      grpc::CompletionQueue::GOT_EVENT);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  cq.Shutdown();
}

// An interceptor before firebreak's. It passes the first batch on from another
// thread, as if it had to fetch a token, and every other batch at once.
class TokenFetch final : public grpc::experimental::Interceptor {
 public:
  enum class When { kAfterTheSecond, kAtOnceElsewhere };

  TokenFetch(When when, std::vector<std::thread>* threads, std::mutex* mu)
      : when_(when), threads_(threads), mu_(mu) {}

  void Intercept(InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(
            InterceptionHookPoints::PRE_SEND_INITIAL_METADATA)) {
      methods->GetSendInitialMetadata()->emplace("token", "secret");
      std::lock_guard<std::mutex> lock(*mu_);
      threads_->emplace_back([methods, second = second_, when = when_] {
        // Some calls have only one batch, so this wait has a limit.
        if (when == When::kAfterTheSecond) {
          second->get_future().wait_for(std::chrono::milliseconds(20));
        }
        methods->Proceed();
      });
      return;
    }
    const bool is_second = !had_second_.exchange(true);
    // After the last batch, this interceptor may have been destroyed.
    const std::shared_ptr<std::promise<void>> second = second_;
    methods->Proceed();
    if (is_second) second->set_value();
  }

 private:
  const When when_;
  std::vector<std::thread>* const threads_;
  std::mutex* const mu_;
  std::atomic<bool> had_second_{false};
  const std::shared_ptr<std::promise<void>> second_ =
      std::make_shared<std::promise<void>>();
};

class TokenFetchFactory final : public ClientInterceptorFactoryInterface {
 public:
  explicit TokenFetchFactory(TokenFetch::When when) : when_(when) {}
  ~TokenFetchFactory() override {
    for (std::thread& thread : threads_) thread.join();
  }
  grpc::experimental::Interceptor* CreateClientInterceptor(
      ClientRpcInfo*) override {
    return new TokenFetch(when_, &threads_, &mu_);
  }

 private:
  const TokenFetch::When when_;
  std::mutex mu_;
  std::vector<std::thread> threads_;
};

enum class Fate { kGuarded, kDriven, kRetried, kRefused, kQueued };

using TokenParam = std::tuple<StubStyle, TokenFetch::When, Fate>;

class TokenFetchTest : public ::testing::TestWithParam<TokenParam> {};
std::string TokenName(const ::testing::TestParamInfo<TokenParam>& info) {
  const auto& [style, when, fate] = info.param;
  constexpr const char* kFates[] = {"Guarded", "Driven", "Retried", "Refused",
                                    "Queued"};
  return absl::StrCat(
      StyleName({style, 0}),
      when == TokenFetch::When::kAfterTheSecond ? "Late" : "Elsewhere",
      kFates[static_cast<int>(fate)]);
}
INSTANTIATE_TEST_SUITE_P(
    All, TokenFetchTest,
    ::testing::Combine(AllStyles(),
                       ::testing::Values(TokenFetch::When::kAfterTheSecond,
                                         TokenFetch::When::kAtOnceElsewhere),
                       ::testing::Values(Fate::kGuarded, Fate::kDriven,
                                         Fate::kRetried, Fate::kRefused,
                                         Fate::kQueued)),
    TokenName);

TEST_P(TokenFetchTest, EndsOnceAsWithoutIt) {
  const auto [style, when, fate] = GetParam();
  const std::string retry =
      "retry { max_attempts: 3 backoff { initial: \"1ms\" max: \"1ms\" } }";
  std::string policy = "breaker {}";
  if (fate == Fate::kDriven || fate == Fate::kRetried) policy = retry;
  if (fate == Fate::kRefused) policy = "rate_limit { rate: 0.001 burst: 1 }";
  if (fate == Fate::kQueued) {
    policy = "rate_limit { rate: 100 burst: 1 max_wait: \"10s\" }";
  }
  EngineFixture f(policy);
  for (int round = 0; round < 10; ++round) {
    ChannelOptions options;
    options.interceptors.push_back(std::make_unique<TokenFetchFactory>(when));
    auto channel = f.NewChannel(std::move(options));
    if (fate == Fate::kRetried) {
      f.server().Script(
          {Step::Fail(grpc::StatusCode::UNAVAILABLE), Step::Ok()});
    }
    UnaryCall call("hello");
    call.context.set_deadline(std::chrono::system_clock::now() +
                              std::chrono::seconds(30));
    Caller(style, channel).Run(&call);
    if (fate == Fate::kRefused && round > 0) {
      EXPECT_EQ(call.status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
      continue;
    }
    ASSERT_TRUE(call.status.ok()) << call.status.error_message();
    EXPECT_EQ(call.reply.text(), "hello");
    EXPECT_EQ(f.server().seen().back().metadata.count("token"), 1u);
  }
}

}  // namespace
}  // namespace firebreak::testing
