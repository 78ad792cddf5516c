// A completion queue for a thread that waits for its own calls.
//
//   std::unique_ptr<Lane> lane = io->TakeLane();
//   reader->Finish(&reply, &status, attempt);   // ... on lane->Begin()
//   while (!done) {
//     if (!lane->RunOne(deadline)) OnDeadline();
//   }
//   io->ReturnLane(std::move(lane), keep_alive);
//
// Why: when a synchronous caller's attempts complete on the engine's queue, a
// poller has to wake up for each, and then wake the caller: two context
// switches that a plain gRPC call does not have. The caller is waiting anyway,
// so it can poll by itself.
//
// Thread safety: Ring() from any thread; the rest from the one thread that has
// the lane at the moment. Ownership: lent by an Io, see there.
#ifndef FIREBREAK_SRC_ENGINE_IO_LANE_H_
#define FIREBREAK_SRC_ENGINE_IO_LANE_H_

#include <grpcpp/alarm.h>
#include <grpcpp/completion_queue.h>

#include <atomic>
#include <utility>

#include "src/core/base/time.h"

namespace firebreak::engine {

// What a tag of a completion queue of ours points to.
class Completion {
 public:
  virtual ~Completion() = default;
  // On the thread that polls. May delete itself.
  virtual void OnComplete(bool ok) = 0;
};

class Lane {
 public:
  Lane() = default;
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  // The queue, on which one operation is about to be started. Its tag is a
  // Completion pointer.
  grpc::CompletionQueue* Begin();
  // Waits for one end, at the longest until `until`, and runs its OnComplete().
  // False when none came. A time in the past: only what is there already.
  bool RunOne(core::Time until);
  // Ends a RunOne() that waits, or the next one.
  void Ring();
  // Whether a ring has ended a RunOne() since the last time.
  bool TakeRing() { return std::exchange(bell_.heard, false); }
  // Nothing that was begun is still to end.
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
  grpc::Alarm alarm_;
};

// For completion queues and alarms.
gpr_timespec ToGrpcTime(core::Time time);

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_IO_LANE_H_
