// The engine's own threads: a completion queue with its pollers, timers, and
// two bounded pools for the application's callbacks; and lanes, see lane.h.
//
//   Io io(options);
//   if (!io.status().ok()) return io.status();  // no thread was to be had
//   class Call : public TimerClient { void OnTimer() override; Timer timer_; };
//   call->timer_.client = call;                 // weak
//   io->Arm(&call->timer_, due);                // OnTimer() at or after `due`
//   io->Disarm(&call->timer_);                  // in ~Call
//   stub->PrepareUnaryCall(..., io->Begin());   // one operation on its queue
//   reader->Finish(&reply, &status, static_cast<Completion*>(attempt));
//   io->Submit([...] { fallback(...); });       // false: no room
//   io->SubmitAside([...] { classifier(...); });
//
// Why own threads: gRPC runs all callbacks of a process on a few threads that
// the application may block; with attempts there, synchronous calls made inside
// callback handlers starve each other for ever. And the last reference to a
// Channel must not be dropped inside a gRPC callback: it double-frees in
// libgrpc. So whatever may hold one completes, and dies, on these threads.
//
// Why two pools: calls wait for their fallbacks, and for nothing else that the
// application runs here. A classifier or listener that blocks, or has more to
// do than its threads can, must not hold up those.
//
// Why more than a few: completions and timers may run the application's code
// too (an AttemptListener, the channel's other interceptors). Whoever dawdles
// there holds up a thread, and then another one takes its place, up to a bound:
// see pollers.h and timers.h.
//
// Ownership and end: an Io may be destroyed on any thread, its own included
// (the last call in flight may hold the engine, and end here). Threads are then
// told to stop and joined, except the one that is running, and pool threads
// that are inside the application's code: those are let go and end by
// themselves. Everything they touch is shared with them. Nothing is submitted
// to a queue that is shut down, since whoever could submit keeps the Io alive.
// In a process that was forked off there are no threads to end, and what they
// had locked stays so: there an Io touches nothing, and leaves its memory.
//
// Thread safety: all methods, from any thread. Time: steady, see clock.h.
#ifndef FIREBREAK_SRC_ENGINE_IO_IO_H_
#define FIREBREAK_SRC_ENGINE_IO_IO_H_

#include <grpcpp/channel.h>
#include <grpcpp/completion_queue.h>

#include <cstddef>
#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "src/core/base/time.h"
#include "src/engine/io/lane.h"
#include "src/engine/io/threads.h"
#include "src/engine/io/timer_queue.h"

namespace firebreak::engine {

class Io {
 public:
  // Of each kind, those that are started while others are held up included.
  static constexpr int kMaxTimerThreads = 32;
  static constexpr int kMorePollers = 30;

  struct Options {
    int pollers = 2;
    int callback_threads = 2;
    int observer_threads = 2;
    std::size_t callback_queue = 1024;  // of each pool
    ThreadStarter start_thread = StartThread;
  };

  explicit Io(const Options& options);
  ~Io();
  Io(const Io&) = delete;
  Io& operator=(const Io&) = delete;

  // RESOURCE_EXHAUSTED where a thread could not be started. Then there is none,
  // and nothing may be asked of this but to be destroyed.
  const absl::Status& status() const { return status_; }
  // This is a copy in a process forked off the one that made it.
  bool IsForked() const;

  // The pollers' queue, on which one operation is about to be started. Its tag
  // is a Completion pointer.
  grpc::CompletionQueue* Begin();

  // A channel that never connects, since nothing is sent on it.
  std::shared_ptr<grpc::Channel> idle_channel();

  std::unique_ptr<Lane> TakeLane();
  // Also while something that began on it has not ended. What has been
  // cancelled ends within moments, for which it waits; what does not, is left
  // to a poller. `keep_alive` is whoever owns this Io, and is held until then.
  void ReturnLane(std::unique_ptr<Lane> lane, std::shared_ptr<void> keep_alive);

  // How many pollers wait for something to begin.
  int parked_pollers() const;
  // How many timers are armed.
  std::size_t armed_timers() const;

  // Sets or moves. A client that is gone by then is skipped.
  void Arm(Timer* timer, core::Time at);
  void Disarm(Timer* timer);

  // Runs `what` on a poller: for what must not die on the calling thread.
  // `keep_alive` is whoever owns this Io, and is held until then.
  void Dispose(std::function<void()> what, std::shared_ptr<void> keep_alive);

  // Runs `work`, which a call waits for, on a pool, or answers false at once.
  bool Submit(std::function<void()> work);
  // The same for work that no call waits for, on a pool of its own.
  bool SubmitAside(std::function<void()> work);

 private:
  struct State;
  class LaneEnd;

  void End();

  const std::shared_ptr<State> state_;
  absl::Status status_;
};

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_IO_IO_H_
