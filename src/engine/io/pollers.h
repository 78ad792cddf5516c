// The engine's completion queue and the threads that wait in it.
//
//   auto pollers = Pollers::Create(2, 30, [&] { return StartOne(); }, &timers);
//   ... pollers->Run() on two threads ...
//   stub->PrepareUnaryCall(..., pollers->Begin());  // one operation
//   reader->Finish(&reply, &status, static_cast<Completion*>(attempt));
//
// Pollers wait in gRPC only while an operation of the engine is in progress,
// and a moment longer. In gRPC one waiting thread of a process polls for all
// the others: if an idle poller of the engine were that thread, it would have
// to wake up the application's own threads for each of their native calls.
//
// A completion may run the application's code (an AttemptListener, another
// interceptor, the parsing of a reply), which may block. If that takes the last
// thread away from the queue while other operations are in progress, a timer
// sends another thread there: one that is parked, or a new one, up to a limit.
// The timer is armed only in that case, and once for everything that happens
// until it is due. A healthy process hardly ever needs it.
//
// Thread safety: safe from any thread. Ownership: `timers` outlives this;
// whoever joins the threads keeps this alive until then. Nothing begins after
// Stop().
#ifndef FIREBREAK_SRC_ENGINE_IO_POLLERS_H_
#define FIREBREAK_SRC_ENGINE_IO_POLLERS_H_

#include <grpcpp/completion_queue.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "src/core/base/mutex.h"
#include "src/engine/io/caller_queue.h"
#include "src/engine/io/timers.h"

namespace firebreak::engine {

class Pollers final : public TimerClient {
  struct Key {};  // only Create() has one

 public:
  // `start` may be called up to `may_start` times, as for Timers.
  static std::shared_ptr<Pollers> Create(int threads, int may_start,
                                         std::function<bool()> start,
                                         Timers* timers);
  Pollers(Key, int threads, int may_start, std::function<bool()> start,
          Timers* timers)
      : start_(std::move(start)),
        timers_(timers),
        threads_(threads),
        may_start_(may_start) {}

  // The queue, on which one operation is about to be started. Its tag is a
  // Completion pointer.
  grpc::CompletionQueue* Begin();
  // How many pollers wait for an operation to begin.
  int parked() const { return parked_; }

  // Returns after Stop(), when all that began has ended.
  void Run();
  void Stop();

  // Sends another thread to the queue if it needs one and has none.
  void OnTimer() override;

 private:
  void Park();
  void Wake();
  void Complete(Completion* completion, bool ok);
  // Whether an operation is in progress while all pollers are parked or inside
  // a completion.
  bool IsLeftAlone() const;
  void LookLaterIfLeftAlone();

  const std::function<bool()> start_;
  Timers* const timers_;
  grpc::CompletionQueue cq_;

  // If two threads each change one of these and then read the others, at least
  // one of them sees the change of the other.
  std::atomic<int> threads_;
  std::atomic<int> operations_{0};  // begun and not yet ended
  std::atomic<int> inside_{0};      // threads inside a completion
  std::atomic<int> parked_{0};      // written under the mutex

  Timer look_;
  std::atomic<bool> will_look_{false};
  std::atomic<uint64_t> completed_{0};
  std::atomic<uint64_t> completed_before_{0};  // when the look was set

  core::Mutex mu_;
  core::CondVar wake_;
  int wanted_ ABSL_GUARDED_BY(mu_) = 0;
  bool stop_ ABSL_GUARDED_BY(mu_) = false;
  int may_start_ ABSL_GUARDED_BY(mu_);
};

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_IO_POLLERS_H_
