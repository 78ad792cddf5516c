// A stream of responses that is as fast as its reader, and how it ends.
//
//   class Stream : public PacedStream<v1::WatchEventsResponse> {
//     absl::optional<grpc::Status> EndNow() override;   // set once it is over
//     bool Fill() override;                             // fills response_
//     void Leave() override;                            // gRPC is done with it
//   };
//   stream->Pump();                      // if there may be something new
//   stream->End(status);
//   stream->BreakOffIfOverdue(now);      // periodically
//
// `busy_` is the right to use the reactor: the thread that sets it starts one
// write, or the Finish(), after which `busy_` is never cleared. So operations
// never overlap, and none runs under the lock.
//
// Thread safety: safe from any thread. Ownership: the owner keeps it until
// Leave(); `core` outlives it.
#ifndef FIREBREAK_SRC_ADMIN_STREAMS_PACED_STREAM_H_
#define FIREBREAK_SRC_ADMIN_STREAMS_PACED_STREAM_H_

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <chrono>

#include "absl/base/thread_annotations.h"
#include "absl/types/optional.h"
#include "src/core/base/mutex.h"
#include "src/core/base/time.h"
#include "src/engine/engine_core.h"

namespace firebreak::admin {

template <class Response>
class PacedStream : public grpc::ServerWriteReactor<Response> {
 public:
  PacedStream(const engine::EngineCore* core,
              grpc::CallbackServerContext* context)
      : core_(core), context_(context) {}

  // Writes the next response, if there is one and no write is in progress.
  void Pump() {
    absl::optional<grpc::Status> end;
    {
      core::MutexLock lock(&mu_);
      if (busy_) return;
      end = EndNow();
      if (!end.has_value() && !Fill()) return;
      busy_ = true;
    }
    if (end.has_value()) {
      this->Finish(*end);
    } else {
      this->StartWrite(&response_);
    }
  }

  // Ends the stream as soon as its write is done. A status other than OK is not
  // replaced by a later one.
  void End(const grpc::Status& status) {
    {
      core::MutexLock lock(&mu_);
      if (!end_.has_value() || end_->ok()) {
        end_ = status;
        end_due_ = core_->Now() + kEndsWithin;
      }
    }
    Pump();
  }

  // Cancels a stream that should have ended: if the reader does not read,
  // neither a write nor the end completes.
  void BreakOffIfOverdue(core::Time now) {
    {
      core::MutexLock lock(&mu_);
      if (!end_.has_value() || now < end_due_) return;
    }
    core::MutexLock lock(&context_mu_);
    if (context_ == nullptr) return;
    context_->TryCancel();
    context_ = nullptr;
  }

  void OnWriteDone(bool ok) final {
    {
      core::MutexLock lock(&mu_);
      busy_ = false;
    }
    if (ok) {
      Pump();
    } else {
      End(grpc::Status::CANCELLED);
    }
  }
  void OnCancel() final { End(grpc::Status::CANCELLED); }
  void OnDone() final {
    {
      core::MutexLock lock(&context_mu_);
      context_ = nullptr;
    }
    Leave();
  }

 protected:
  // How long the end of a stream may take until it is cancelled. A reader that
  // reads needs one round trip.
  static constexpr core::Duration kEndsWithin = std::chrono::milliseconds(250);

  // The status to end with now; nullopt while the stream goes on.
  virtual absl::optional<grpc::Status> EndNow()
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) = 0;
  // Fills `response_`. False if there is nothing to send.
  virtual bool Fill() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) = 0;
  // Called last; it may destroy the stream.
  virtual void Leave() = 0;

  const engine::EngineCore* const core_;
  core::Mutex mu_;
  bool busy_ ABSL_GUARDED_BY(mu_) = false;
  absl::optional<grpc::Status> end_ ABSL_GUARDED_BY(mu_);
  core::Time end_due_ ABSL_GUARDED_BY(mu_);
  Response response_;  // used by the thread that set `busy_`

 private:
  // Held while the context is used, since it is destroyed when OnDone()
  // returns. gRPC runs none of its callbacks inside of TryCancel().
  core::Mutex context_mu_;
  grpc::CallbackServerContext* context_ ABSL_GUARDED_BY(context_mu_);
};

}  // namespace firebreak::admin

#endif  // FIREBREAK_SRC_ADMIN_STREAMS_PACED_STREAM_H_
