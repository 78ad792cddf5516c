// The engine's own threads: a completion queue with its pollers, timers, and
// two bounded pools for the application's callbacks; and caller queues, see
// caller_queue.h.
//
//   Io io(options);
//   if (!io.status().ok()) return io.status();  // no thread could be started
//   class Call : public TimerClient {
//     void OnTimer() override;
//     Timer timer_;
//   };
//   call->timer_.client = call;                 // weak
//   io->Arm(&call->timer_, due);                // OnTimer() at or after `due`
//   io->Disarm(&call->timer_);                  // in ~Call
//   stub->PrepareUnaryCall(..., io->Begin());   // one operation on its queue
//   reader->Finish(&reply, &status, static_cast<Completion*>(attempt));
//   io->Submit([...] { fallback(...); });       // false: no room
//   io->SubmitAside([...] { classifier(...); });
//
// Why threads of its own: gRPC runs all callbacks of a process on a few threads
// that the application may block. If attempts ran there, synchronous calls made
// inside callback handlers would starve each other for ever. And the last
// reference to a Channel must not be dropped inside a gRPC callback: libgrpc
// frees it twice then. So whatever may hold one completes, and is destroyed, on
// these threads.
//
// Why two pools: calls wait for their fallbacks, and for nothing else that the
// application runs here. A classifier or listener that blocks, or has too much
// to do, must not delay fallbacks.
//
// Why there may be more threads: completions and timers may run the
// application's code too (an AttemptListener, the channel's other
// interceptors). If that blocks a thread, another one takes its place, up to a
// limit: see pollers.h and timers.h.
//
// Ownership and end: an Io may be destroyed on any thread, its own included
// (the last call in flight may hold the engine, and end here). Threads are then
// told to stop, and joined, except the one that is running and pool threads
// that are inside the application's code: those are detached and end by
// themselves. Everything that they use is shared with them. Nothing is
// submitted to a queue that is shut down, since whoever could submit keeps the
// Io alive. In a forked process there are no threads to end, and locks that
// they held stay locked: there an Io touches nothing, and leaks its memory.
//
// Thread safety: every member function may be called from any thread. Time:
// steady, see clock.h.
#ifndef FIREBREAK_SRC_ENGINE_IO_IO_H_
#define FIREBREAK_SRC_ENGINE_IO_IO_H_

#include <grpcpp/channel.h>
#include <grpcpp/completion_queue.h>

#include <cstddef>
#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "src/core/base/time.h"
#include "src/engine/io/caller_queue.h"
#include "src/engine/io/clock.h"
#include "src/engine/io/threads.h"
#include "src/engine/io/timer_queue.h"

namespace firebreak::engine {

class Io {
 public:
  // The most threads of each kind, with those that are started because others
  // are blocked.
  static constexpr int kMaxTimerThreads = 32;
  static constexpr int kMorePollers = 30;

  struct Options {
    int pollers = 2;
    int callback_threads = 2;
    int observer_threads = 2;
    std::size_t callback_queue = 1024;  // of each pool
    ThreadStarter start_thread = StartThread;
    EngineClock clock = EngineClock();
  };

  explicit Io(const Options& options);
  ~Io();
  Io(const Io&) = delete;
  Io& operator=(const Io&) = delete;

  // Returns RESOURCE_EXHAUSTED if a thread could not be started. Then there are
  // no threads, and the Io may only be destroyed.
  const absl::Status& status() const { return status_; }
  // Whether this is the copy of a forked process.
  bool IsForked() const;

  // Returns the pollers' queue, on which the caller is about to start one
  // operation. The tag of the operation is a Completion pointer.
  grpc::CompletionQueue* Begin();

  // A channel that never connects, since nothing is sent on it.
  std::shared_ptr<grpc::Channel> idle_channel();

  std::unique_ptr<CallerQueue> TakeCallerQueue();
  // Takes a caller queue back, even if operations on it have not ended. It
  // waits a moment for those that were cancelled, and leaves the others to a
  // poller. `keep_alive` owns this Io, and is held until then.
  void ReturnCallerQueue(std::unique_ptr<CallerQueue> caller_queue,
                         std::shared_ptr<void> keep_alive);

  // How many pollers wait for an operation to begin.
  int parked_pollers() const;
  // How many timers are armed.
  std::size_t armed_timers() const;

  // Returns the time by the engine's clock, which timers use too.
  core::Time Now() const { return clock_.Now(); }
  // Sets or moves a timer. It is skipped if its client is gone by then.
  void Arm(Timer* timer, core::Time at);
  void Disarm(Timer* timer);

  // Runs `what` on a poller, for objects that must not be destroyed on the
  // calling thread. `keep_alive` owns this Io, and is held until then.
  void Dispose(std::function<void()> what, std::shared_ptr<void> keep_alive);

  // Runs `work`, for which a call waits, on a pool. Returns false at once if
  // there is no room.
  bool Submit(std::function<void()> work);
  // The same for work for which no call waits, on a pool of its own.
  bool SubmitAside(std::function<void()> work);

 private:
  struct State;
  class LeftoverEnds;

  void End();

  const EngineClock clock_;
  const std::shared_ptr<State> state_;
  absl::Status status_;
};

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_IO_IO_H_
