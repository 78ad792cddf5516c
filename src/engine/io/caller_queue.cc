#include "src/engine/io/caller_queue.h"

#include <grpc/support/time.h>

#include "src/engine/io/clock.h"

namespace firebreak::engine {

grpc::CompletionQueue* CallerQueue::Begin() {
  pending_.fetch_add(1, std::memory_order_relaxed);
  return &cq_;
}

bool CallerQueue::RunOne(core::Time until) {
  void* tag = nullptr;
  bool ok = false;
  if (cq_.AsyncNext(&tag, &ok, ToGrpcTime(until)) !=
      grpc::CompletionQueue::GOT_EVENT) {
    return false;
  }
  pending_.fetch_sub(1, std::memory_order_relaxed);
  static_cast<Completion*>(tag)->OnComplete(ok);
  return true;
}

void CallerQueue::Ring() {
  // An alarm may be set again once its tag has come.
  if (bell_.rung.exchange(true)) return;
  alarm_.Set(Begin(), gpr_inf_past(GPR_CLOCK_MONOTONIC), &bell_);
}

gpr_timespec ToGrpcTime(core::Time time) {
  if (time == core::kInfiniteFuture) {
    return gpr_inf_future(GPR_CLOCK_MONOTONIC);
  }
  if (time == core::Time::min()) return gpr_inf_past(GPR_CLOCK_MONOTONIC);
  const core::Duration left = time - Now();
  return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                      gpr_time_from_nanos(left.count(), GPR_TIMESPAN));
}

}  // namespace firebreak::engine
