// The streams of WatchEvents: each reads the engine's event log at the pace of
// its reader.
//
//   auto streams = EventStreams::Create(core);
//   return streams->Open(context, *request, may);   // a reactor for gRPC
//
// A stream has no thread of its own. It writes new events, one response at a
// time, when its last write is done or at the next tick (ten a second, while
// there are streams). So a slow reader, or one that is gone, costs the memory
// of one response; if the log overwrites events meanwhile, `missed` has their
// number. After a while without events a stream sends a heartbeat.
//
// Calls depend on the engine's timer threads, so a tick only posts the work:
// the streams are served on the pool that runs listeners. Only the cancelling
// of a stream does not wait for that pool.
//
// Thread safety: safe from any thread. Ownership: it outlives the server that
// gets its reactors; a reactor ends with its call.
#ifndef FIREBREAK_SRC_ADMIN_STREAMS_EVENT_STREAMS_H_
#define FIREBREAK_SRC_ADMIN_STREAMS_EVENT_STREAMS_H_

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

  // The most streams at a time; more are refused.
  static constexpr size_t kMaxStreams = 100;

  static std::shared_ptr<EventStreams> Create(
      std::shared_ptr<engine::EngineCore> core);
  ~EventStreams() override;

  // Never null: a request that is refused, also by `may`, gets a reactor that
  // ends with that status.
  Reactor* Open(grpc::CallbackServerContext* context,
                const v1::WatchEventsRequest& request, const absl::Status& may);
  // Ends every stream, and refuses new ones, with UNAVAILABLE. A stream whose
  // reader does not read is cancelled a moment later, since the end would not
  // reach it.
  void Shutdown();

  void OnTimer() override;

 private:
  class Stream;

  explicit EventStreams(std::shared_ptr<engine::EngineCore> core)
      : core_(std::move(core)) {}
  absl::Status Check(const v1::WatchEventsRequest& request) const;
  // Adds the stream and starts the timer if needed, or refuses it.
  absl::Status Add(std::shared_ptr<Stream> stream);
  void Remove(Stream* stream);
  std::vector<std::shared_ptr<Stream>> Streams() const;

  const std::shared_ptr<engine::EngineCore> core_;
  engine::Timer timer_;
  mutable core::Mutex mu_;
  std::vector<std::shared_ptr<Stream>> streams_ ABSL_GUARDED_BY(mu_);
  bool ticking_ ABSL_GUARDED_BY(mu_) = false;
  bool is_served_ ABSL_GUARDED_BY(mu_) = false;  // a job on the pool is pending
  bool shut_down_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace firebreak::admin

#endif  // FIREBREAK_SRC_ADMIN_STREAMS_EVENT_STREAMS_H_
