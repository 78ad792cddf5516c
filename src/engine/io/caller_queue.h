// A completion queue for a thread that waits for its own calls.
//
//   std::unique_ptr<CallerQueue> caller_queue = io->TakeCallerQueue();
//   reader->Finish(&reply, &status, attempt);   // ... on caller_queue->Begin()
//   while (!done) {
//     if (!caller_queue->RunOne(deadline)) OnDeadline();
//   }
//   io->ReturnCallerQueue(std::move(caller_queue), keep_alive);
//
// Why: when a synchronous caller's attempts complete on the engine's queue, a
// poller has to wake up for each, and then wake the caller: two context
// switches that a plain gRPC call does not have. The caller is waiting anyway,
// so it can poll by itself.
//
// Thread safety: Ring() from any thread; the rest from the one thread that has
// the caller queue at the moment. Ownership: lent by an Io, see there.
#ifndef FIREBREAK_SRC_ENGINE_IO_CALLER_QUEUE_H_
#define FIREBREAK_SRC_ENGINE_IO_CALLER_QUEUE_H_

#include <grpcpp/completion_queue.h>

#include <atomic>
#include <utility>

#include "src/core/base/time.h"
#include "src/engine/io/alarm.h"

namespace firebreak::engine {

// What the tags of the engine's completion queues point to.
class Completion {
 public:
  virtual ~Completion() = default;
  // Called on the thread that polls. It may delete itself.
  virtual void OnComplete(bool ok) = 0;
};

class CallerQueue {
 public:
  CallerQueue() = default;
  CallerQueue(const CallerQueue&) = delete;
  CallerQueue& operator=(const CallerQueue&) = delete;

  // Returns the queue, on which the caller is about to start one operation. The
  // tag of the operation is a Completion pointer.
  grpc::CompletionQueue* Begin();
  // Waits until `until` for the end of one operation, and runs its
  // OnComplete(). Returns false if none has ended. If `until` is in the past,
  // it does not wait, and takes only an operation that has ended already.
  bool RunOne(core::Time until);
  // Wakes up a RunOne() that waits, or else the next one.
  void Ring();
  // Whether a Ring() has woken up a RunOne() since the last time.
  bool TakeRing() { return std::exchange(bell_.heard, false); }
  // Whether every operation that was started has ended.
  bool idle() const { return pending_ == 0; }

 private:
  class Bell final : public Completion {
   public:
    void OnComplete(bool /*ok*/) override {
      heard = true;
      rung = false;
    }
    std::atomic<bool> rung{false};
    bool heard = false;
  };

  grpc::CompletionQueue cq_;
  std::atomic<int> pending_{0};
  Bell bell_;
  Alarm alarm_;
};

// For completion queues and alarms, which do not follow a test's clock.
gpr_timespec ToGrpcTime(core::Time time);

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_IO_CALLER_QUEUE_H_
