// Carries events to the application's listeners, in order and in its own time.
//
//   listeners->Add(listener);
//   listeners->OnRejection(channel, method, reason);   // and it is the sink of
//                                                      // the EventLog
//
// Each listener has a queue of its own, emptied by one job at a time on the
// callback pool: so one that blocks holds nobody up but itself. Under the locks
// of whoever has an event only a queue grows and a timer is armed; the timer
// thread hands the job to the pool, and tries again when that is full.
//
// Thread safety: safe from any thread. Ownership: shared with jobs under way,
// which may outlive `io`: Stop() is called before it goes.
#ifndef FIREBREAK_SRC_ENGINE_LISTENERS_H_
#define FIREBREAK_SRC_ENGINE_LISTENERS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "firebreak/events.h"
#include "src/core/event_log.h"
#include "src/core/mutex.h"
#include "src/core/reason.h"
#include "src/engine/io.h"

namespace firebreak::engine {

class Listeners final : public core::EventSink,
                        public TimerClient,
                        public std::enable_shared_from_this<Listeners> {
  struct Key {};  // only Create() has one

 public:
  enum class Interest {
    kAll,
    kNoRejections,  // then a refused call costs nothing here
  };

  static std::shared_ptr<Listeners> Create(Io* io, std::size_t capacity);
  Listeners(Key, Io* io, std::size_t capacity) : io_(io), capacity_(capacity) {}
  void Stop();

  void Add(std::shared_ptr<EventListener> listener,
           Interest interest = Interest::kAll);
  // Events that wait for it are dropped; one it is at may still end.
  void Remove(const EventListener* listener);

  void OnEvent(const core::Event& event) override;
  void OnRejection(const std::string& channel, const std::string& method,
                   core::Reason reason);
  void OnTimer() override;

  int64_t threw() const { return threw_; }
  int64_t missed() const { return missed_; }

 private:
  struct Feed {
    std::shared_ptr<EventListener> listener;
    Interest interest = Interest::kAll;
    std::deque<EngineEvent> queue;
    int64_t missed = 0;
    bool is_running = false;
    bool is_removed = false;
  };

  void NoteInterests() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Push(const EngineEvent& event);
  // On the pool.
  void Drain(const std::shared_ptr<Feed>& feed);

  Io* const io_;
  const std::size_t capacity_;
  std::atomic<int64_t> threw_{0};
  std::atomic<int64_t> missed_{0};
  // Most engines have none of the latter, and every refusal asks.
  std::atomic<bool> has_any_{false};
  std::atomic<bool> has_any_of_rejections_{false};
  core::Mutex mu_;
  std::vector<std::shared_ptr<Feed>> feeds_ ABSL_GUARDED_BY(mu_);
  Timer timer_ ABSL_GUARDED_BY(mu_);
  bool is_armed_ ABSL_GUARDED_BY(mu_) = false;
  bool is_stopped_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_LISTENERS_H_
