// Calls through a FaultInjector with random faults: the counts of callers,
// engine, injector and server agree exactly. FIREBREAK_FAULT_CALLS sets the
// number of calls; scripts/nightly makes a million.
#include <atomic>
#include <cstdlib>
#include <map>
#include <mutex>
#include <numeric>
#include <thread>
#include <vector>

#include "src/engine/engine_core.h"
#include "tests/testing/rig.h"

namespace firebreak::testing {
namespace {

constexpr char kPolicy[] = R"pb(
  method {
    name {}
    timeout: "3600s"
    idempotent: true
    breaker {
      consecutive_failures: 4
      failure_rate: 0
      confidence: 0
      open_duration: "2ms"
      ramp { duration: "0s" }
    }
    retry {
      max_attempts: 3
      backoff { initial: "1ms" }
    }
  }
  channel { budget { ratio: 1 burst: 10000 } }
)pb";

int CallsToMake() {
  const char* const calls = std::getenv("FIREBREAK_FAULT_CALLS");
  return calls == nullptr ? 2'000 : std::atoi(calls);
}

// What callers got: the codes of answered calls, and the reasons of refused
// ones.
struct Books {
  std::mutex mu;
  std::map<grpc::StatusCode, int64_t> codes;
  std::map<Reason, int64_t> refusals;
};

void Call(StubStyle style, const std::shared_ptr<grpc::Channel>& channel,
          int calls, Books* books) {
  const Caller caller(style, channel);
  for (int i = 0; i < calls; ++i) {
    UnaryCall call("hello");
    caller.Run(&call);
    std::lock_guard<std::mutex> lock(books->mu);
    const Reason reason = ReasonOf(call.context);
    // A call whose next attempt the breaker refused has the same reason, but
    // the server's message.
    if (IsRefusedBy(reason, "breaker") &&
        call.status.error_message().find("firebreak: ") == 0) {
      ++books->refusals[reason];
    } else {
      ++books->codes[call.status.error_code()];
    }
  }
}

TEST(FaultAccountsTest, EveryCallAndEveryAttemptIsAccountedFor) {
  ScriptedServer server;
  server.Always(kUnary, EchoOf("ok"));
  FaultInjector injector(nullptr, /*seed=*/2026);
  injector.Sometimes("", 0.15, Fault::Fail(grpc::StatusCode::UNAVAILABLE));
  injector.Sometimes("", 0.05, Fault::Fail(grpc::StatusCode::INTERNAL));
  injector.Sometimes("", 0.05, Fault::DropReply());
  injector.Sometimes("", 0.05, Fault::Late(std::chrono::microseconds(200)));
  injector.Sometimes("", 0.02,
                     Fault::Late(std::chrono::microseconds(200))
                         .ThenFail(grpc::StatusCode::ABORTED));
  EngineOptions options;
  options.log_sink = nullptr;
  auto engine = Engine::FromText(kPolicy, options);
  ASSERT_TRUE(engine.ok()) << engine.status();
  ChannelOptions with_faults;
  with_faults.attempt_interceptors.push_back(injector.NewFactory());
  const auto channel = (*engine)->CreateChannel(
      "echo", server.target(), grpc::InsecureChannelCredentials(), with_faults);

  const int each = CallsToMake() / 4;
  Books books;
  std::vector<std::thread> threads;
  for (const StubStyle style :
       {StubStyle::kSync, StubStyle::kCallback, StubStyle::kCompletionQueue,
        StubStyle::kCompletionQueueSplit}) {
    threads.emplace_back(Call, style, channel, each, &books);
  }
  for (std::thread& thread : threads) thread.join();

  const auto runtimes = (*engine)->core()->Methods();
  ASSERT_EQ(runtimes.size(), 1U);
  const core::MethodCounts counts = runtimes.front()->stats.counts();
  const FaultCounts faults = injector.counts();
  const auto sum = [](const auto& numbers) {
    return std::accumulate(numbers.begin(), numbers.end(), int64_t{0});
  };
  int64_t answered = 0;
  for (const auto& [code, n] : books.codes) answered += n;
  int64_t refused = 0;
  for (const auto& [reason, n] : books.refusals) refused += n;
  // The counts of callers and engine.
  EXPECT_EQ(answered + refused, int64_t{4} * each);
  EXPECT_EQ(counts.calls, int64_t{4} * each);
  EXPECT_EQ(counts.in_flight, 0);
  EXPECT_EQ(sum(counts.ends), counts.calls);
  EXPECT_EQ(counts.end(core::CallEnd::kSuccess),
            books.codes[grpc::StatusCode::OK]);
  EXPECT_EQ(counts.end(core::CallEnd::kRejected), refused);
  EXPECT_EQ(sum(counts.rejections), refused);
  for (const auto& [code, n] : books.codes) {
    if (code == grpc::StatusCode::OK) continue;
    EXPECT_EQ(counts.codes[static_cast<size_t>(code)], n) << code;
  }
  // The counts of engine, injector and server.
  EXPECT_EQ(sum(counts.attempts), faults.attempts);
  EXPECT_EQ(sum(counts.attributions), faults.attempts);
  EXPECT_EQ(faults.untouched + faults.late + faults.failed + faults.dropped,
            faults.attempts);
  EXPECT_EQ(server.attempts(kUnary),
            faults.untouched + faults.late + faults.dropped);
  EXPECT_EQ(server.overruns(), 0);
  // The faults did happen.
  EXPECT_GT(faults.failed, 0);
  EXPECT_GT(faults.dropped, 0);
  EXPECT_GT(counts.attempts_of(core::AttemptKind::kRetry), 0);
  EXPECT_GT(books.codes[grpc::StatusCode::INTERNAL], 0);
}

}  // namespace
}  // namespace firebreak::testing
