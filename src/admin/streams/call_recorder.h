// The stream of RecordCalls: it sends the engine's tape in blocks, as fast as
// the reader reads.
//
//   auto recorder = CallRecorder::Create(core, gate);
//   return recorder->Open(context, *request, which);   // a reactor for gRPC
//   recorder->Shutdown();
//
// There is one stream at a time, since each costs memory and makes calls
// slower; a second request is told who has the first. The stream ends after the
// requested time; the reader may still read what was recorded until then.
// RecordCalls is authorized and audited like a change: it makes calls slower,
// and shows when single calls were made.
//
// Ten times a second the tape is drained, on the pool that runs listeners. Up
// to kMaxBlocks wait for a slow reader; further calls are dropped and their
// number reported. If the reader does not read at all, the stream is cancelled
// a moment after its end.
//
// Thread safety: safe from any thread. Ownership: it outlives the server that
// gets its reactors; a reactor ends with its call.
#ifndef FIREBREAK_SRC_ADMIN_STREAMS_CALL_RECORDER_H_
#define FIREBREAK_SRC_ADMIN_STREAMS_CALL_RECORDER_H_

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <cstddef>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "firebreak/v1/admin.pb.h"
#include "src/admin/control/gate.h"
#include "src/core/base/mutex.h"
#include "src/engine/engine_core.h"
#include "src/engine/io/io.h"

namespace firebreak::admin {

class CallRecorder : public engine::TimerClient,
                     public std::enable_shared_from_this<CallRecorder> {
 public:
  using Reactor = grpc::ServerWriteReactor<v1::RecordCallsResponse>;

  // The most blocks that wait for the reader: about 3 MB, with 1000 calls in
  // each.
  static constexpr size_t kMaxBlocks = 50;

  static std::shared_ptr<CallRecorder> Create(
      std::shared_ptr<engine::EngineCore> core, std::shared_ptr<Gate> gate);
  ~CallRecorder() override;

  // Never null. `which` is an error if the request does not say which engine is
  // meant.
  Reactor* Open(grpc::CallbackServerContext* context,
                const v1::RecordCallsRequest& request,
                const absl::Status& which);
  // Ends the stream, and refuses new ones with UNAVAILABLE.
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
  // Runs on the pool of listeners.
  void Serve();

  const std::shared_ptr<engine::EngineCore> core_;
  const std::shared_ptr<Gate> gate_;
  engine::Timer timer_;
  mutable core::Mutex mu_;
  std::shared_ptr<Stream> stream_ ABSL_GUARDED_BY(mu_);
  bool ticking_ ABSL_GUARDED_BY(mu_) = false;
  bool is_served_ ABSL_GUARDED_BY(mu_) = false;  // a job on the pool is pending
  bool is_ending_ ABSL_GUARDED_BY(mu_) = false;  // its tape session is ending
  bool shut_down_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace firebreak::admin

#endif  // FIREBREAK_SRC_ADMIN_STREAMS_CALL_RECORDER_H_
