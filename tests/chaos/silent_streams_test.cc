// A server is frozen while silent streams to it are open: what they show of
// the fault, with keepalive and without, and what they must not hide.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <future>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "tests/chaos/chaos_fixture.h"
#include "tests/support/engine_fixture.h"
#include "tests/support/server_process.h"

namespace firebreak::testing {
namespace {

using grpc::StatusCode;

// A stream from the server, which sends one message if the server is alive.
class Watcher {
 public:
  Watcher(StubStyle style, Echo::Stub* stub) : stub_(stub) {
    request_.set_answers(1);
    if (style == StubStyle::kCallback) {
      reactor_ = std::make_unique<Reactor>(this);
      stub_->async()->ServerStream(&context_, &request_, reactor_.get());
      reactor_->StartRead(&reply_);
      reactor_->StartCall();
    } else if (style == StubStyle::kSync) {
      thread_ = std::thread([this] { ReadOnThread(); });
    } else {
      thread_ = std::thread([this] { ReadFromQueue(); });
    }
  }
  ~Watcher() {
    context_.TryCancel();
    done_.get_future().wait();
    if (thread_.joinable()) thread_.join();
  }
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

  bool is_heard() const { return heard_; }
  // UNKNOWN while it is open.
  StatusCode code() const { return code_; }

 private:
  class Reactor final : public grpc::ClientReadReactor<EchoReply> {
   public:
    explicit Reactor(Watcher* watcher) : watcher_(watcher) {}
    void OnReadDone(bool ok) override {
      if (!ok) return;
      watcher_->heard_ = true;
      StartRead(&watcher_->reply_);
    }
    void OnDone(const grpc::Status& status) override { watcher_->End(status); }

   private:
    Watcher* const watcher_;
  };

  void ReadOnThread() {
    const auto reader = stub_->ServerStream(&context_, request_);
    while (reader->Read(&reply_)) heard_ = true;
    End(reader->Finish());
  }
  void ReadFromQueue() {
    grpc::CompletionQueue queue;
    void* tag = nullptr;
    bool ok = false;
    const auto reader =
        stub_->AsyncServerStream(&context_, request_, &queue, this);
    queue.Next(&tag, &ok);
    while (ok) {
      reader->Read(&reply_, this);
      queue.Next(&tag, &ok);
      if (ok) heard_ = true;
    }
    grpc::Status status;
    reader->Finish(&status, this);
    queue.Next(&tag, &ok);
    queue.Shutdown();
    while (queue.Next(&tag, &ok)) {
    }
    End(status);
  }
  void End(const grpc::Status& status) {
    code_ = status.error_code();
    done_.set_value();
  }

  Echo::Stub* const stub_;
  grpc::ClientContext context_;
  EchoRequest request_;
  EchoReply reply_;
  std::atomic<bool> heard_{false};
  std::atomic<StatusCode> code_{StatusCode::UNKNOWN};
  std::promise<void> done_;
  std::unique_ptr<Reactor> reactor_;
  std::thread thread_;
};

class SilentStreamsTest : public CleanTest,
                          public ::testing::WithParamInterface<StubStyle> {
 protected:
  using Watchers = std::vector<std::unique_ptr<Watcher>>;

  void Open(const std::string& scope, const grpc::ChannelArguments& args) {
    engine_ = std::make_unique<ChaosEngine>(
        "breaker { consecutive_failures: 3 failure_rate: 0 probes: 2 scope: " +
        scope +
        " probe_interval: \"50ms\" open_jitter: 0 probe_timeout: \"1200ms\" "
        // An open watcher makes no new call that could be the second probe.
        "half_open_duration: \"500ms\" ramp { duration: \"0s\" } }");
    channel_ = engine_->Channel(server_.address(), args);
    stub_ = Echo::NewStub(channel_);
  }
  std::unique_ptr<Watcher> Watch() {
    return std::make_unique<Watcher>(GetParam(), stub_.get());
  }
  // Opens `n` watchers, while the server is alive.
  Watchers WatchAndHear(int n) {
    Watchers watchers;
    for (int i = 0; i < n; ++i) watchers.push_back(Watch());
    for (const auto& watcher : watchers) {
      EXPECT_TRUE(Eventually([&] { return watcher->is_heard(); }));
    }
    return watchers;
  }
  // Opens every watcher again that has ended, as real watchers do: those that
  // were refused, and those that got no answer.
  void WatchOn(Watchers* watchers) {
    for (auto& watcher : *watchers) {
      if (watcher->code() != StatusCode::UNKNOWN) watcher = Watch();
    }
  }
  // Returns the number of watchers that the breaker has admitted so far.
  int64_t Admitted() {
    for (const auto& runtime : engine_->engine()->core()->Methods()) {
      if (absl::EndsWith(runtime->method, "/ServerStream")) {
        return runtime->stats.counts().attempts_of(core::AttemptKind::kFirst);
      }
    }
    return 0;
  }
  // Opens watchers until one is admitted to the frozen server. Then waits until
  // it has been open as a probe for more than the second after which an open
  // stream could count as a success.
  void WatchAsAProbe(Watchers* watchers) {
    const int64_t before = Admitted();
    ASSERT_TRUE(Eventually([&] {
      WatchOn(watchers);
      return Admitted() > before;
    }));
    const core::Time begun = engine::Now();
    ASSERT_TRUE(Eventually([&] {
      WatchOn(watchers);
      return engine::Now() - begun > std::chrono::milliseconds(1'300);
    }));
    EXPECT_TRUE(std::any_of(
        watchers->begin(), watchers->end(),
        [](const auto& each) { return each->code() == StatusCode::UNKNOWN; }));
  }
  void Freeze() {
    before_ = AllStates().size();
    server_.Freeze();
  }
  // Returns the states that the breaker has entered since then, in order.
  std::vector<std::string> States() {
    const std::vector<std::string> all = AllStates();
    return {all.begin() + static_cast<std::ptrdiff_t>(before_), all.end()};
  }
  std::vector<std::string> AllStates() {
    std::vector<std::string> states;
    for (const core::Event& event :
         engine_->engine()->core()->events().Since(0, 1'000'000).events) {
      if (!event.to.empty()) states.push_back(event.to);
    }
    return states;
  }
  bool IsClosedAgain() { return AllStates().back() == "closed"; }

  ServerProcess server_;
  size_t before_ = 0;
  std::unique_ptr<ChaosEngine> engine_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<Echo::Stub> stub_;
};
INSTANTIATE_TEST_SUITE_P(Styles, SilentStreamsTest,
                         ::testing::Values(StubStyle::kSync,
                                           StubStyle::kCallback,
                                           StubStyle::kCompletionQueue),
                         StyleName);

// One breaker for all methods. A frozen server keeps its connection, so the
// streams stay open. They must not count as successes while calls time out.
TEST_P(SilentStreamsTest, WithoutKeepaliveUnaryCallsOpenItAndKeepItOpen) {
  Open("CHANNEL", {});
  const Watchers before = WatchAndHear(2);
  Load::Options options;
  options.callers = 2;
  options.deadline = std::chrono::milliseconds(200);
  Freeze();
  Load load(channel_, options);
  ASSERT_TRUE(load.WaitFor(3, IsRefused()));
  ASSERT_EQ(States(), std::vector<std::string>{"open"});

  Watchers watchers(2);
  for (auto& watcher : watchers) watcher = Watch();
  const int timeouts = load.Count(IsCode(StatusCode::DEADLINE_EXCEEDED));
  ASSERT_NO_FATAL_FAILURE(WatchAsAProbe(&watchers));
  ASSERT_TRUE(Eventually([&] {
    return load.Count(IsCode(StatusCode::DEADLINE_EXCEEDED)) > timeouts;
  }));
  EXPECT_EQ(States(), std::vector<std::string>{"open"});
  for (const auto& watcher : before) {
    EXPECT_EQ(watcher->code(), StatusCode::UNKNOWN) << "it is open";
  }

  server_.Thaw();
  ASSERT_TRUE(load.WaitFor(10, IsOk()));
  ASSERT_TRUE(Eventually([&] { return IsClosedAgain(); }));
  for (const auto& watcher : before) {
    EXPECT_EQ(watcher->code(), StatusCode::UNKNOWN) << "it is open";
  }
  load.Stop();
  load.ExpectSound();
}

// A breaker for the stream alone. Keepalive finds that the connection is dead,
// and ends the streams. New streams then have no connection, so their silence
// is no success.
TEST_P(SilentStreamsTest, WithKeepaliveTheDeadConnectionIsFound) {
  grpc::ChannelArguments args = QuickReconnects();
  args.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 100);
  // Longer than the machine stalls while the server is alive.
  args.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 2'000);
  args.SetInt("grpc.http2.ping_timeout_ms", 2'000);  // from 1.8x on
  args.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  Open("METHOD", args);
  Watchers watchers = WatchAndHear(4);
  Freeze();
  for (const auto& watcher : watchers) {
    ASSERT_TRUE(
        Eventually([&] { return watcher->code() == StatusCode::UNAVAILABLE; }));
  }
  const std::vector<std::string> states = AllStates();
  ASSERT_FALSE(states.empty());
  ASSERT_EQ(states.back(), "open");
  const core::Time begun = engine::Now();
  ASSERT_TRUE(Eventually([&] {
    WatchOn(&watchers);
    return engine::Now() - begun > std::chrono::milliseconds(1'300);
  }));
  EXPECT_EQ(AllStates(), states);

  server_.Thaw();
  ASSERT_TRUE(Eventually([&] {
    WatchOn(&watchers);
    return IsClosedAgain();
  }));
  watchers.clear();
  WatchAndHear(1);
}

}  // namespace
}  // namespace firebreak::testing
