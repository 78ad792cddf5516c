// A stream of responses whose reads have a time limit.
//
//   LiveStream<v1::WatchEventsResponse> stream(
//       &context, [&](grpc::CompletionQueue* queue) {
//         return stub->AsyncWatchEvents(&context, request, queue, nullptr);
//       });
//   while (stream.Read(&response, patience)) ...
//   grpc::Status end = stream.Finish();
//   if (stream.is_silent()) ...      // no response came for too long
//
// Thread safety: none. Ownership: the context outlives the stream, and so does
// what `stop` refers to.
#ifndef FIREBREAK_TOOLS_FIREBREAKCTL_ASK_LIVE_STREAM_H_
#define FIREBREAK_TOOLS_FIREBREAKCTL_ASK_LIVE_STREAM_H_

#include <grpc/support/time.h>
#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/support/async_stream.h>
#include <grpcpp/support/status.h>

#include <chrono>
#include <functional>
#include <memory>
#include <utility>

#include "src/core/base/time.h"

namespace firebreak::ctl {

// Whether another attempt would end in the same way.
inline bool IsForGood(const grpc::Status& end) {
  switch (end.error_code()) {
    case grpc::StatusCode::PERMISSION_DENIED:
    case grpc::StatusCode::UNAUTHENTICATED:
    case grpc::StatusCode::UNIMPLEMENTED:
    case grpc::StatusCode::INVALID_ARGUMENT:
      return true;
    default:
      return false;
  }
}

template <class Response>
class LiveStream {
 public:
  // `stop`, if given, is called many times a second; true ends the stream.
  template <class Open>
  LiveStream(grpc::ClientContext* context, const Open& open,
             std::function<bool()> stop = nullptr)
      : context_(context), stop_(std::move(stop)) {
    reader_ = open(&queue_);
    ++pending_;
  }
  LiveStream(const LiveStream&) = delete;
  LiveStream& operator=(const LiveStream&) = delete;
  ~LiveStream() {
    queue_.Shutdown();
    void* tag;
    bool ok;
    while (queue_.Next(&tag, &ok)) {
    }
  }

  // Reads the next response. False if the stream has ended.
  bool Read(Response* response, core::Duration patience) {
    const gpr_timespec until = In(patience);
    if (pending_ > 0 && !Wait(until)) return false;
    reader_->Read(response, nullptr);
    ++pending_;
    return Wait(until);
  }
  // Returns the final status; to be called after Read() returned false.
  grpc::Status Finish() {
    grpc::Status status;
    reader_->Finish(&status, nullptr);
    ++pending_;
    Wait(gpr_inf_future(GPR_CLOCK_MONOTONIC));
    return status;
  }
  bool is_silent() const { return is_silent_; }

 private:
  static gpr_timespec In(core::Duration time) {
    return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                        gpr_time_from_nanos(time.count(), GPR_TIMESPAN));
  }

  // Waits for the pending operation.
  bool Wait(gpr_timespec until) {
    constexpr auto kLook = std::chrono::milliseconds(50);
    void* tag;
    bool ok = false;
    for (;;) {
      const gpr_timespec look = stop_ ? gpr_time_min(until, In(kLook)) : until;
      if (queue_.AsyncNext(&tag, &ok, look) != grpc::CompletionQueue::TIMEOUT) {
        break;
      }
      const bool is_over = gpr_time_cmp(look, until) == 0;
      if (!is_over && !stop_()) continue;
      is_silent_ = is_silent_ || is_over;
      context_->TryCancel();
      queue_.Next(&tag, &ok);
      break;
    }
    --pending_;
    return ok;
  }

  grpc::ClientContext* const context_;
  const std::function<bool()> stop_;
  grpc::CompletionQueue queue_;
  std::unique_ptr<grpc::ClientAsyncReader<Response>> reader_;
  int pending_ = 0;
  bool is_silent_ = false;
};

}  // namespace firebreak::ctl

#endif  // FIREBREAK_TOOLS_FIREBREAKCTL_ASK_LIVE_STREAM_H_
