// When another thread takes over from one that is blocked: the rules in virtual
// time, and the real threads.
#include "src/engine/io/timers.h"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "src/engine/io/clock.h"
#include "src/engine/io/io.h"
#include "tests/support/engine_fixture.h"
#include "tests/support/gate.h"

namespace firebreak::engine {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using testing::Eventually;

core::Time At(int ms) { return core::Time(milliseconds(ms)); }

TimerWork Work(core::Time next, core::Time inside_since, int helpers = 0) {
  TimerWork work;
  work.next = next;
  work.leader_inside_since = inside_since;
  work.helpers = helpers;
  return work;
}

constexpr core::Time kNever = core::kInfiniteFuture;

TEST(StepInAtTest, NeverWhileTheLeaderIsInsideOfNoClient) {
  EXPECT_EQ(StepInAt(Work(At(0), kNever)), kNever);
  EXPECT_EQ(StepInAt(Work(At(5), kNever, 3)), kNever);
}

TEST(StepInAtTest, NeverWhileNoOtherTimerIsArmed) {
  EXPECT_EQ(StepInAt(Work(kNever, At(0))), kNever);
}

TEST(StepInAtTest, WhenATimerHasBeenDueForAWhileAndTheLeaderInsideAsLong) {
  EXPECT_EQ(StepInAt(Work(At(100), At(50))), At(102)) << "by the timer";
  EXPECT_EQ(StepInAt(Work(At(50), At(60))), At(62)) << "by the leader";
}

TEST(StepInAtTest, LaterForALeaderThatGetsOn) {
  core::Time last = core::Time::min();
  for (int inside_since = 100; inside_since < 110; ++inside_since) {
    const core::Time at = StepInAt(Work(At(100), At(inside_since)));
    EXPECT_GT(at, last);
    last = at;
  }
}

TEST(StepInAtTest, ButNotLaterThanItIsBehindForEachThatWorks) {
  EXPECT_EQ(StepInAt(Work(At(100), At(119))), At(120));
  EXPECT_EQ(StepInAt(Work(At(100), At(139), 1)), At(140));
  EXPECT_EQ(StepInAt(Work(At(100), At(110), 1)), At(112)) << "held up";
}

TEST(StepInAtTest, DoesNotOverflow) {
  EXPECT_EQ(StepInAt(Work(core::Time::max() - milliseconds(1), At(0))), kNever);
}

// --- with threads ------------------------------------------------------------

class Client final : public TimerClient {
 public:
  static std::shared_ptr<Client> Create(std::function<void()> what) {
    auto client = std::make_shared<Client>();
    client->what_ = std::move(what);
    client->timer.client = client;
    return client;
  }
  void OnTimer() override {
    what_();
    ++rung;
  }

  Timer timer;
  std::atomic<int> rung{0};

 private:
  std::function<void()> what_;
};

TEST(TimersTest, ThoseThatBlockHoldUpNoOther) {
  testing::Gate gate;
  Io io({});
  std::vector<std::shared_ptr<Client>> blockers;
  for (int i = 0; i < 10; ++i) {
    blockers.push_back(Client::Create([&] { gate.Pass(); }));
    io.Arm(&blockers.back()->timer, Now());
    EXPECT_TRUE(gate.WaitForArrival(i + 1));
  }
  auto other = Client::Create([] {});
  for (int i = 1; i <= 20; ++i) {
    io.Arm(&other->timer, Now() + milliseconds(1));
    EXPECT_TRUE(Eventually([&] { return other->rung == i; }));
  }
  gate.Open([] {});
  EXPECT_TRUE(Eventually([&] { return io.armed_timers() == 0; }));
}

// All timers are due at once. Each that blocks must be replaced by another
// thread before the next one runs.
TEST(TimersTest, ThoseThatBlockMayComeTogether) {
  testing::Gate gate;
  Io io({});
  auto other = Client::Create([] {});
  std::vector<std::shared_ptr<Client>> blockers;
  for (int i = 0; i < 20; ++i) {
    blockers.push_back(Client::Create([&] { gate.Pass(); }));
    io.Arm(&blockers.back()->timer, core::Time::min());
  }
  io.Arm(&other->timer, Now() + milliseconds(1));
  EXPECT_TRUE(Eventually([&] { return other->rung == 1; }));
  gate.Open([] {});
  EXPECT_TRUE(Eventually([&] {
    for (const auto& each : blockers) {
      if (each->rung != 1) return false;
    }
    return true;
  }));
}

// Each takes less time than counts as blocked, but there are too many.
TEST(TimersTest, ManyThatAreSlowAreRunSideBySide) {
  Io io({});
  std::atomic<int> inside{0};
  std::atomic<bool> met{false};
  std::vector<std::shared_ptr<Client>> slow;
  const core::Time start = Now();
  for (int i = 0; i < 200; ++i) {
    slow.push_back(Client::Create([&] {
      if (++inside > 1) met = true;
      const core::Time until = Now() + milliseconds(1);
      while (Now() < until && !met) std::this_thread::yield();
      --inside;
    }));
    io.Arm(&slow.back()->timer, start);
  }
  EXPECT_TRUE(Eventually([&] { return io.armed_timers() == 0; }));
  EXPECT_TRUE(Eventually([&] { return inside == 0; }));
  EXPECT_TRUE(met);
}

TEST(TimersTest, WhoBlocksWhenNoThreadIsLeftHoldsUpOthersUntilItIsBack) {
  testing::Gate gate;
  std::atomic<int> started{0};
  Io::Options options;
  const int at_the_start =
      options.pollers + 2 + options.callback_threads + options.observer_threads;
  options.start_thread = [&](const char* what, std::function<void()> run) {
    if (++started > at_the_start) {
      return absl::StatusOr<std::thread>(absl::ResourceExhaustedError(what));
    }
    return StartThread(what, std::move(run));
  };
  Io io(options);
  ASSERT_TRUE(io.status().ok()) << io.status();
  std::vector<std::shared_ptr<Client>> blockers;
  for (int i = 0; i < 2; ++i) {
    blockers.push_back(Client::Create([&] { gate.Pass(); }));
    io.Arm(&blockers.back()->timer, Now());
    EXPECT_TRUE(gate.WaitForArrival(i + 1));
  }
  auto other = Client::Create([] {});
  io.Arm(&other->timer, Now());
  EXPECT_TRUE(Eventually([&] { return started > at_the_start; }));
  EXPECT_EQ(other->rung, 0);
  gate.Open([] {});
  EXPECT_TRUE(Eventually([&] { return other->rung == 1; }));
}

// --- threads that cannot be started ------------------------------------------

TEST(IoThreadsTest, OneThatCannotStartIsAStatusAndTheOthersEnd) {
  for (int good = 0; good < 8; ++good) {
    std::atomic<int> asked{0};
    std::atomic<int> running{0};
    Io::Options options;
    options.start_thread =
        [&](const char* what,
            std::function<void()> run) -> absl::StatusOr<std::thread> {
      if (asked++ == good) return absl::ResourceExhaustedError(what);
      return StartThread(what, [&running, run = std::move(run)] {
        ++running;
        run();
        --running;
      });
    };
    const Io io(options);
    EXPECT_EQ(io.status().code(), absl::StatusCode::kResourceExhausted);
    EXPECT_EQ(asked, good + 1) << "it went on";
    EXPECT_EQ(running, 0) << "of " << good << " that were started";
  }
}

TEST(IoThreadsTest, AllOfThemCanStart) {
  const Io io({});
  EXPECT_TRUE(io.status().ok()) << io.status();
  EXPECT_FALSE(io.IsForked());
}

}  // namespace
}  // namespace firebreak::engine
