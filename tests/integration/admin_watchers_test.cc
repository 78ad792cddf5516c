// Thousands of clients that watch events, and one that never reads.
#include <gmock/gmock.h>
#include <grpcpp/completion_queue.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "src/admin/streams/event_streams.h"
#include "tests/support/admin_fixture.h"
#include "tests/support/engine_fixture.h"

namespace firebreak::testing {
namespace {

class Watcher {
 public:
  explicit Watcher(v1::Admin::Stub* stub) {
    context_.set_deadline(std::chrono::system_clock::now() +
                          std::chrono::seconds(60));
    reader_ = stub->WatchEvents(&context_, {});
  }
  ~Watcher() {
    if (reader_ == nullptr) return;
    context_.TryCancel();
    reader_->Finish();
  }
  bool Read() { return reader_->Read(&response_); }
  const v1::WatchEventsResponse& response() const { return response_; }
  void Cancel() { context_.TryCancel(); }
  grpc::StatusCode End() {
    while (Read()) {
    }
    const grpc::StatusCode code = reader_->Finish().error_code();
    reader_.reset();
    return code;
  }

 private:
  grpc::ClientContext context_;
  v1::WatchEventsResponse response_;
  std::unique_ptr<grpc::ClientReader<v1::WatchEventsResponse>> reader_;
};

// A client whose connection buffers 64 kB, and no more until the client reads.
std::unique_ptr<v1::Admin::Stub> NarrowStub(const AdminFixture& f) {
  grpc::ChannelArguments args;
  args.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  args.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 65'536);
  args.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return v1::Admin::NewStub(grpc::CreateCustomChannel(
      f.address(), grpc::InsecureChannelCredentials(), args));
}

TEST(AdminWatchersTest, OfAThousandAHundredGetInAndEveryoneElseIsServed) {
  AdminFixture f;
  core::Breaker* const breaker = f.Bind("payment", "", kCharge);
  std::vector<std::unique_ptr<Watcher>> in;
  int refused = 0;
  for (int i = 0; i < 1000; ++i) {
    auto watcher = std::make_unique<Watcher>(f.stub());
    if (watcher->Read()) {
      in.push_back(std::move(watcher));
      continue;
    }
    EXPECT_EQ(watcher->End(), grpc::StatusCode::RESOURCE_EXHAUSTED);
    ++refused;
  }
  EXPECT_EQ(in.size(), admin::EventStreams::kMaxStreams);
  EXPECT_EQ(refused, 900);
  breaker->Reset(engine::Now());
  for (const auto& watcher : in) {
    // Skips heartbeats, which come first if this took long.
    while (watcher->response().last_sequence() < 1) {
      ASSERT_TRUE(watcher->Read());
    }
  }
  v1::GetMethodResponse response;
  EXPECT_TRUE(f.Get("Charge", &response).ok());
}

TEST(AdminWatchersTest, OneThatNeverReadsHoldsUpNobodyAndIsToldWhatItMissed) {
  AdminFixture f;  // keeps a thousand events
  core::Breaker* const breaker = f.Bind("payment", "", kCharge);
  const auto narrow = NarrowStub(f);
  Watcher sleeper(narrow.get());
  ASSERT_TRUE(sleeper.Read());
  Watcher reader(f.stub());
  ASSERT_TRUE(reader.Read());
  // Sends the events in steps that the client that reads can follow.
  constexpr int64_t kEvents = 50'000;
  for (int64_t sent = 0; sent < kEvents; sent += 500) {
    for (int i = 0; i < 500; ++i) breaker->Reset(engine::Now());
    while (reader.response().last_sequence() < sent + 500) {
      ASSERT_TRUE(reader.Read());
    }
  }
  int64_t seen = 0;
  int64_t missed = 0;
  while (sleeper.response().last_sequence() < kEvents) {
    ASSERT_TRUE(sleeper.Read());
    seen += sleeper.response().events_size();
    missed += sleeper.response().missed();
  }
  EXPECT_GT(missed, 0);
  EXPECT_EQ(seen + missed, kEvents);
}

// Checks that an application ends although a client watches that never reads.
// Each of `pages` is a number of events of 2 kB each that are sent to it at
// once.
void ExpectEndsDespiteSleeper(const std::vector<int>& pages) {
  AdminFixture f;
  core::Breaker* const breaker =
      f.Bind("payment", "", std::string(kCharge) + std::string(2000, 'x'));
  const auto narrow = NarrowStub(f);
  Watcher sleeper(narrow.get());
  ASSERT_TRUE(sleeper.Read());
  // It is served after the sleeper. So when it gets an event, the sleeper has
  // been served, too.
  Watcher reader(f.stub());
  ASSERT_TRUE(reader.Read());
  int64_t sent = 0;
  for (const int page : pages) {
    sent += page;
    for (int i = 0; i < page; ++i) breaker->Reset(engine::Now());
    while (reader.response().last_sequence() < sent) ASSERT_TRUE(reader.Read());
  }
  std::promise<void> ended;
  std::thread application([&] {
    f.StopServer();
    ended.set_value();
  });
  EXPECT_EQ(reader.End(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(ended.get_future().wait_for(std::chrono::seconds(20)),
            std::future_status::ready);
  sleeper.Cancel();  // makes the test end even if it fails
  application.join();
}

TEST(AdminWatchersTest, OneThatNeverReadsDoesNotHoldUpTheEnd) {
  ExpectEndsDespiteSleeper({});
  // More than the connection can buffer: the write does not complete.
  ExpectEndsDespiteSleeper({100, 100, 100});
  // gRPC itself keeps the excess and reports it as written: the end of the
  // stream does not complete.
  ExpectEndsDespiteSleeper({30, 20, 1});
}

// Returns whether a watcher gets an event while the pool that serves it is
// busy.
bool IsServedWhileThePoolIsBusy() {
  AdminFixture f;
  core::Breaker* const breaker = f.Bind("payment", "", kCharge);
  Watcher watcher(f.stub());
  EXPECT_TRUE(watcher.Read());
  std::promise<void> release;
  const std::shared_future<void> released = release.get_future().share();
  for (int i = 0; i < engine::Io::Options().observer_threads; ++i) {
    std::promise<void> taken;
    EXPECT_TRUE(f.core()->io()->SubmitAside([&taken, released] {
      taken.set_value();
      released.wait();
    }));
    taken.get_future().wait();
  }
  breaker->Reset(engine::Now());
  std::atomic<bool> read{false};
  std::thread reader([&] {
    EXPECT_TRUE(watcher.Read());
    read = true;
  });
  // Waits eight times as long as the period in which watchers are woken.
  class Alarm : public engine::TimerClient {
   public:
    void OnTimer() override { rung.set_value(); }
    engine::Timer timer;
    std::promise<void> rung;
  };
  const auto alarm = std::make_shared<Alarm>();
  alarm->timer.client = alarm;
  f.core()->io()->Arm(&alarm->timer,
                      engine::Now() + std::chrono::milliseconds(200));
  alarm->rung.get_future().wait();
  const bool was_served = read;
  release.set_value();
  reader.join();
  EXPECT_EQ(watcher.response().last_sequence(), 1);
  return was_served;
}

TEST(AdminWatchersTest, TheTimerThreadDoesNotServeThem) {
  // If the previous write completes late, its completion may serve the watcher.
  constexpr int kTries = 5;
  int served = 0;
  while (served < kTries && IsServedWhileThePoolIsBusy()) ++served;
  EXPECT_LT(served, kTries);
}

TEST(AdminPortTest, OneThatIsTakenIsNoServer) {
  AdminFixture first({}, "127.0.0.1:0");
  ASSERT_TRUE(first.ok());
  grpc::ServerBuilder builder;
  // Without this, Linux would allow two servers on one port.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddListeningPort(first.address(), grpc::InsecureServerCredentials());
  const auto engine = Engine::FromText(kAdminPolicy);
  ASSERT_TRUE(engine.ok());
  AdminService second(*engine);
  builder.RegisterService(&second);
  EXPECT_EQ(builder.BuildAndStart(), nullptr);
  second.Shutdown();
  // The failure has no effect on the first server.
  v1::ListMethodsResponse response;
  EXPECT_TRUE(first.Call(&v1::Admin::Stub::ListMethods, {}, &response).ok());
}

}  // namespace
}  // namespace firebreak::testing
