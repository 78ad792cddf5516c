// A policy file that engines watch in real time, while they come and go.
#include <stdlib.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "firebreak/engine.h"
#include "gtest/gtest.h"
#include "src/engine/candidate/candidate_store.h"
#include "src/engine/policy/policy.h"
#include "tests/support/engine_fixture.h"
#include "tests/support/stub_styles.h"

namespace firebreak::testing {
namespace {

namespace fs = std::filesystem;

class PolicyFileWatchTest : public ::testing::Test {
 protected:
  PolicyFileWatchTest() {
    std::string pattern = ::testing::TempDir() + "/watch_XXXXXX";
    dir_ = mkdtemp(pattern.data());
    path_ = dir_ + "/policy.textproto";
    options_.interval = std::chrono::milliseconds(10);
  }
  ~PolicyFileWatchTest() override { fs::remove_all(dir_); }

  void Replace(const std::string& text) {
    std::ofstream(path_ + ".new", std::ios::binary) << text;
    fs::rename(path_ + ".new", path_);
  }
  static std::string Attempts(int n) {
    return absl::StrCat("method { name {} retry { max_attempts: ", n,
                        " backoff { initial: \"0\" max: \"0\" } } }");
  }

  std::string dir_;
  std::string path_;
  WatchOptions options_;
};

TEST_F(PolicyFileWatchTest, CallsFollowTheFile) {
  Replace(Attempts(2));
  auto engine = Engine::FromFile(path_);
  ASSERT_TRUE(engine.ok()) << engine.status();
  EXPECT_EQ((*engine)->policy().source, "file " + path_);
  ASSERT_TRUE((*engine)->WatchFile(path_, options_).ok());
  EXPECT_EQ((*engine)->policy().version, 1u) << "it says what is in force";
  EchoServer server;
  const auto channel = (*engine)->CreateChannel(
      "test", server.address(), grpc::InsecureChannelCredentials());
  const Caller caller(StubStyle::kSync, channel);
  const auto attempts = [&] {
    const int before = server.calls();
    server.Script({Step::Fail(grpc::StatusCode::UNAVAILABLE),
                   Step::Fail(grpc::StatusCode::UNAVAILABLE),
                   Step::Fail(grpc::StatusCode::UNAVAILABLE)});
    UnaryCall call("hello");
    caller.Run(&call);
    return server.calls() - before;
  };
  EXPECT_EQ(attempts(), 2);
  Replace(Attempts(3));
  ASSERT_TRUE(Eventually([&] { return (*engine)->policy().version == 2; }));
  EXPECT_EQ(attempts(), 3);
  Replace("garbage");
  ASSERT_TRUE(Eventually(
      [&] { return (*engine)->core()->policy_stats().refused == 1; }));
  EXPECT_EQ(attempts(), 3);
  fs::remove(path_);
  ASSERT_TRUE(Eventually(
      [&] { return (*engine)->core()->policy_stats().refused == 2; }));
  Replace(Attempts(2));
  ASSERT_TRUE(Eventually([&] { return (*engine)->policy().version == 3; }));
  EXPECT_EQ(attempts(), 2);
}

// The engine is destroyed, but its channel is not: the file is still watched.
// The file and the candidate do not know of each other.
TEST_F(PolicyFileWatchTest, ACandidateStaysBesideTheFile) {
  Replace(Attempts(2));
  const auto engine = *Engine::FromFile(path_);
  ASSERT_TRUE(engine->WatchFile(path_, options_).ok());
  engine::CandidateStore* const store = engine->core()->candidates();
  ASSERT_TRUE(store
                  ->Set(engine::ParsePolicyText(Attempts(5), "test", true),
                        PolicyUpdate())
                  .ok());
  Replace(Attempts(3));
  ASSERT_TRUE(Eventually([&] { return engine->policy().version == 2; }));
  EXPECT_EQ(store->current_id(), 1u);
  EXPECT_TRUE(absl::IsAborted(store->Promote({}).status()));
  engine::CandidateStore::Promotion by_force;
  by_force.force = true;
  ASSERT_TRUE(store->Promote(by_force).ok());
  EXPECT_EQ(engine->policy().version, 3u);
  EXPECT_EQ(store->current_id(), 0u);
  Replace(Attempts(4));
  ASSERT_TRUE(Eventually([&] { return engine->policy().version == 4; }));
  EXPECT_EQ(engine->policy().source, "file " + path_);
}

TEST_F(PolicyFileWatchTest, EndsWithTheLastChannel) {
  Replace(Attempts(2));
  auto engine = *Engine::FromFile(path_);
  ASSERT_TRUE(engine->WatchFile(path_, options_).ok());
  const std::weak_ptr<engine::EngineCore> core = engine->core();
  auto channel = engine->CreateChannel("c", "localhost:1",
                                       grpc::InsecureChannelCredentials());
  engine.reset();
  Replace(Attempts(3));
  EXPECT_TRUE(
      Eventually([&] { return core.lock()->policy_stats().version == 2; }));
  channel.reset();
  // A check of the file that is in progress ends first.
  EXPECT_TRUE(Eventually([&] { return core.expired(); }));
}

TEST_F(PolicyFileWatchTest, EnginesEndAtAnyMomentOfALook) {
  Replace(Attempts(2));
  std::atomic<bool> is_over{false};
  std::thread writer([&] {
    for (int n = 0; !is_over; ++n) {
      Replace(Attempts(2 + n % 9));
      std::this_thread::sleep_for(std::chrono::milliseconds(25));
    }
  });
  for (int n = 0; n < 60; ++n) {
    auto engine = *Engine::FromText("method { name {} }");
    ASSERT_TRUE(engine->WatchFile(path_, options_).ok());
    std::this_thread::sleep_for(std::chrono::microseconds(n * 700));
    if (n % 3 == 0) engine->StopWatching();
  }
  is_over = true;
  writer.join();
}

}  // namespace
}  // namespace firebreak::testing
