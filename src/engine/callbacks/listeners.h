// Delivers events to the application's listeners, in order and asynchronously.
//
//   listeners->Add(listener);
//   listeners->OnRejection(channel, method, reason, now);
//   events.SetSink(listeners);           // of all other events
//
// Each listener has a queue of its own, which one job at a time empties on the
// observers' pool. The job yields to other jobs after a few events, so a
// listener that is slow delays only itself. The code that reports an event may
// hold locks, so reporting only appends to queues and arms a timer; the timer
// thread submits the job to the pool, and tries again later if the pool is
// full.
//
// The event that a breaker has opened is worth more than the thousand refusals
// that follow it. So refusals that say the same are counted together, and they
// are dropped first if a queue is full.
//
// Thread safety: safe from any thread. Ownership: shared with running jobs,
// which may outlive `io`: Stop() is called before `io` is destroyed, and drops
// the events that wait.
#ifndef FIREBREAK_SRC_ENGINE_CALLBACKS_LISTENERS_H_
#define FIREBREAK_SRC_ENGINE_CALLBACKS_LISTENERS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "firebreak/events.h"
#include "src/core/base/mutex.h"
#include "src/core/base/reason.h"
#include "src/core/measure/event_log.h"
#include "src/engine/io/io.h"

namespace firebreak::engine {

class Listeners final : public core::EventSink,
                        public TimerClient,
                        public std::enable_shared_from_this<Listeners> {
  struct Key {};  // only Create() has one

 public:
  enum class Interest {
    kAll,
    kNoRejections,  // so that a refused call costs nothing here
  };

  static std::shared_ptr<Listeners> Create(Io* io, std::size_t capacity);
  Listeners(Key, Io* io, std::size_t capacity) : io_(io), capacity_(capacity) {}
  void Stop();

  void Add(std::shared_ptr<EventListener> listener,
           Interest interest = Interest::kAll);
  // Drops the events that wait for `listener`, which may still be handling one.
  void Remove(const EventListener* listener);

  void OnEvent(const core::Event& event) override;
  void OnRejection(const std::string& channel, const std::string& method,
                   core::Reason reason, core::Time at);
  void OnTimer() override;

  int64_t threw() const { return threw_; }
  int64_t missed() const { return missed_; }

 private:
  struct Feed {
    std::shared_ptr<EventListener> listener;
    Interest interest = Interest::kAll;
    std::deque<EngineEvent> queue;
    int64_t missed = 0;
    size_t rejections = 0;  // in the queue
    bool is_running = false;
    bool is_removed = false;
  };

  void NoteInterests() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Push(Feed* feed, const EngineEvent& event)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Called after each event. Arms the timer if a listener has events and no
  // job.
  void WakeIdle() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Submit(const std::shared_ptr<Feed>& feed)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Runs on the pool.
  void Drain(const std::shared_ptr<Feed>& feed);

  Io* const io_;
  const std::size_t capacity_;
  std::atomic<int64_t> threw_{0};
  std::atomic<int64_t> missed_{0};
  // Most engines have no listener for refusals, and every refusal asks, so
  // asking takes no lock.
  std::atomic<bool> has_any_{false};
  std::atomic<bool> has_any_of_rejections_{false};
  bool has_any() const { return has_any_.load(std::memory_order_relaxed); }
  bool has_any_of_rejections() const {
    return has_any_of_rejections_.load(std::memory_order_relaxed);
  }
  core::Mutex mu_;
  std::vector<std::shared_ptr<Feed>> feeds_ ABSL_GUARDED_BY(mu_);
  Timer timer_ ABSL_GUARDED_BY(mu_);
  bool is_armed_ ABSL_GUARDED_BY(mu_) = false;
  bool is_stopped_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_CALLBACKS_LISTENERS_H_
