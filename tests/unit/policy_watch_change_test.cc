// A file that takes the place of another, with files of the test's own making.
#include <stdlib.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "firebreak/engine.h"
#include "gtest/gtest.h"
#include "src/core/event_log.h"
#include "src/core/mutex.h"
#include "src/engine/engine_core.h"
#include "src/engine/policy_watch.h"

namespace firebreak::engine {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

// All of one size.
std::string Timeout(int seconds) {
  return absl::StrCat("method { name {} timeout: \"", 100 + seconds, "s\" }");
}

// A file with a clock that ticks when the test says so.
class FakeFile {
 public:
  void Write(std::string text) {
    core::MutexLock lock(&mu_);
    text_ = std::move(text);
    look_.size = static_cast<int64_t>(text_.size());
    look_.modified_ns = look_.changed_ns = clock_ns_;
    look_.error = 0;
  }
  void Tick() {
    core::MutexLock lock(&mu_);
    ++clock_ns_;
  }
  void Lose() {
    core::MutexLock lock(&mu_);
    look_.error = ENOENT;
  }
  int reads() const { return reads_; }

  FileLook Look() {
    core::MutexLock lock(&mu_);
    if (look_.error == 0) return look_;
    FileLook gone;
    gone.error = look_.error;
    return gone;
  }
  absl::StatusOr<std::string> Read(FileLook* look) {
    core::MutexLock lock(&mu_);
    ++reads_;
    if (look_.error != 0) return absl::NotFoundError("gone");
    *look = look_;
    return text_;
  }

 private:
  core::Mutex mu_;
  std::string text_ ABSL_GUARDED_BY(mu_);
  FileLook look_ ABSL_GUARDED_BY(mu_);
  int64_t clock_ns_ ABSL_GUARDED_BY(mu_) = 1;
  std::atomic<int> reads_{0};
};

class FakeWatchedFile final : public WatchedFile {
 public:
  explicit FakeWatchedFile(FakeFile* file) : file_(file) {}
  FileLook Look() override { return file_->Look(); }
  absl::StatusOr<std::string> Read(FileLook* look) override {
    return file_->Read(look);
  }

 private:
  FakeFile* const file_;
};

class PolicyWatchChangeTest : public ::testing::Test {
 protected:
  PolicyWatchChangeTest() {
    std::string pattern = ::testing::TempDir() + "/watch_XXXXXX";
    dir_ = mkdtemp(pattern.data());
    path_ = dir_ + "/policy.textproto";
    EngineOptions options;
    options.log_sink = nullptr;  // it has a timer too
    engine_ = *Engine::FromText("method { name {} }", options);
  }
  ~PolicyWatchChangeTest() override { fs::remove_all(dir_); }

  // A timer of an hour: whoever looks is the test.
  static std::shared_ptr<PolicyWatch> WatchOf(const std::string& name,
                                              FakeFile* file) {
    return PolicyWatch::Create(name, std::chrono::hours(1),
                               std::make_unique<FakeWatchedFile>(file));
  }
  EngineCore* core() { return engine_->core().get(); }
  // Of the policy in force.
  int timeout() {
    return static_cast<int>(
               core::ToSeconds(core()->policy().Find("c", "/s/m")->timeout)) -
           100;
  }

  std::string dir_;
  std::string path_;
  std::shared_ptr<Engine> engine_;
};

class ArmedTimersAtEvents final : public core::EventSink {
 public:
  explicit ArmedTimersAtEvents(Io* io) : io_(io) {}
  void OnEvent(const core::Event&) override { seen = io_->armed_timers(); }
  size_t seen = 99;

 private:
  Io* const io_;
};

// Else it could still say something after it, and be the policy for ever: the
// engine would watch one file and run another.
TEST_F(PolicyWatchChangeTest, AFileIsLetGoBeforeTheNextIsThePolicy) {
  FakeFile a;
  FakeFile b;
  a.Write(Timeout(1));
  b.Write(Timeout(2));
  ASSERT_TRUE(core()->Watch(WatchOf("a", &a)).ok());
  ASSERT_EQ(core()->io()->armed_timers(), 1u);
  ArmedTimersAtEvents sink(core()->io());
  core()->event_log()->SetSink(&sink);
  ASSERT_TRUE(core()->Watch(WatchOf("b", &b)).ok());
  core()->event_log()->SetSink(core()->listeners());
  EXPECT_EQ(sink.seen, 0u) << "the timer of the first was armed";
  EXPECT_EQ(core()->io()->armed_timers(), 1u);
}

TEST_F(PolicyWatchChangeTest, NothingOfAFileArrivesOnceAnotherIsWatched) {
  FakeFile a;
  FakeFile b;
  b.Write(Timeout(0));
  for (int round = 0; round < 200; ++round) {
    a.Write(Timeout(1));
    const auto watch = WatchOf("a", &a);
    ASSERT_TRUE(core()->Watch(watch).ok());
    std::atomic<int> looks{0};
    std::atomic<bool> is_over{false};
    std::thread looker([&] {
      core::Time now;
      while (!is_over) {
        // Each time it is another policy that has stood still.
        a.Tick();
        a.Write(Timeout(1 + looks % 90));
        for (int i = 0; i < 3; ++i) {
          now += std::chrono::hours(1);
          watch->Poll(core(), now);
        }
        ++looks;
      }
    });
    while (looks < 1 + round % 5) std::this_thread::yield();
    ASSERT_TRUE(core()->Watch(WatchOf("b", &b)).ok());
    EXPECT_EQ(engine_->policy().source, "file b");
    const int before = looks;
    while (looks < before + 3) std::this_thread::yield();
    is_over = true;
    looker.join();
    ASSERT_EQ(engine_->policy().source, "file b") << "in round " << round;
    ASSERT_EQ(timeout(), 0) << "in round " << round;
  }
}

// Whoever is last is watched, and its policy is the one in force.
TEST_F(PolicyWatchChangeTest, ManyFilesAtATimeAndTheLastOneRules) {
  FakeFile files[4];
  for (int i = 0; i < 4; ++i) files[i].Write(Timeout(i));
  for (int round = 0; round < 50; ++round) {
    std::shared_ptr<PolicyWatch> watches[4];
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      watches[i] = WatchOf(absl::StrCat(i), &files[i]);
      threads.emplace_back([this, watch = watches[i]] {
        EXPECT_TRUE(core()->Watch(watch).ok());
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(core()->io()->armed_timers(), 1u);
    const int rules = timeout();
    // The one that is watched is the only one that can still say something.
    core::Time now;
    for (int i = 0; i < 4; ++i) {
      files[i].Tick();
      files[i].Write(Timeout(10 + i));
      for (int look = 0; look < 3; ++look) {
        now += std::chrono::hours(1);
        watches[i]->Poll(core(), now);
      }
      files[i].Write(Timeout(i));
    }
    ASSERT_EQ(timeout(), 10 + rules) << "in round " << round;
  }
}

TEST_F(PolicyWatchChangeTest, AFileThatCannotBeWatchedChangesNothing) {
  FakeFile a;
  FakeFile b;
  a.Write(Timeout(1));
  b.Write("garbage");
  const auto watch = WatchOf("a", &a);
  ASSERT_TRUE(core()->Watch(watch).ok());
  EXPECT_FALSE(core()->Watch(WatchOf("b", &b)).ok());
  b.Lose();
  EXPECT_FALSE(core()->Watch(WatchOf("b", &b)).ok());
  EXPECT_EQ(core()->policy_stats().refused, 2);
  EXPECT_EQ(core()->io()->armed_timers(), 1u);
  a.Tick();
  a.Write(Timeout(3));
  for (int i = 1; i < 4; ++i) {
    watch->Poll(core(), core::Time() + i * std::chrono::hours(1));
  }
  EXPECT_EQ(timeout(), 3);
}

}  // namespace
}  // namespace firebreak::engine
