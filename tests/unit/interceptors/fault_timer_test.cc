// The thread that lets held calls go on, and what becomes of it.
#include "interceptors/fault_timer.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <future>
#include <memory>

#include "firebreak/testing/virtual_clock.h"
#include "tests/support/engine_fixture.h"

namespace firebreak::interceptors {
namespace {

using std::chrono::hours;
using testing::Eventually;

constexpr int kExitCode = 7;

TEST(FaultTimerTest, DoesWhatIsDueAndForgetsTheRest) {
  auto clock = std::make_shared<testing::VirtualClock>();
  auto timer = FaultTimer::Create(clock);
  std::atomic<int> done{0};
  FaultTimer::Id first;
  FaultTimer::Id second;
  ASSERT_TRUE(timer->At(
      clock->Now() + hours(1), [&] { ++done; }, &first));
  ASSERT_TRUE(timer->At(
      clock->Now() + hours(1), [&] { done = 100; }, &second));
  timer->Forget(second);
  clock->Advance(hours(1));
  EXPECT_EQ(done, 1);
  timer->Stop();
  EXPECT_FALSE(timer->At(
      clock->Now(), [] {}, &first));
}

TEST(FaultTimerTest, MayBeStoppedByWhatItDoes) {
  auto timer = FaultTimer::Create(nullptr);
  const auto stopped = std::make_shared<std::promise<void>>();
  FaultTimer::Id id;
  ASSERT_TRUE(timer->At(
      engine::Now(),
      [timer, stopped] {
        timer->Stop();
        stopped->set_value();
      },
      &id));
  stopped->get_future().wait();
}

// Its thread is not there: what is held would be held for ever, and so would
// whoever waits for the thread.
TEST(FaultTimerTest, AForkedProcessHoldsNothingAndEndsWithoutIt) {
  auto timer = FaultTimer::Create(nullptr);
  FaultTimer::Id id;
  ASSERT_TRUE(timer->At(
      engine::Now() + hours(1), [] {}, &id));
  const pid_t child = fork();
  if (child == 0) {
    const bool is_held = timer->At(
        engine::Now(), [] {}, &id);
    timer->Stop();
    _exit(is_held ? 1 : kExitCode);
  }
  int status = 0;
  const bool in_time =
      Eventually([&] { return waitpid(child, &status, WNOHANG) == child; });
  if (!in_time) {
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
  }
  EXPECT_TRUE(in_time) << "it waits for a thread that it does not have";
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == kExitCode) << status;
  timer->Stop();
}

}  // namespace
}  // namespace firebreak::interceptors
