// Runs actions at given times, by a given clock and on a thread of its own. The
// fault injector lets held calls go on with it.
//
//   auto timer = FaultTimer::Create(clock);
//   FaultTimer::Id id;
//   if (!timer->At(due, [...] { ... }, &id)) ...   // there is no thread
//   timer->Forget(id);
//   timer->Stop();           // what has not begun by now never runs
//
// Thread safety: safe from any thread. Ownership: the thread shares what it
// uses, and ends after Stop(). Stop() waits for that, unless it is called on
// the thread itself. In a forked process, which has no such thread, Stop() does
// not wait and calls are not held any more.
#ifndef FIREBREAK_INTERCEPTORS_FAULT_FAULT_TIMER_H_
#define FIREBREAK_INTERCEPTORS_FAULT_FAULT_TIMER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>

#include "firebreak/clock.h"
#include "src/core/base/mutex.h"
#include "src/core/base/time.h"
#include "src/engine/io/clock.h"
#include "src/engine/io/threads.h"

namespace firebreak::interceptors {

class FaultTimer final : public Clock::User,
                         public std::enable_shared_from_this<FaultTimer> {
  struct Key {};  // only Create() has one

 public:
  using Id = std::pair<core::Time, uint64_t>;

  // If `clock` is null, the steady clock is used.
  static std::shared_ptr<FaultTimer> Create(std::shared_ptr<Clock> clock);
  FaultTimer(Key, std::shared_ptr<Clock> clock) : clock_(std::move(clock)) {}
  void Stop();

  const engine::EngineClock& clock() const { return clock_; }
  // Calls `what` at the time `at` on the timer's thread. Returns false if there
  // is no thread, and then never calls it.
  bool At(core::Time at, std::function<void()> what, Id* id);
  void Forget(const Id& id);

  core::Time NextDue() override;
  bool HasTimer(core::Time from, core::Time to) override;
  void OnTimeChange() override;

 private:
  void Run();
  bool IsSettled() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const engine::EngineClock clock_;
  core::Mutex mu_;
  core::CondVar wake_;
  core::CondVar settled_;
  std::map<Id, std::function<void()>> due_ ABSL_GUARDED_BY(mu_);
  uint64_t serial_ ABSL_GUARDED_BY(mu_) = 0;
  bool is_busy_ ABSL_GUARDED_BY(mu_) = false;
  bool stop_ ABSL_GUARDED_BY(mu_) = false;
  bool is_running_ ABSL_GUARDED_BY(mu_) = false;  // from the first At() on
  engine::Threads threads_{engine::StartThread};
};

}  // namespace firebreak::interceptors

#endif  // FIREBREAK_INTERCEPTORS_FAULT_FAULT_TIMER_H_
