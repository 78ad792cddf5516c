#include "src/engine/io.h"

#include <deque>
#include <utility>

#include "src/core/mutex.h"
#include "src/engine/clock.h"
#include "src/engine/timer_queue.h"

namespace firebreak::engine {

// Shared with every thread, so that one that is let go can still finish.
struct Io::State {
  grpc::CompletionQueue cq;
  const size_t callback_capacity;

  core::Mutex timer_mu;
  core::CondVar timer_wake;
  TimerQueue timers ABSL_GUARDED_BY(timer_mu);
  core::Time sleeps_until ABSL_GUARDED_BY(timer_mu) = core::kInfiniteFuture;
  bool timers_stop ABSL_GUARDED_BY(timer_mu) = false;

  core::Mutex pool_mu;
  core::CondVar pool_wake;
  std::deque<std::function<void()>> work ABSL_GUARDED_BY(pool_mu);
  std::vector<std::thread::id> busy ABSL_GUARDED_BY(pool_mu);
  bool pool_stop ABSL_GUARDED_BY(pool_mu) = false;

  explicit State(size_t capacity) : callback_capacity(capacity) {}

  void Poll() {
    void* tag = nullptr;
    bool ok = false;
    while (cq.Next(&tag, &ok)) static_cast<Completion*>(tag)->OnComplete(ok);
  }

  void RunTimers() {
    timer_mu.Lock();
    while (!timers_stop) {
      Timer* const due = timers.PopDue(Now());
      if (due == nullptr) {
        sleeps_until = timers.next();
        if (sleeps_until == core::kInfiniteFuture) {
          timer_wake.Wait(&timer_mu);
        } else {
          timer_wake.WaitUntil(&timer_mu, sleeps_until);
        }
        continue;
      }
      // Locked under the mutex: a client that is being destroyed waits for it
      // in Disarm(), so `due` is still there to be asked.
      std::shared_ptr<TimerClient> client = due->client.lock();
      timer_mu.Unlock();
      if (client != nullptr) client->OnTimer();
      client.reset();
      timer_mu.Lock();
    }
    timer_mu.Unlock();
  }

  void RunCallbacks() {
    const std::thread::id self = std::this_thread::get_id();
    pool_mu.Lock();
    for (;;) {
      while (work.empty() && !pool_stop) pool_wake.Wait(&pool_mu);
      if (work.empty()) break;
      std::function<void()> next = std::move(work.front());
      work.pop_front();
      busy.push_back(self);
      pool_mu.Unlock();
      next();
      next = nullptr;
      pool_mu.Lock();
      for (auto it = busy.begin(); it != busy.end(); ++it) {
        if (*it == self) {
          busy.erase(it);
          break;
        }
      }
    }
    pool_mu.Unlock();
  }

  bool IsBusy(std::thread::id id) {
    core::MutexLock lock(&pool_mu);
    for (std::thread::id each : busy) {
      if (each == id) return true;
    }
    return false;
  }
};

Io::Io(const Options& options)
    : state_(std::make_shared<State>(options.callback_queue)) {
  for (int i = 0; i < options.pollers; ++i) {
    threads_.emplace_back([state = state_] { state->Poll(); });
  }
  threads_.emplace_back([state = state_] { state->RunTimers(); });
  for (int i = 0; i < options.callback_threads; ++i) {
    threads_.emplace_back([state = state_] { state->RunCallbacks(); });
  }
}

Io::~Io() {
  {
    core::MutexLock lock(&state_->timer_mu);
    state_->timers_stop = true;
    state_->timer_wake.NotifyAll();
  }
  {
    core::MutexLock lock(&state_->pool_mu);
    state_->pool_stop = true;
    state_->pool_wake.NotifyAll();
  }
  state_->cq.Shutdown();
  for (std::thread& thread : threads_) {
    // A busy pool thread may sit in the application's code for ever, or be
    // waiting for the very thread that destroys us.
    if (thread.get_id() == std::this_thread::get_id() ||
        state_->IsBusy(thread.get_id())) {
      thread.detach();
    } else {
      thread.join();
    }
  }
}

grpc::CompletionQueue* Io::cq() { return &state_->cq; }

void Io::Arm(Timer* timer, core::Time at) {
  core::MutexLock lock(&state_->timer_mu);
  state_->timers.Set(timer, at);
  // Most timers are deadlines that lie far behind the next event: waking the
  // thread for each of them would cost a context switch per call.
  if (at < state_->sleeps_until) {
    state_->sleeps_until = at;
    state_->timer_wake.NotifyOne();
  }
}

void Io::Disarm(Timer* timer) {
  core::MutexLock lock(&state_->timer_mu);
  state_->timers.Remove(timer);
}

bool Io::Submit(std::function<void()> work) {
  core::MutexLock lock(&state_->pool_mu);
  if (state_->work.size() >= state_->callback_capacity) return false;
  state_->work.push_back(std::move(work));
  state_->pool_wake.NotifyOne();
  return true;
}

}  // namespace firebreak::engine
