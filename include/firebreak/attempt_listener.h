// An attempt listener is called at the start and at the end of each attempt,
// for instance to make a tracing span of it.
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
// Every start has exactly one end. An attempt that lost to another one ends
// when its cancelled RPC does, which may be after the call has ended. An
// attempt whose call is destroyed without a status ends as CANCELLED, with the
// attribution "abandoned".
//
// Thread safety: it is called from several threads at once. The start of an
// attempt comes before its end. The call waits for the listener, on the
// caller's thread or on one of the engine's, so it must not block and must not
// throw.
// Ownership: its channel and calls in flight keep the listener alive. What an
// AttemptStart or AttemptEnd points to is valid only during the call of the
// listener; only the value of `context` may be kept, to find the start again.
#ifndef FIREBREAK_INCLUDE_FIREBREAK_ATTEMPT_LISTENER_H_
#define FIREBREAK_INCLUDE_FIREBREAK_ATTEMPT_LISTENER_H_

#include <grpcpp/client_context.h>
#include <grpcpp/support/status.h>

#include <map>
#include <string>

#include "absl/strings/string_view.h"
#include "firebreak/export.h"

namespace firebreak {

struct AttemptStart {
  absl::string_view channel;
  absl::string_view method;  // "/pkg.Service/Method"
  absl::string_view target;  // as given to CreateChannel()
  int attempt = 0;           // 0 for the first of its call, then 1, 2, ...
  absl::string_view kind;    // "first", "retry", "hedge"
  // The attempt's own context, to find the start that an end belongs to. Do not
  // use it for anything else: the attempt may not have been started yet.
  const grpc::ClientContext* context = nullptr;
  // The metadata that this attempt will send. The listener may change it. Keys
  // that begin with "firebreak-" are not in it.
  std::multimap<std::string, std::string>* metadata = nullptr;
};

struct AttemptEnd {
  absl::string_view channel;
  absl::string_view method;
  absl::string_view target;
  int attempt = 0;
  const grpc::ClientContext* context = nullptr;
  // The status of this attempt. For one that lost to another attempt it is
  // CANCELLED in most cases, since firebreak cancels it.
  grpc::Status status;
  // What caused this end, as in the admin service: "success", "server_failure",
  // "local_error" (this process), "superseded" (another attempt won), ... All
  // values are in docs/operations.md.
  absl::string_view attribution;
  std::string peer;  // the server it went to; empty if that is not known
};

class FIREBREAK_EXPORT AttemptListener {
 public:
  virtual ~AttemptListener() = default;
  virtual void OnAttemptStart(const AttemptStart& start) = 0;
  virtual void OnAttemptEnd(const AttemptEnd& end) = 0;
};

}  // namespace firebreak

#endif  // FIREBREAK_INCLUDE_FIREBREAK_ATTEMPT_LISTENER_H_
