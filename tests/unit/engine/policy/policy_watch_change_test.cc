// A watched file that replaces another one, with fake files.

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "firebreak/engine.h"
#include "gtest/gtest.h"
#include "src/core/measure/event_log.h"
#include "src/engine/engine_core.h"
#include "src/engine/policy/policy_watch.h"
#include "tests/support/fake_watched_file.h"

namespace firebreak::engine {
namespace {

// All of one size.
std::string Timeout(int more) {
  return absl::StrCat("method { name {} timeout: \"", 100 + more, "s\" }");
}

class PolicyWatchChangeTest : public ::testing::Test {
 protected:
  PolicyWatchChangeTest() {
    EngineOptions options;
    options.log_sink = nullptr;  // it has a timer too
    engine_ = *Engine::FromText("method { name {} }", options);
  }

  // The timer is set to an hour, so that only the test polls the file.
  static std::shared_ptr<PolicyWatch> WatchOf(const std::string& name,
                                              FakeFile* file) {
    return PolicyWatch::Create(name, std::chrono::hours(1), file->NewWatched());
  }
  EngineCore* core() { return engine_->core().get(); }
  absl::Status Watch(const std::shared_ptr<PolicyWatch>& watch) {
    return core()->policies()->Watch(watch, core()->SharedPolicies());
  }
  // Of the policy in force.
  int timeout() {
    return static_cast<int>(
               core::ToSeconds(core()->policy().Find("c", "/s/m")->timeout)) -
           100;
  }

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

// Otherwise it could still set the policy afterwards: the engine would watch
// one file and have the policy of another.
TEST_F(PolicyWatchChangeTest, AFileIsLetGoBeforeTheNextIsThePolicy) {
  FakeFile a;
  FakeFile b;
  a.Write(Timeout(1));
  b.Write(Timeout(2));
  ASSERT_TRUE(Watch(WatchOf("a", &a)).ok());
  ASSERT_EQ(core()->io()->armed_timers(), 1u);
  ArmedTimersAtEvents sink(core()->io());
  core()->event_log()->SetSink(&sink);
  ASSERT_TRUE(Watch(WatchOf("b", &b)).ok());
  core()->event_log()->SetSink(core()->listeners());
  EXPECT_EQ(sink.seen, 0u) << "the timer of the first was armed";
  EXPECT_EQ(core()->io()->armed_timers(), 1u);
}

TEST_F(PolicyWatchChangeTest, NothingOfAFileArrivesOnceAnotherIsWatched) {
  FakeFile a;
  FakeFile b;
  b.Write(Timeout(0));
  for (int round = 0; round < 30; ++round) {
    a.Write(Timeout(1));
    const auto watch = WatchOf("a", &a);
    ASSERT_TRUE(Watch(watch).ok());
    std::atomic<int> looks{0};
    std::atomic<bool> is_over{false};
    std::thread looker([&] {
      core::Time now;
      while (!is_over) {
        // Each time it is another policy, which has not changed for a while.
        a.Tick();
        a.Write(Timeout(1 + looks % 90));
        for (int i = 0; i < 3; ++i) {
          now += std::chrono::hours(1);
          watch->Poll(core()->policies(), now);
        }
        ++looks;
      }
    });
    while (looks < 1 + round % 5) std::this_thread::yield();
    ASSERT_TRUE(Watch(WatchOf("b", &b)).ok());
    EXPECT_EQ(engine_->policy().source, "file b");
    const int before = looks;
    while (looks < before + 3) std::this_thread::yield();
    is_over = true;
    looker.join();
    ASSERT_EQ(engine_->policy().source, "file b") << "in round " << round;
    ASSERT_EQ(timeout(), 0) << "in round " << round;
  }
}

// The last file is watched, and its policy is in force.
TEST_F(PolicyWatchChangeTest, ManyFilesAtATimeAndTheLastOneRules) {
  FakeFile files[4];
  for (int i = 0; i < 4; ++i) files[i].Write(Timeout(i));
  for (int round = 0; round < 20; ++round) {
    std::shared_ptr<PolicyWatch> watches[4];
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      watches[i] = WatchOf(absl::StrCat(i), &files[i]);
      threads.emplace_back(
          [this, watch = watches[i]] { EXPECT_TRUE(Watch(watch).ok()); });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(core()->io()->armed_timers(), 1u);
    const int rules = timeout();
    // Only the watched file can still change the policy.
    core::Time now;
    for (int i = 0; i < 4; ++i) {
      files[i].Tick();
      files[i].Write(Timeout(10 + i));
      for (int look = 0; look < 3; ++look) {
        now += std::chrono::hours(1);
        watches[i]->Poll(core()->policies(), now);
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
  ASSERT_TRUE(Watch(watch).ok());
  EXPECT_FALSE(Watch(WatchOf("b", &b)).ok());
  b.Lose();
  EXPECT_FALSE(Watch(WatchOf("b", &b)).ok());
  EXPECT_EQ(core()->policy_stats().refused, 2);
  EXPECT_EQ(core()->io()->armed_timers(), 1u);
  a.Tick();
  a.Write(Timeout(3));
  for (int i = 1; i < 4; ++i) {
    watch->Poll(core()->policies(), core::Time() + i * std::chrono::hours(1));
  }
  EXPECT_EQ(timeout(), 3);
}

}  // namespace
}  // namespace firebreak::engine
