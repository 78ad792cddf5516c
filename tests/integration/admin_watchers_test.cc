// Watchers by the thousand, and one that never reads.
#include <gmock/gmock.h>
#include <grpcpp/completion_queue.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "src/admin/event_streams.h"
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
    ASSERT_TRUE(watcher->Read());
    EXPECT_EQ(watcher->response().last_sequence(), 1);
  }
  v1::GetMethodResponse response;
  EXPECT_TRUE(f.Get("Charge", &response).ok());
}

TEST(AdminWatchersTest, OneThatNeverReadsHoldsUpNobodyAndIsToldWhatItMissed) {
  AdminFixture f;  // keeps a thousand events
  core::Breaker* const breaker = f.Bind("payment", "", kCharge);
  // One whose end of the connection takes 64 kB, and no more before it reads.
  grpc::ChannelArguments args;
  args.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  args.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 65'536);
  args.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  const auto narrow = v1::Admin::NewStub(grpc::CreateCustomChannel(
      f.address(), grpc::InsecureChannelCredentials(), args));
  Watcher sleeper(narrow.get());
  ASSERT_TRUE(sleeper.Read());
  Watcher reader(f.stub());
  ASSERT_TRUE(reader.Read());
  // In steps that the one who reads can follow.
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

TEST(AdminWatchersTest, OneThatNeverReadsDoesNotHoldUpTheEnd) {
  AdminFixture f;
  core::Breaker* const breaker = f.Bind("payment", "", kCharge);
  Watcher sleeper(f.stub());
  ASSERT_TRUE(sleeper.Read());
  for (int i = 0; i < 50'000; ++i) breaker->Reset(engine::Now());
  f.KillServer();
  EXPECT_NE(sleeper.End(), grpc::StatusCode::OK);
}

TEST(AdminPortTest, OneThatIsTakenIsNoServer) {
  AdminFixture first({}, "127.0.0.1:0");
  ASSERT_TRUE(first.ok());
  grpc::ServerBuilder builder;
  // As most servers have it by default on Linux: two on one port.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddListeningPort(first.address(), grpc::InsecureServerCredentials());
  const auto engine = Engine::FromText(kAdminPolicy);
  ASSERT_TRUE(engine.ok());
  AdminService second(*engine);
  builder.RegisterService(&second);
  EXPECT_EQ(builder.BuildAndStart(), nullptr);
  second.Shutdown();
  // And nothing is left of it in the first.
  v1::ListMethodsResponse response;
  EXPECT_TRUE(first.Call(&v1::Admin::Stub::ListMethods, {}, &response).ok());
}

}  // namespace
}  // namespace firebreak::testing
