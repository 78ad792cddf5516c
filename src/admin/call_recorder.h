// The stream of RecordCalls: what is written on the engine's tape, put into
// blocks, at the reader's pace.
//
//   auto recorder = CallRecorder::Create(core, gate);
//   return recorder->Open(context, *request, which);   // a reactor for gRPC
//   recorder->Shutdown();
//
// One stream at a time, since each costs the process memory and its calls some
// time; who comes second is told who was first. It ends by itself after the
// time that it was asked for; what was recorded by then may still be read. It
// is let in and audited as a change is: it changes what calls cost, and shows
// when single calls were made.
//
// Ten times a second the tape is emptied on the pool where listeners run. A
// reader that is slow has up to kMaxBlocks to catch up with; what is over is
// lost, and it is told how much. Nobody reads at all: the stream is broken off
// a moment after its end.
//
// Thread safety: safe from any thread. Ownership: outlives the server that its
// reactors are handed to; reactors end with their calls.
#ifndef FIREBREAK_SRC_ADMIN_CALL_RECORDER_H_
#define FIREBREAK_SRC_ADMIN_CALL_RECORDER_H_

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <cstddef>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "firebreak/v1/admin.pb.h"
#include "src/admin/gate.h"
#include "src/core/base/mutex.h"
#include "src/engine/engine_core.h"
#include "src/engine/io/io.h"

namespace firebreak::admin {

class CallRecorder : public engine::TimerClient,
                     public std::enable_shared_from_this<CallRecorder> {
 public:
  using Reactor = grpc::ServerWriteReactor<v1::RecordCallsResponse>;

  // That wait for the reader, of 1000 calls at most: some 3 MB.
  static constexpr size_t kMaxBlocks = 50;

  static std::shared_ptr<CallRecorder> Create(
      std::shared_ptr<engine::EngineCore> core, std::shared_ptr<Gate> gate);
  ~CallRecorder() override;

  // Never null. `which`: why it is not known which engine is meant.
  Reactor* Open(grpc::CallbackServerContext* context,
                const v1::RecordCallsRequest& request,
                const absl::Status& which);
  // Ends the stream, and refuses new ones, with UNAVAILABLE.
  void Shutdown();

  void OnTimer() override;

 private:
  class Stream;

  CallRecorder(std::shared_ptr<engine::EngineCore> core,
               std::shared_ptr<Gate> gate)
      : core_(std::move(core)), gate_(std::move(gate)) {}
  absl::Status Add(std::shared_ptr<Stream> stream, double share);
  void Remove(Stream* stream);
  std::shared_ptr<Stream> stream() const;
  // On the pool.
  void Serve();

  const std::shared_ptr<engine::EngineCore> core_;
  const std::shared_ptr<Gate> gate_;
  engine::Timer timer_;
  mutable core::Mutex mu_;
  std::shared_ptr<Stream> stream_ ABSL_GUARDED_BY(mu_);
  bool ticking_ ABSL_GUARDED_BY(mu_) = false;
  bool is_served_ ABSL_GUARDED_BY(mu_) = false;  // a job for it is under way
  bool is_ending_ ABSL_GUARDED_BY(mu_) = false;  // its tape is
  bool shut_down_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace firebreak::admin

#endif  // FIREBREAK_SRC_ADMIN_CALL_RECORDER_H_
