// A stream of responses at its reader's pace, and how it ends.
//
//   class Stream : public PacedStream<v1::WatchEventsResponse> {
//     absl::optional<grpc::Status> EndNow() override;   // is it over?
//     bool Fill() override;                             // into response_
//     void Leave() override;                            // gRPC has let go
//   };
//   stream->Pump();                      // whenever there may be something new
//   stream->End(status);
//   stream->BreakOffIfOverdue(now);      // now and then
//
// `busy_` is the right to use the reactor: whoever sets it does the one write,
// or the one Finish() after which it is never cleared. So no two operations
// overlap, and none runs under the lock.
//
// Thread safety: safe from any thread. Ownership: its owner keeps it until
// Leave(); `core` outlives it.
#ifndef FIREBREAK_SRC_ADMIN_PACED_STREAM_H_
#define FIREBREAK_SRC_ADMIN_PACED_STREAM_H_

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

  // Writes what there is to write, if nothing is being written.
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

  // Ends the stream as soon as its write is done. An end that is no OK stays.
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

  // Neither a write nor the end gets past a reader that does not read.
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
  // From when its end is asked for until it is broken off. A reader that reads
  // needs a round trip.
  static constexpr core::Duration kEndsWithin = std::chrono::milliseconds(250);

  // What it ends with now; nothing while it goes on.
  virtual absl::optional<grpc::Status> EndNow()
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) = 0;
  // Fills `response_`; false when there is nothing to say.
  virtual bool Fill() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) = 0;
  // The last that happens to it.
  virtual void Leave() = 0;

  const engine::EngineCore* const core_;
  core::Mutex mu_;
  bool busy_ ABSL_GUARDED_BY(mu_) = false;
  absl::optional<grpc::Status> end_ ABSL_GUARDED_BY(mu_);
  core::Time end_due_ ABSL_GUARDED_BY(mu_);
  Response response_;  // of whoever has set `busy_`

 private:
  // Held while the context is used, since it goes when OnDone() returns. No
  // reaction of gRPC's runs inside TryCancel().
  core::Mutex context_mu_;
  grpc::CallbackServerContext* context_ ABSL_GUARDED_BY(context_mu_);
};

}  // namespace firebreak::admin

#endif  // FIREBREAK_SRC_ADMIN_PACED_STREAM_H_
