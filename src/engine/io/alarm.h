// An alarm on a completion queue that may go with its own end.
//
//   class Look final : public Completion {
//    public:
//     void Later() { alarm_.Set(pollers->Begin(), at, this); }
//     void OnComplete(bool ok) override { delete this; }
//    private:
//     Alarm alarm_;
//   };
//
// gRPC's own may not, though its reference counts say so: from 1.63 on, if not
// earlier, Set() writes down what it has set when that may have ended. On 1.83
// a poller had deleted the alarm by then, and the write went into a map of a
// channel. So this one keeps it until Set() is back.
//
// Thread safety: Set() again from any thread once its end has come.
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
  // `tag` ends on `cq` at that time, and at once when that is past. This may be
  // gone when it is back.
  void Set(grpc::CompletionQueue* cq, gpr_timespec at, Completion* tag) {
    const std::shared_ptr<grpc::Alarm> kept = alarm_;
    kept->Set(cq, at, tag);
  }

 private:
  const std::shared_ptr<grpc::Alarm> alarm_ = std::make_shared<grpc::Alarm>();
};

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_IO_ALARM_H_
