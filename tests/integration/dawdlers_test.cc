// Application code that runs on the engine's threads and does not return: it
// delays its own calls, and no others.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/engine_fixture.h"
#include "tests/support/flight.h"
#include "tests/support/gate.h"

namespace firebreak::testing {
namespace {

using grpc::StatusCode;
using std::chrono::milliseconds;

constexpr char kHedged[] = R"pb(hedging { max_attempts: 2 delay: "1ms" })pb";
// More than the number of threads of a kind at the start.
constexpr int kDawdlers = 6;

class DawdlingListener final : public AttemptListener {
 public:
  enum class At { kHedge, kEnd };
  DawdlingListener(At at, Gate* gate) : at_(at), gate_(gate) {}
  void OnAttemptStart(const AttemptStart& start) override {
    // The first attempt starts on the calling thread, and the hedge on a thread
    // of the engine.
    if (at_ == At::kHedge && start.attempt == 1) gate_->Pass();
  }
  void OnAttemptEnd(const AttemptEnd& end) override {
    // The end of the caller's own call is reported on a thread of gRPC, like
    // its callback, and may block the same things as the callback.
    if (at_ == At::kEnd && end.attempt == 1) gate_->Pass();
  }

 private:
  const At at_;
  Gate* const gate_;
};

class DawdlersTest : public ::testing::TestWithParam<StubStyle> {
 protected:
  // First attempts hang and hedges are answered, in whatever order the attempts
  // of several calls arrive.
  DawdlersTest() { f_.server().ScriptAttempts({Step::Hang(), Step::Ok()}); }

  struct Call {
    Call(const std::string& text, StubStyle style)
        : call(text), flight(style) {}
    // Returns false after a generous time.
    bool Ends() {
      return Eventually([this] { return flight.ends() > 0; });
    }
    UnaryCall call;
    Flight flight;
  };

  ~DawdlersTest() override {
    ComeBack();
    f_.server().Release();
  }

  void ComeBack() {
    gate_.Open([] {});
    for (std::thread& each : starters_) each.join();
    starters_.clear();
  }

  // Makes calls on a separate channel. Each blocks one thread of the engine in
  // its listener.
  void Dawdle(DawdlingListener::At at) {
    ChannelOptions options;
    options.args.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);  // numbers the attempts
    options.attempt_listener = std::make_shared<DawdlingListener>(at, &gate_);
    const std::shared_ptr<Echo::Stub> stub =
        Echo::NewStub(f_.NewChannel(std::move(options)));
    for (int i = 0; i < kDawdlers; ++i) {
      dawdlers_.push_back(
          std::make_unique<Call>("dawdles", StubStyle::kCallback));
      Call* const each = dawdlers_.back().get();
      // On a slow machine the hedge may be due before the first attempt has
      // started. Then the thread that starts the call starts the hedge too.
      starters_.emplace_back(
          [stub, each] { each->flight.Start(stub.get(), &each->call); });
      ASSERT_TRUE(gate_.WaitForArrival(i + 1))
          << i << " others keep it from its thread";
    }
  }

  std::unique_ptr<Call> Start(const std::string& text) {
    auto call = std::make_unique<Call>(text, GetParam());
    call->flight.Start(stub_.get(), &call->call);
    return call;
  }

  Gate gate_;
  EngineFixture f_{kHedged};
  const std::unique_ptr<Echo::Stub> stub_ =
      Echo::NewStub(f_.NewNumberingChannel());
  std::vector<std::unique_ptr<Call>> dawdlers_;
  std::vector<std::thread> starters_;
};
INSTANTIATE_TEST_SUITE_P(Styles, DawdlersTest, AllStyles(), StyleName);

TEST_P(DawdlersTest, AtAHedgeTheyDelayNoHedgeOfOthers) {
  ASSERT_NO_FATAL_FAILURE(Dawdle(DawdlingListener::At::kHedge));
  for (int i = 0; i < 5; ++i) {
    auto call = Start("hedged");
    EXPECT_TRUE(call->Ends());
    if (HasFailure()) f_.server().Release();
    call->flight.Wait();
    EXPECT_TRUE(call->flight.status().ok())
        << call->flight.status().error_message();
  }
}

TEST_P(DawdlersTest, AtAHedgeTheyDelayNoDeadlineOfOthers) {
  ASSERT_NO_FATAL_FAILURE(Dawdle(DawdlingListener::At::kHedge));
  f_.server().Script("late", std::vector<Step>(2, Step::Hang()));
  auto call = std::make_unique<Call>("late", GetParam());
  call->call.context.set_deadline(std::chrono::system_clock::now() +
                                  milliseconds(100));
  call->flight.Start(stub_.get(), &call->call);
  EXPECT_TRUE(call->Ends());
  if (HasFailure()) gate_.Open([] {});
  call->flight.Wait();
  EXPECT_EQ(call->flight.status().error_code(), StatusCode::DEADLINE_EXCEEDED);
}

TEST_P(DawdlersTest, AtAnEndTheyDelayNoEndOfOthers) {
  ASSERT_NO_FATAL_FAILURE(Dawdle(DawdlingListener::At::kEnd));
  for (int i = 0; i < 5; ++i) {
    auto call = Start("fine");
    EXPECT_TRUE(call->Ends());
    if (HasFailure()) gate_.Open([] {});
    call->flight.Wait();
    EXPECT_TRUE(call->flight.status().ok())
        << call->flight.status().error_message();
  }
}

TEST_P(DawdlersTest, WhenTheyComeBackAllIsAsBefore) {
  ASSERT_NO_FATAL_FAILURE(Dawdle(DawdlingListener::At::kHedge));
  ComeBack();
  for (auto& each : dawdlers_) {
    EXPECT_TRUE(each->Ends());
    if (HasFailure()) f_.server().Release();
    each->flight.Wait();
    EXPECT_TRUE(each->flight.status().ok());
  }
  auto call = Start("hedged");
  EXPECT_TRUE(call->Ends());
  if (HasFailure()) f_.server().Release();
  call->flight.Wait();
  EXPECT_TRUE(call->flight.status().ok());
}

}  // namespace
}  // namespace firebreak::testing
