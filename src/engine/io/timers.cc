#include "src/engine/io/timers.h"

#include <algorithm>
#include <memory>

#include "src/engine/io/clock.h"

namespace firebreak::engine {
namespace {

// Starting an attempt takes some 30 us. If this were shorter, a thread that has
// only lost its core for a moment would count as blocked.
constexpr core::Duration kHeldUp = std::chrono::milliseconds(2);
// If timers are late by this much for each thread that works, one more thread
// takes part.
constexpr core::Duration kBehind = std::chrono::milliseconds(20);
// How long, in real time, a test's clock waits for clients.
constexpr core::Duration kSettling = std::chrono::seconds(10);

}  // namespace

core::Time StepInAt(const TimerWork& work) {
  if (work.next == core::kInfiniteFuture ||
      work.leader_inside_since == core::kInfiniteFuture) {
    return core::kInfiniteFuture;
  }
  return std::min(core::SaturatingAdd(
                      std::max(work.next, work.leader_inside_since), kHeldUp),
                  core::SaturatingAdd(work.next, kBehind * (1 + work.helpers)));
}

void Timers::Arm(Timer* timer, core::Time at) {
  // How long a timer has been due is computed from its time, so that must not
  // be the distant past.
  if (at == core::Time::min()) at = clock_.Now();
  core::MutexLock lock(&mu_);
  queue_.Set(timer, at);
  // Most timers are deadlines that are due long after the next event. Waking up
  // a thread for each of them would cost a context switch per call.
  if (at < leader_sleeps_until_) {
    leader_sleeps_until_ = at;
    leader_wake_.NotifyOne();
  }
  WakeWatch();
}

void Timers::Disarm(Timer* timer) {
  core::MutexLock lock(&mu_);
  queue_.Remove(timer);
  // A test's clock may be waiting for this timer.
  if (is_virtual()) settled_.NotifyAll();
}

std::size_t Timers::size() const {
  core::MutexLock lock(&mu_);
  return queue_.size();
}

void Timers::Stop() {
  core::MutexLock lock(&mu_);
  stop_ = true;
  settled_.NotifyAll();
  leader_wake_.NotifyAll();
  watch_wake_.NotifyAll();
  spare_wake_.NotifyAll();
}

void Timers::Run() {
  Worker self;
  core::MutexLock lock(&mu_);
  if (leader_ == nullptr) leader_ = &self;
  while (!stop_) {
    if (leader_ != &self && !self.is_helper) {
      Watch(&self);
      continue;
    }
    const core::Time now = clock_.Now();
    if (Timer* const due = queue_.PopDue(now)) {
      RunClient(due, now, &self);
      // This thread is back, and another one leads. It goes on working while
      // there is work. Otherwise one listener that is slow at every call would
      // make all threads wait for their turn.
      if (leader_ != &self && !self.is_helper) {
        self.is_helper = true;
        ++helpers_;
      }
    } else if (leader_ == &self) {
      SleepUntilDue();
    } else {
      self.is_helper = false;
      --helpers_;
    }
  }
  if (leader_ == &self) leader_ = nullptr;
}

TimerWork Timers::Work() const {
  TimerWork work;
  work.next = queue_.next();
  work.leader_inside_since =
      leader_ == nullptr ? core::kInfiniteFuture : leader_->inside_since;
  work.helpers = helpers_;
  // How long a test's clock has not moved says nothing about the delay.
  if (is_virtual()) {
    work.next = work.next > clock_.Now() ? core::kInfiniteFuture
                                         : work.leader_inside_since;
  }
  return work;
}

void Timers::RunClient(Timer* due, core::Time now, Worker* self) {
  // client.lock() happens under the mutex. A client that is being destroyed
  // waits for the mutex in Disarm(), so `due` still exists here.
  std::shared_ptr<TimerClient> client = due->client.lock();
  if (client == nullptr) return;
  self->inside_since = is_virtual() ? Now() : now;
  ++inside_;
  if (lacks_watch_) ReplaceWatch();
  WakeWatch();
  mu_.Unlock();
  client->OnTimer();
  client.reset();
  mu_.Lock();
  self->inside_since = core::kInfiniteFuture;
  --inside_;
  if (is_virtual()) settled_.NotifyAll();
}

core::Time Timers::NextDue() {
  core::MutexLock lock(&mu_);
  return queue_.next();
}

bool Timers::HasTimer(core::Time from, core::Time to) {
  core::MutexLock lock(&mu_);
  return queue_.HasAny(from, to);
}

bool Timers::IsSettled() const {
  return stop_ || (inside_ == 0 && queue_.next() > clock_.Now());
}

void Timers::OnTimeChange() {
  const core::Time give_up = Now() + kSettling;
  core::MutexLock lock(&mu_);
  leader_wake_.NotifyOne();
  WakeWatch();
  while (!IsSettled() && Now() < give_up) settled_.WaitUntil(&mu_, give_up);
}

void Timers::SleepUntilDue() {
  leader_sleeps_until_ = queue_.next();
  if (is_virtual()) settled_.NotifyAll();
  WaitUntil(&leader_wake_,
            is_virtual() ? core::kInfiniteFuture : leader_sleeps_until_);
  leader_sleeps_until_ = core::Time::min();
}

void Timers::Watch(Worker* self) {
  while (!stop_ && leader_ != self) {
    if (on_watch_ != nullptr && on_watch_ != self) {
      ++spares_;
      spare_wake_.Wait(&mu_);
      --spares_;
      continue;
    }
    on_watch_ = self;
    const core::Time at = StepInAt(Work());
    if (at <= Now()) {
      leader_ = self;
      on_watch_ = nullptr;
      ReplaceWatch();
      return;
    }
    watch_sleeps_until_ = at;
    WaitUntil(&watch_wake_, at);
    watch_sleeps_until_ = core::Time::min();
  }
}

void Timers::WakeWatch() {
  const core::Time at = StepInAt(Work());
  if (at >= watch_sleeps_until_) return;
  watch_sleeps_until_ = at;
  watch_wake_.NotifyOne();
}

void Timers::ReplaceWatch() {
  if (spares_ > 0) {
    spare_wake_.NotifyOne();
    return;
  }
  if (may_start_ == 0) return;
  --may_start_;
  // Starting a thread may take a while, so this is done unlocked.
  mu_.Unlock();
  const bool has_started = start_();
  mu_.Lock();
  lacks_watch_ = !has_started;
  if (!has_started) ++may_start_;
}

void Timers::WaitUntil(core::CondVar* wake, core::Time until) {
  if (until == core::kInfiniteFuture) {
    wake->Wait(&mu_);
  } else {
    wake->WaitUntil(&mu_, until);
  }
}

}  // namespace firebreak::engine
