// Told of each attempt on its way: enough for a tracing span per attempt.
//
//   class Spans : public firebreak::AttemptListener {
//     void OnAttemptStart(const firebreak::AttemptStart& start) override {
//       Span span = tracer_->Begin(start.method, start.attempt);
//       start.metadata->erase("traceparent");
//       start.metadata->emplace("traceparent", span.Header());
//       Keep(start.context, std::move(span));
//     }
//     void OnAttemptEnd(const firebreak::AttemptEnd& end) override {
//       Take(end.context).Finish(end.status);
//     }
//   };
//   options.attempt_listener = std::make_shared<Spans>();   // ChannelOptions
//
// Every start has exactly one end. A loser ends when its cancelled call really
// does, which may be after its logical call has; a call that is destroyed
// without a status ends as CANCELLED, "abandoned".
//
// Thread safety: called from several threads at once, the start of an attempt
// before its end. It runs on the way of the call, on the caller's thread or one
// of the engine's: it must not block and not throw.
// Ownership: the listener is kept by its channel, and by calls in flight.
#ifndef FIREBREAK_INCLUDE_FIREBREAK_ATTEMPT_LISTENER_H_
#define FIREBREAK_INCLUDE_FIREBREAK_ATTEMPT_LISTENER_H_

#include <grpcpp/client_context.h>
#include <grpcpp/support/status.h>

#include <map>
#include <string>

#include "absl/strings/string_view.h"

namespace firebreak {

struct AttemptStart {
  absl::string_view channel;
  absl::string_view method;  // "/pkg.Service/Method"
  absl::string_view target;  // as given to CreateChannel()
  int attempt = 0;           // 0, 1, ... of its call
  absl::string_view kind;    // "first", "retry", "hedge"
  // The attempt's own; says which attempt an end belongs to. Only that: it may
  // be about to be started.
  const grpc::ClientContext* context = nullptr;
  // What will be sent, of this attempt only: may be changed. What begins with
  // "firebreak-" is not in it.
  std::multimap<std::string, std::string>* metadata = nullptr;
};

struct AttemptEnd {
  absl::string_view channel;
  absl::string_view method;
  absl::string_view target;
  int attempt = 0;
  const grpc::ClientContext* context = nullptr;
  // Its own: a loser's is mostly CANCELLED, by us.
  grpc::Status status;
  // Who is to blame, as in the admin service: "success", "server_failure",
  // "local_error" (this process itself), "superseded", ...
  absl::string_view attribution;
  std::string peer;  // whom it went to; empty if unknown
};

class AttemptListener {
 public:
  virtual ~AttemptListener() = default;
  virtual void OnAttemptStart(const AttemptStart& start) = 0;
  virtual void OnAttemptEnd(const AttemptEnd& end) = 0;
};

}  // namespace firebreak

#endif  // FIREBREAK_INCLUDE_FIREBREAK_ATTEMPT_LISTENER_H_
