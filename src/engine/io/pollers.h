// The engine's completion queue and the threads that wait in it.
//
//   auto pollers = Pollers::Create(2, 30, [&] { return StartOne(); }, &timers);
//   ... pollers->Run() on two threads ...
//   stub->PrepareUnaryCall(..., pollers->Begin());  // one operation
//   reader->Finish(&reply, &status, static_cast<Completion*>(attempt));
//
// Pollers wait in gRPC only while something of ours is to come, and a moment
// longer. In gRPC one waiting thread of a process polls for all of them: an
// idle poller of ours in that place would have to wake the application's own
// threads for each of their native calls.
//
// A completion may run the application's code (an AttemptListener, another
// interceptor, the parsing of a reply) and dawdle there. Where that has taken
// the last thread away from the queue, and something else is to come, a timer
// sees to it that another one goes there: one that is parked, or a new one, up
// to a bound. It is armed only in that case, and only once for all that happens
// until it is due: a healthy process hardly ever meets it.
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
#include "src/engine/io/lane.h"
#include "src/engine/io/timers.h"

namespace firebreak::engine {

class Pollers final : public TimerClient {
  struct Key {};  // only Create() has one

 public:
  // `start`, up to `may_start` times: as for Timers.
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
  // How many wait for something to begin.
  int parked() const { return parked_; }

  // Returns after Stop(), when all that began has ended.
  void Run();
  void Stop();

  // Looks whether the queue is left alone.
  void OnTimer() override;

 private:
  void Park();
  void Wake();
  void Complete(Completion* completion, bool ok);
  // Something is to come, and all who could see it come are parked or inside
  // of a completion.
  bool IsLeftAlone() const;
  void LookLaterIfLeftAlone();

  const std::function<bool()> start_;
  Timers* const timers_;
  grpc::CompletionQueue cq_;

  // Whoever changes one of these and then reads the others sees the change of
  // whoever did the same the other way round.
  std::atomic<int> threads_;
  std::atomic<int> operations_{0};  // begun and not yet ended
  std::atomic<int> inside_{0};      // of a completion
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
