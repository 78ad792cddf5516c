#include "interceptors/fault/fault_timer.h"

#include <chrono>
#include <thread>

namespace firebreak::interceptors {
namespace {

// How long, in real time, a test's clock waits for actions that are due.
constexpr core::Duration kSettling = std::chrono::seconds(10);

}  // namespace

std::shared_ptr<FaultTimer> FaultTimer::Create(std::shared_ptr<Clock> clock) {
  auto timer = std::make_shared<FaultTimer>(Key{}, std::move(clock));
  if (Clock* const of_test = timer->clock_.of_test()) of_test->Add(timer.get());
  return timer;
}

void FaultTimer::Stop() {
  // A lock that was held at the fork is never released in the child.
  if (threads_.IsForked()) return;
  {
    core::MutexLock lock(&mu_);
    stop_ = true;
    wake_.NotifyAll();
    settled_.NotifyAll();
  }
  if (Clock* const of_test = clock_.of_test()) of_test->Remove(this);
  threads_.Join([](std::thread::id) { return false; });
}

bool FaultTimer::At(core::Time at, std::function<void()> what, Id* id) {
  if (threads_.IsForked()) return false;
  core::MutexLock lock(&mu_);
  if (stop_) return false;
  if (!is_running_) {
    is_running_ = threads_
                      .Start("the thread of injected faults",
                             [self = shared_from_this()] { self->Run(); })
                      .ok();
    if (!is_running_) return false;
  }
  *id = {at, ++serial_};
  due_.emplace(*id, std::move(what));
  wake_.NotifyAll();
  return true;
}

void FaultTimer::Forget(const Id& id) {
  std::function<void()> gone;  // destroyed unlocked
  core::MutexLock lock(&mu_);
  const auto found = due_.find(id);
  if (found == due_.end()) return;
  gone = std::move(found->second);
  due_.erase(found);
  settled_.NotifyAll();
}

core::Time FaultTimer::NextDue() {
  core::MutexLock lock(&mu_);
  return due_.empty() ? core::kInfiniteFuture : due_.begin()->first.first;
}

bool FaultTimer::HasTimer(core::Time from, core::Time to) {
  core::MutexLock lock(&mu_);
  const auto first = due_.lower_bound({from, 0});
  return first != due_.end() && first->first.first <= to;
}

bool FaultTimer::IsSettled() const {
  return stop_ || (!is_busy_ &&
                   (due_.empty() || due_.begin()->first.first > clock_.Now()));
}

void FaultTimer::OnTimeChange() {
  const core::Time give_up = engine::Now() + kSettling;
  core::MutexLock lock(&mu_);
  wake_.NotifyAll();
  while (!IsSettled() && engine::Now() < give_up) {
    settled_.WaitUntil(&mu_, give_up);
  }
}

void FaultTimer::Run() {
  core::MutexLock lock(&mu_);
  while (!stop_) {
    const core::Time next =
        due_.empty() ? core::kInfiniteFuture : due_.begin()->first.first;
    if (next <= clock_.Now()) {
      const std::function<void()> what = std::move(due_.begin()->second);
      due_.erase(due_.begin());
      is_busy_ = true;
      mu_.Unlock();
      what();
      mu_.Lock();
      is_busy_ = false;
      settled_.NotifyAll();
    } else if (next == core::kInfiniteFuture || clock_.of_test() != nullptr) {
      wake_.Wait(&mu_);
    } else {
      wake_.WaitUntil(&mu_, next);
    }
  }
}

}  // namespace firebreak::interceptors
