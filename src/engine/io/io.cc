#include "src/engine/io/io.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "src/core/base/mutex.h"
#include "src/engine/io/alarm.h"
#include "src/engine/io/clock.h"
#include "src/engine/io/pollers.h"
#include "src/engine/io/pool.h"
#include "src/engine/io/timers.h"

namespace firebreak::engine {

namespace {

// Caller queues kept for the next caller. A queue costs some kilobytes.
constexpr size_t kIdleCallerQueues = 256;
// The longest that a thread waits when it returns a caller queue. The ends of
// cancelled attempts arrive after 31 us (median) or 182 us (p99).
constexpr core::Duration kLastEnds = std::chrono::milliseconds(1);
// The shortest and the longest time between two looks at a caller queue whose
// last attempts do not end.
constexpr core::Duration kFirstLook = std::chrono::milliseconds(2);
constexpr core::Duration kLastLook = std::chrono::milliseconds(100);
// The thread that leads, and the one on watch.
constexpr int kTimerThreads = 2;

// Runs the completions that come before `until`. Returns true if no more are to
// come.
bool Drain(CallerQueue* caller_queue, core::Time until) {
  while (!caller_queue->idle()) {
    if (!caller_queue->RunOne(until)) return false;
  }
  return true;
}

}  // namespace

// Shared with every thread, so that a thread that is detached can still finish.
struct Io::State : std::enable_shared_from_this<State> {
  Threads threads;
  Timers timers;
  const std::shared_ptr<Pollers> pollers;
  Pool callbacks;
  Pool observers;

  core::Mutex caller_queue_mu;
  std::vector<std::unique_ptr<CallerQueue>> caller_queues
      ABSL_GUARDED_BY(caller_queue_mu);
  std::shared_ptr<grpc::Channel> idle_channel ABSL_GUARDED_BY(caller_queue_mu);

  explicit State(const Options& options)
      : threads(options.start_thread),
        timers(
            kMaxTimerThreads - kTimerThreads,
            [this] { return StartTimers().ok(); }, options.clock),
        pollers(Pollers::Create(
            options.pollers, kMorePollers,
            [this] { return StartPoller().ok(); }, &timers)),
        callbacks(options.callback_queue),
        observers(options.callback_queue) {}

  absl::Status StartTimers() {
    return threads.Start("a timer",
                         [self = shared_from_this()] { self->timers.Run(); });
  }
  absl::Status StartPoller() {
    return threads.Start("a poller",
                         [self = shared_from_this()] { self->pollers->Run(); });
  }
  absl::Status StartPool(const char* what, Pool* pool) {
    return threads.Start(what,
                         [self = shared_from_this(), pool] { pool->Run(); });
  }

  // Starts the threads, up to the first that cannot be started.
  absl::Status Start(const Options& options) {
    absl::Status status;
    const auto start = [&](int count, const auto& one) {
      for (int i = 0; i < count && status.ok(); ++i) status = one();
    };
    start(options.pollers, [this] { return StartPoller(); });
    start(kTimerThreads, [this] { return StartTimers(); });
    start(options.callback_threads,
          [this] { return StartPool("a callback", &callbacks); });
    start(options.observer_threads,
          [this] { return StartPool("an observer", &observers); });
    return status;
  }

  void KeepCallerQueue(std::unique_ptr<CallerQueue> caller_queue) {
    core::MutexLock lock(&caller_queue_mu);
    if (caller_queues.size() < kIdleCallerQueues) {
      caller_queues.push_back(std::move(caller_queue));
    }
  }
};

// Looks at a caller queue from time to time, until all that began on it has
// ended.
class Io::LeftoverEnds final : public Completion {
 public:
  LeftoverEnds(std::shared_ptr<State> state,
               std::unique_ptr<CallerQueue> caller_queue,
               std::shared_ptr<void> keep_alive)
      : state_(std::move(state)),
        caller_queue_(std::move(caller_queue)),
        keep_alive_(std::move(keep_alive)) {}

  // This object may be destroyed before Set() returns, since a poller may be
  // faster.
  void LookLater() {
    const core::Duration delay = delay_;
    delay_ = std::min(delay * 2, kLastLook);
    alarm_.Set(state_->pollers->Begin(), ToGrpcTime(engine::Now() + delay),
               this);
  }

  void OnComplete(bool /*ok*/) override {
    if (!Drain(caller_queue_.get(), core::Time::min())) {
      LookLater();
      return;
    }
    state_->KeepCallerQueue(std::move(caller_queue_));
    delete this;
  }

 private:
  const std::shared_ptr<State> state_;
  std::unique_ptr<CallerQueue> caller_queue_;
  const std::shared_ptr<void> keep_alive_;
  core::Duration delay_ = kFirstLook;
  Alarm alarm_;
};

Io::Io(const Options& options)
    : clock_(options.clock), state_(std::make_shared<State>(options)) {
  if (Clock* const clock = clock_.of_test()) clock->Add(&state_->timers);
  status_ = state_->Start(options);
  if (!status_.ok()) End();
}

Io::~Io() {
  if (IsForked()) {
    // On purpose never freed: its mutexes may be locked for ever, and its
    // threads are not there to be joined. Where memory is short too, the child
    // ends here as it would anywhere else.
    // NOLINTNEXTLINE(bugprone-unhandled-exception-at-new)
    new std::shared_ptr<State>(state_);
    return;
  }
  if (status_.ok()) End();
}

void Io::End() {
  State* const state = state_.get();
  state->timers.Stop();
  if (Clock* const clock = clock_.of_test()) clock->Remove(&state->timers);
  state->callbacks.Stop();
  state->observers.Stop();
  state->pollers->Stop();
  // A busy pool thread may sit in the application's code for ever, or be
  // waiting for the very thread that destroys us.
  state->threads.Join([state](std::thread::id id) {
    return state->callbacks.IsBusy(id) || state->observers.IsBusy(id);
  });
}

std::shared_ptr<grpc::Channel> Io::idle_channel() {
  core::MutexLock lock(&state_->caller_queue_mu);
  if (state_->idle_channel == nullptr) {
    state_->idle_channel = grpc::CreateChannel(
        "ipv4:127.0.0.1:1", grpc::InsecureChannelCredentials());
  }
  return state_->idle_channel;
}

bool Io::IsForked() const { return state_->threads.IsForked(); }

grpc::CompletionQueue* Io::Begin() { return state_->pollers->Begin(); }

int Io::parked_pollers() const { return state_->pollers->parked(); }

std::size_t Io::armed_timers() const { return state_->timers.size(); }

std::unique_ptr<CallerQueue> Io::TakeCallerQueue() {
  {
    core::MutexLock lock(&state_->caller_queue_mu);
    if (!state_->caller_queues.empty()) {
      std::unique_ptr<CallerQueue> caller_queue =
          std::move(state_->caller_queues.back());
      state_->caller_queues.pop_back();
      return caller_queue;
    }
  }
  return std::make_unique<CallerQueue>();
}

void Io::ReturnCallerQueue(std::unique_ptr<CallerQueue> caller_queue,
                           std::shared_ptr<void> keep_alive) {
  if (caller_queue->idle() ||
      Drain(caller_queue.get(), engine::Now() + kLastEnds)) {
    state_->KeepCallerQueue(std::move(caller_queue));
    return;
  }
  // It deletes itself when it has finished.
  (new LeftoverEnds(state_, std::move(caller_queue), std::move(keep_alive)))
      ->LookLater();
}

void Io::Dispose(std::function<void()> what, std::shared_ptr<void> keep_alive) {
  struct Disposal final : Completion {
    void OnComplete(bool /*ok*/) override {
      what();
      delete this;
    }
    std::function<void()> what;
    std::shared_ptr<void> keep_alive;
    Alarm alarm;
  };
  auto* const disposal = new Disposal;
  disposal->what = std::move(what);
  disposal->keep_alive = std::move(keep_alive);
  // In a forked process no thread polls, so this is never freed, as in ~Io.
  if (IsForked()) return;
  disposal->alarm.Set(Begin(), gpr_inf_past(GPR_CLOCK_MONOTONIC), disposal);
}

void Io::Arm(Timer* timer, core::Time at) { state_->timers.Arm(timer, at); }

void Io::Disarm(Timer* timer) { state_->timers.Disarm(timer); }

bool Io::Submit(std::function<void()> work) {
  return state_->callbacks.Submit(std::move(work));
}

bool Io::SubmitAside(std::function<void()> work) {
  return state_->observers.Submit(std::move(work));
}

}  // namespace firebreak::engine
