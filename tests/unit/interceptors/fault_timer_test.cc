// The thread that continues held calls, and its end.
#include "interceptors/fault/fault_timer.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <future>
#include <memory>
#include <utility>

#include "tests/support/engine_fixture.h"

namespace firebreak::interceptors {
namespace {

using std::chrono::hours;
using testing::Eventually;

constexpr int kExitCode = 7;

TEST(FaultTimerTest, DoesWhatIsDueAndForgetsTheRest) {
  auto timer = FaultTimer::Create(nullptr);
  const auto done = std::make_shared<std::promise<void>>();
  auto kept = std::make_shared<int>(1);
  const std::weak_ptr<int> held = kept;
  FaultTimer::Id first;
  FaultTimer::Id second;
  ASSERT_TRUE(timer->At(
      engine::Now() + hours(1), [kept = std::move(kept)] {}, &second));
  ASSERT_TRUE(timer->At(
      engine::Now(), [done] { done->set_value(); }, &first));
  done->get_future().wait();
  EXPECT_FALSE(held.expired());
  timer->Forget(second);
  EXPECT_TRUE(held.expired());
  timer->Stop();
  EXPECT_FALSE(timer->At(
      engine::Now(), [] {}, &first));
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

// A forked process does not have the thread, so calls would be held for ever,
// and joining the thread would never return.
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
