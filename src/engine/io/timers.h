// The engine's timers and the threads that run them. A timer that blocks does
// not hold up the others.
//
//   Timers timers(30, [&] { return threads.Start(..., Run).ok(); });
//   ... timers.Run() on two threads ...
//   timers.Arm(&timer, due);        // OnTimer() at or after `due`
//   timers.Disarm(&timer);
//
// A timer may run the application's code: an attempt that starts asks its
// AttemptListener and the channel's other interceptors. So any OnTimer() may
// block, and the timers of other calls must not wait for it.
//
// One thread leads: it sleeps until the next timer is due, and runs it. Another
// one is on watch: it does nothing while the leader makes progress, and takes
// over the lead when the leader has been blocked inside a client while another
// timer was due (StepInAt() says when). The thread on watch is replaced at
// once, by one that has come back or by a new one, up to a limit. So n clients
// that never return delay the others by no more than that time. The leader
// sleeps to the nanosecond; the time until the other one steps in is lost only
// once for each client that blocks.
//
// In a healthy process the watch costs nothing: it is woken up only if a timer
// runs while another one is due within moments.
//
// With a test's clock the leader sleeps until it is told that the time has
// changed. Whether a client blocks is still judged by real time.
//
// Thread safety: safe from any thread. Ownership: timers are members of their
// clients, which disarm them before they are destroyed. Threads end after
// Stop(), each one when its client returns; whoever joins them keeps this alive
// until then.
#ifndef FIREBREAK_SRC_ENGINE_IO_TIMERS_H_
#define FIREBREAK_SRC_ENGINE_IO_TIMERS_H_

#include <cstddef>
#include <functional>
#include <utility>

#include "src/core/base/mutex.h"
#include "src/core/base/time.h"
#include "src/engine/io/clock.h"
#include "src/engine/io/timer_queue.h"

namespace firebreak::engine {

// What the thread on watch sees.
struct TimerWork {
  // When the first timer is due that no thread has taken.
  core::Time next = core::kInfiniteFuture;
  // Since when the leader has been inside its present client. Infinite if it is
  // in none, and takes the next timer itself.
  core::Time leader_inside_since = core::kInfiniteFuture;
  // Threads that led before, have come back, and work on timers that are due.
  int helpers = 0;
};

// Returns when the thread on watch takes the lead, unless something changes
// before:
//   - the leader has been inside one client for 2 ms, and another timer has
//     been due for as long; or
//   - the leader makes progress, but timers come faster: it is 20 ms behind
//     for each thread that works.
core::Time StepInAt(const TimerWork& work);

class Timers final : public Clock::User {
 public:
  // Up to `may_start` times, `start` is asked to start one more thread that
  // calls Run(). It returns false if there cannot be one now.
  Timers(int may_start, std::function<bool()> start,
         EngineClock clock = EngineClock())
      : clock_(std::move(clock)),
        start_(std::move(start)),
        may_start_(may_start) {}
  Timers(const Timers&) = delete;
  Timers& operator=(const Timers&) = delete;

  // Sets or moves a timer. It is skipped if its client is gone by then.
  void Arm(Timer* timer, core::Time at);
  void Disarm(Timer* timer);
  // How many timers are armed.
  std::size_t size() const;

  bool is_virtual() const { return clock_.of_test() != nullptr; }
  // Clock::User, for a test's clock.
  core::Time NextDue() override;
  bool HasTimer(core::Time from, core::Time to) override;
  void OnTimeChange() override;

  // Returns after Stop().
  void Run();
  void Stop();

 private:
  struct Worker {
    core::Time inside_since = core::kInfiniteFuture;
    bool is_helper = false;
  };

  TimerWork Work() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void RunClient(Timer* due, core::Time now, Worker* self)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool IsSettled() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void SleepUntilDue() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Returns when `self` leads, or at the end.
  void Watch(Worker* self) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Wakes up the thread on watch if it would sleep for too long.
  void WakeWatch() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void ReplaceWatch() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void WaitUntil(core::CondVar* wake, core::Time until)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const EngineClock clock_;
  const std::function<bool()> start_;
  mutable core::Mutex mu_;
  TimerQueue queue_ ABSL_GUARDED_BY(mu_);
  bool stop_ ABSL_GUARDED_BY(mu_) = false;
  int may_start_ ABSL_GUARDED_BY(mu_);

  const Worker* leader_ ABSL_GUARDED_BY(mu_) = nullptr;
  core::CondVar leader_wake_;
  // Until when the leader sleeps, and below until when the thread on watch
  // does. Time::min() while it is awake.
  core::Time leader_sleeps_until_ ABSL_GUARDED_BY(mu_) = core::Time::min();
  const Worker* on_watch_ ABSL_GUARDED_BY(mu_) = nullptr;
  core::CondVar watch_wake_;
  core::Time watch_sleeps_until_ ABSL_GUARDED_BY(mu_) = core::Time::min();
  // Whether no thread could be started for the watch.
  bool lacks_watch_ ABSL_GUARDED_BY(mu_) = false;
  int helpers_ ABSL_GUARDED_BY(mu_) = 0;
  int spares_ ABSL_GUARDED_BY(mu_) = 0;  // wait to be the next on watch
  // How many clients are being run; a test's clock waits until none is.
  int inside_ ABSL_GUARDED_BY(mu_) = 0;
  core::CondVar settled_;
  core::CondVar spare_wake_;
};

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_IO_TIMERS_H_
