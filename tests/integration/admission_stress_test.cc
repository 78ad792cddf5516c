// Many threads make calls that wait, are admitted, are cancelled and time out.
// At the end all places and tokens are back, and each call was answered once.
// unit/core/core_stress_test.cc does the same to the core alone.
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/engine_fixture.h"
#include "tests/support/stub_styles.h"

namespace firebreak::testing {
namespace {

constexpr int kThreads = 8;
constexpr int kCalls = 60;
constexpr int kBurst = 100'000;

// It does not yield, since on a busy machine each yield takes a time slice.
void Spin(int64_t us) {
  const core::Time until = engine::Now() + std::chrono::microseconds(us);
  while (engine::Now() < until) {
  }
}

class Nobody : public EventListener {
 public:
  void OnEvent(const EngineEvent& event) override { told += event.count; }
  std::atomic<int64_t> told{0};
};

// Runs with guarded and with driven calls.
class AdmissionStressTest : public ::testing::TestWithParam<bool> {
 protected:
  static std::string Policy() {
    return absl::StrCat(
        "breaker { consecutive_failures: 3 open_duration: \"1ms\" "
        "slow_call_duration: \"1ms\" } rate_limit { rate: 0.001 burst: ",
        kBurst,
        " } bulkhead { max_concurrent: 1 max_queue: 4 max_wait: ", "\"2ms\" }",
        GetParam() ? " retry {}" : "");
  }

  // Makes one call over callbacks, and cancels it at a random moment.
  static void CancelledCall(Echo::Stub* stub, std::minstd_rand* dice,
                            std::atomic<int>* answers) {
    UnaryCall call;
    if ((*dice)() % 4 == 0) {
      call.context.set_deadline(std::chrono::system_clock::now() +
                                std::chrono::microseconds((*dice)() % 3'000));
    }
    std::promise<void> done;
    if ((*dice)() % 8 == 0) call.context.TryCancel();
    stub->async()->Unary(&call.context, &call.request, &call.reply,
                         [&](const grpc::Status& /*status*/) {
                           ++*answers;
                           done.set_value();
                         });
    Spin(static_cast<int64_t>((*dice)() % 500));
    if ((*dice)() % 2 == 0) call.context.TryCancel();
    done.get_future().wait();
  }

  static void CancelledStream(Echo::Stub* stub, std::minstd_rand* dice,
                              std::atomic<int>* answers) {
    grpc::ClientContext context;
    auto stream = stub->BidiStream(&context);
    std::thread canceller([&, us = static_cast<int64_t>((*dice)() % 500)] {
      Spin(us);
      context.TryCancel();
    });
    stream->Write(EchoRequest());
    EchoReply reply;
    stream->Read(&reply);
    stream->WritesDone();
    stream->Finish();
    ++*answers;
    canceller.join();
  }
};
INSTANTIATE_TEST_SUITE_P(Modes, AdmissionStressTest, ::testing::Bool(),
                         [](const ::testing::TestParamInfo<bool>& mode) {
                           return mode.param ? "Driven" : "Guarded";
                         });

TEST_P(AdmissionStressTest, AllThatWasTakenIsBackAndEachCallIsAnsweredOnce) {
  EchoServer server;
  auto engine = MakeEngine(Policy());
  auto core = engine->core();
  auto channel = engine->CreateChannel("test", server.address(),
                                       grpc::InsecureChannelCredentials());
  ASSERT_TRUE(engine
                  ->SetClassifier("test", kUnaryMethod,
                                  [](const Result& /*result*/) {
                                    return Judgement::kDefault;
                                  })
                  .ok());
  std::atomic<int> answers{0};
  std::atomic<bool> is_over{false};
  std::thread listeners([&, engine] {
    for (int i = 0; i < 2'000 && !is_over; ++i) {
      auto nobody = std::make_shared<Nobody>();
      engine->AddEventListener(nobody);
      Spin(200);
      engine->RemoveEventListener(nobody);
    }
  });
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&answers, t, channel] {
      auto stub = Echo::NewStub(channel);
      std::minstd_rand dice(static_cast<unsigned>(t) + 1);
      for (int i = 0; i < kCalls; ++i) {
        if (dice() % 4 == 0) {
          CancelledStream(stub.get(), &dice, &answers);
        } else {
          CancelledCall(stub.get(), &dice, &answers);
        }
      }
    });
  }
  // The handles are destroyed while calls wait.
  engine = nullptr;
  channel = nullptr;
  for (std::thread& thread : threads) thread.join();
  is_over = true;
  listeners.join();
  EXPECT_EQ(answers, kThreads * kCalls);
  int64_t calls = 0;
  for (const auto& runtime : core->Methods()) {
    const auto& bulkhead = *runtime->settings()->admission.bulkhead();
    EXPECT_TRUE(Eventually([&] {
      return bulkhead.snapshot().active == 0 &&
             runtime->stats.counts().in_flight == 0;
    })) << runtime->method;
    EXPECT_EQ(bulkhead.snapshot().queued, 0) << runtime->method;
    // A call that was sent has kept its token; any other has returned it.
    EXPECT_NEAR(
        runtime->settings()->admission.rate_limit()->tokens(engine::Now()),
        static_cast<double>(kBurst - bulkhead.snapshot().completed), 0.5)
        << runtime->method;
    EXPECT_GT(bulkhead.snapshot().completed, 0) << runtime->method;
    const core::MethodCounts counts = runtime->stats.counts();
    int64_t ends = 0;
    for (int64_t n : counts.ends) ends += n;
    EXPECT_EQ(ends, counts.calls) << runtime->method;
    calls += counts.calls;
  }
  EXPECT_EQ(calls, kThreads * kCalls);
}

}  // namespace
}  // namespace firebreak::testing
