// The streams of WatchEvents: readers of the engine's event log, at their own
// pace.
//
//   auto streams = EventStreams::Create(core);
//   return streams->Open(context, *request, may);   // a reactor for gRPC
//
// No thread belongs to a stream. It writes what is new, one response at a time,
// when its last write is done or at the next tick (ten a second, while there
// are streams). So a reader that is slow, or gone, costs one response
// of memory; what the log overwrites meanwhile it is told as `missed`. A stream
// that has had nothing to say for a while says so.
//
// The engine's timer thread, which calls wait for, only hands on: the streams
// are served on the pool where listeners run, and wait with those. Only to
// break off a stream waits for nobody.
//
// Thread safety: safe from any thread. Ownership: outlives the server that its
// reactors are handed to; reactors end with their calls.
#ifndef FIREBREAK_SRC_ADMIN_EVENT_STREAMS_H_
#define FIREBREAK_SRC_ADMIN_EVENT_STREAMS_H_

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <cstddef>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "firebreak/v1/admin.pb.h"
#include "src/core/base/mutex.h"
#include "src/engine/engine_core.h"
#include "src/engine/io/io.h"

namespace firebreak::admin {

class EventStreams : public engine::TimerClient,
                     public std::enable_shared_from_this<EventStreams> {
 public:
  using Reactor = grpc::ServerWriteReactor<v1::WatchEventsResponse>;

  // Streams at a time; more are refused.
  static constexpr size_t kMaxStreams = 100;

  static std::shared_ptr<EventStreams> Create(
      std::shared_ptr<engine::EngineCore> core);
  ~EventStreams() override;

  // Never null: a request that is refused, also by `may`, gets a reactor that
  // says so.
  Reactor* Open(grpc::CallbackServerContext* context,
                const v1::WatchEventsRequest& request, const absl::Status& may);
  // Ends every stream, and refuses new ones, with UNAVAILABLE. One whose reader
  // does not read is broken off a moment later, since no end would reach it.
  void Shutdown();

  void OnTimer() override;

 private:
  class Stream;

  explicit EventStreams(std::shared_ptr<engine::EngineCore> core)
      : core_(std::move(core)) {}
  absl::Status Check(const v1::WatchEventsRequest& request) const;
  // Refuses, or adds the stream and sees to it that the timer runs.
  absl::Status Add(std::shared_ptr<Stream> stream);
  void Remove(Stream* stream);
  std::vector<std::shared_ptr<Stream>> Streams() const;

  const std::shared_ptr<engine::EngineCore> core_;
  engine::Timer timer_;
  mutable core::Mutex mu_;
  std::vector<std::shared_ptr<Stream>> streams_ ABSL_GUARDED_BY(mu_);
  bool ticking_ ABSL_GUARDED_BY(mu_) = false;
  bool is_served_ ABSL_GUARDED_BY(mu_) = false;  // a job for it is under way
  bool shut_down_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace firebreak::admin

#endif  // FIREBREAK_SRC_ADMIN_EVENT_STREAMS_H_
