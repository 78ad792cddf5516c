// An alarm on a completion queue, whose completion may destroy it.
//
//   class Look final : public Completion {
//    public:
//     void Later() { alarm_.Set(pollers->Begin(), at, this); }
//     void OnComplete(bool ok) override { delete this; }
//    private:
//     Alarm alarm_;
//   };
//
// gRPC's own alarm does not allow that, although its reference counts suggest
// it. From 1.63 on, if not earlier, Set() still writes to the alarm when it may
// have ended. On 1.83 a poller had deleted the alarm by then, and the write
// went into a map of a channel. So this class keeps the alarm until Set() has
// returned.
//
// Thread safety: Set() may be called again, from any thread, once `tag` has
// ended.
#ifndef FIREBREAK_SRC_ENGINE_IO_ALARM_H_
#define FIREBREAK_SRC_ENGINE_IO_ALARM_H_

#include <grpc/support/time.h>
#include <grpcpp/alarm.h>
#include <grpcpp/completion_queue.h>

#include <memory>

namespace firebreak::engine {

class Completion;

class Alarm {
 public:
  // Completes `tag` on `cq` at that time, or at once if the time is past. This
  // object may be destroyed before Set() returns.
  void Set(grpc::CompletionQueue* cq, gpr_timespec at, Completion* tag) {
    const std::shared_ptr<grpc::Alarm> kept = alarm_;
    kept->Set(cq, at, tag);
  }

 private:
  const std::shared_ptr<grpc::Alarm> alarm_ = std::make_shared<grpc::Alarm>();
};

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_IO_ALARM_H_
