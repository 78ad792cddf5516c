#include "src/engine/io.h"

#include <grpcpp/alarm.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <utility>

#include "src/core/mutex.h"
#include "src/engine/clock.h"
#include "src/engine/timer_queue.h"

namespace firebreak::engine {

namespace {

// How long a poller stays where it is when nothing is to come any more: a
// steady trickle of calls then finds it awake.
constexpr core::Duration kLinger = std::chrono::milliseconds(20);
// Operations for each poller before another one is woken.
constexpr int kEnough = 8;
// Lanes kept for the next caller. A queue costs some kilobytes.
constexpr size_t kIdleLanes = 256;
// Between two looks at a lane whose last attempts are being cancelled.
constexpr core::Duration kFirstLook = std::chrono::milliseconds(1);
constexpr core::Duration kLastLook = std::chrono::milliseconds(100);

// Runs the ends that are there already. True when there are no more to come.
bool Drain(Lane* lane) {
  while (!lane->idle()) {
    if (!lane->RunOne(core::Time::min())) return false;
  }
  return true;
}

// Threads for the application's code.
struct Pool {
  explicit Pool(size_t queue) : capacity(queue) {}

  bool Submit(std::function<void()> next) {
    core::MutexLock lock(&mu);
    if (work.size() >= capacity) return false;
    work.push_back(std::move(next));
    wake.NotifyOne();
    return true;
  }

  void Stop() {
    core::MutexLock lock(&mu);
    stop = true;
    wake.NotifyAll();
  }

  void Run() {
    const std::thread::id self = std::this_thread::get_id();
    mu.Lock();
    for (;;) {
      while (work.empty() && !stop) wake.Wait(&mu);
      if (work.empty()) break;
      std::function<void()> next = std::move(work.front());
      work.pop_front();
      busy.push_back(self);
      mu.Unlock();
      next();
      next = nullptr;
      mu.Lock();
      busy.erase(std::find(busy.begin(), busy.end(), self));
    }
    mu.Unlock();
  }

  bool IsBusy(std::thread::id id) {
    core::MutexLock lock(&mu);
    return std::find(busy.begin(), busy.end(), id) != busy.end();
  }

  const size_t capacity;
  core::Mutex mu;
  core::CondVar wake;
  std::deque<std::function<void()>> work ABSL_GUARDED_BY(mu);
  std::vector<std::thread::id> busy ABSL_GUARDED_BY(mu);
  bool stop ABSL_GUARDED_BY(mu) = false;
};

}  // namespace

// Shared with every thread, so that one that is let go can still finish.
struct Io::State {
  grpc::CompletionQueue cq;
  const int pollers;

  // Begun on `cq` and not yet ended.
  std::atomic<int> operations{0};
  // Pollers that wait for `poll_wake`. Written under the mutex, read without.
  std::atomic<int> parked{0};
  core::Mutex poll_mu;
  core::CondVar poll_wake;
  int poll_wanted ABSL_GUARDED_BY(poll_mu) = 0;
  bool poll_stop ABSL_GUARDED_BY(poll_mu) = false;

  core::Mutex lane_mu;
  std::vector<std::unique_ptr<Lane>> lanes ABSL_GUARDED_BY(lane_mu);
  std::shared_ptr<grpc::Channel> idle_channel ABSL_GUARDED_BY(lane_mu);

  core::Mutex timer_mu;
  core::CondVar timer_wake;
  TimerQueue timers ABSL_GUARDED_BY(timer_mu);
  core::Time sleeps_until ABSL_GUARDED_BY(timer_mu) = core::kInfiniteFuture;
  bool timers_stop ABSL_GUARDED_BY(timer_mu) = false;

  Pool callbacks;
  Pool observers;

  explicit State(const Options& options)
      : pollers(options.pollers),
        callbacks(options.callback_queue),
        observers(options.callback_queue) {}

  grpc::CompletionQueue* Begin() {
    const int begun = operations.fetch_add(1) + 1;
    const int idle = parked.load();
    if (idle > 0 && begun > kEnough * (pollers - idle)) WakePoller();
    return &cq;
  }

  void WakePoller() {
    core::MutexLock lock(&poll_mu);
    if (parked == 0) return;
    --parked;
    ++poll_wanted;
    poll_wake.NotifyOne();
  }

  void Poll() {
    for (;;) {
      void* tag = nullptr;
      bool ok = false;
      switch (cq.AsyncNext(&tag, &ok, ToGrpcTime(Now() + kLinger))) {
        case grpc::CompletionQueue::GOT_EVENT:
          static_cast<Completion*>(tag)->OnComplete(ok);
          operations.fetch_sub(1);
          break;
        case grpc::CompletionQueue::TIMEOUT:
          Park();
          break;
        case grpc::CompletionQueue::SHUTDOWN:
          return;
      }
    }
  }

  // Returns when there is something to poll for.
  void Park() {
    core::MutexLock lock(&poll_mu);
    // Said before the look at `operations`; Begin() does it the other way
    // round, so one of the two sees the other.
    ++parked;
    if (poll_stop || operations.load() > kEnough * (pollers - parked)) {
      --parked;
      return;
    }
    while (poll_wanted == 0 && !poll_stop) poll_wake.Wait(&poll_mu);
    if (poll_wanted > 0) --poll_wanted;
  }

  void KeepLane(std::unique_ptr<Lane> lane) {
    core::MutexLock lock(&lane_mu);
    if (lanes.size() < kIdleLanes) lanes.push_back(std::move(lane));
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
};

// Looks at a lane from time to time, until all that began on it has ended.
class Io::LaneEnd final : public Completion {
 public:
  LaneEnd(std::shared_ptr<State> state, std::unique_ptr<Lane> lane,
          std::shared_ptr<void> keep_alive)
      : state_(std::move(state)),
        lane_(std::move(lane)),
        keep_alive_(std::move(keep_alive)) {}

  void LookLater() {
    alarm_.Set(state_->Begin(), ToGrpcTime(Now() + delay_),
               static_cast<Completion*>(this));
    delay_ = std::min(delay_ * 2, kLastLook);
  }

  void OnComplete(bool /*ok*/) override {
    if (!Drain(lane_.get())) {
      LookLater();
      return;
    }
    state_->KeepLane(std::move(lane_));
    delete this;
  }

 private:
  const std::shared_ptr<State> state_;
  std::unique_ptr<Lane> lane_;
  const std::shared_ptr<void> keep_alive_;
  core::Duration delay_ = kFirstLook;
  grpc::Alarm alarm_;
};

Io::Io(const Options& options) : state_(std::make_shared<State>(options)) {
  for (int i = 0; i < options.pollers; ++i) {
    threads_.emplace_back([state = state_] { state->Poll(); });
  }
  threads_.emplace_back([state = state_] { state->RunTimers(); });
  for (int i = 0; i < options.callback_threads; ++i) {
    threads_.emplace_back([state = state_] { state->callbacks.Run(); });
  }
  for (int i = 0; i < options.observer_threads; ++i) {
    threads_.emplace_back([state = state_] { state->observers.Run(); });
  }
}

Io::~Io() {
  {
    core::MutexLock lock(&state_->timer_mu);
    state_->timers_stop = true;
    state_->timer_wake.NotifyAll();
  }
  state_->callbacks.Stop();
  state_->observers.Stop();
  {
    core::MutexLock lock(&state_->poll_mu);
    state_->poll_stop = true;
    state_->poll_wake.NotifyAll();
  }
  state_->cq.Shutdown();
  for (std::thread& thread : threads_) {
    // A busy pool thread may sit in the application's code for ever, or be
    // waiting for the very thread that destroys us.
    if (thread.get_id() == std::this_thread::get_id() ||
        state_->callbacks.IsBusy(thread.get_id()) ||
        state_->observers.IsBusy(thread.get_id())) {
      thread.detach();
    } else {
      thread.join();
    }
  }
}

grpc::CompletionQueue* Io::Begin() { return state_->Begin(); }

int Io::parked_pollers() const { return state_->parked; }

std::size_t Io::armed_timers() const {
  core::MutexLock lock(&state_->timer_mu);
  return state_->timers.size();
}

std::shared_ptr<grpc::Channel> Io::idle_channel() {
  core::MutexLock lock(&state_->lane_mu);
  if (state_->idle_channel == nullptr) {
    state_->idle_channel = grpc::CreateChannel(
        "ipv4:127.0.0.1:1", grpc::InsecureChannelCredentials());
  }
  return state_->idle_channel;
}

std::unique_ptr<Lane> Io::TakeLane() {
  {
    core::MutexLock lock(&state_->lane_mu);
    if (!state_->lanes.empty()) {
      std::unique_ptr<Lane> lane = std::move(state_->lanes.back());
      state_->lanes.pop_back();
      return lane;
    }
  }
  return std::make_unique<Lane>();
}

void Io::ReturnLane(std::unique_ptr<Lane> lane,
                    std::shared_ptr<void> keep_alive) {
  if (Drain(lane.get())) {
    state_->KeepLane(std::move(lane));
    return;
  }
  // Looks after itself from here on.
  (new LaneEnd(state_, std::move(lane), std::move(keep_alive)))->LookLater();
}

void Io::Dispose(std::function<void()> what, std::shared_ptr<void> keep_alive) {
  struct Disposal final : Completion {
    void OnComplete(bool /*ok*/) override {
      what();
      delete this;
    }
    std::function<void()> what;
    std::shared_ptr<void> keep_alive;
    grpc::Alarm alarm;
  };
  auto* const disposal = new Disposal;
  disposal->what = std::move(what);
  disposal->keep_alive = std::move(keep_alive);
  disposal->alarm.Set(Begin(), gpr_inf_past(GPR_CLOCK_MONOTONIC),
                      static_cast<Completion*>(disposal));
}

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
  return state_->callbacks.Submit(std::move(work));
}

bool Io::SubmitAside(std::function<void()> work) {
  return state_->observers.Submit(std::move(work));
}

}  // namespace firebreak::engine
