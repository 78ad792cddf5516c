// What one call asks of firebreak, beside the policy of its method.
//
//   grpc::ClientContext context;
//   firebreak::InheritFrom(*server_context, &context);   // deadline and cancel
//
//   firebreak::CallOptions options;
//   options.idempotent = true;
//   options.timeout = std::chrono::milliseconds(200);
//   options.report = true;
//   absl::Status set = options.Set(&context);
//   ...
//   stub->Charge(&context, request, &reply);
//   auto report = firebreak::GetCallReport(context);      // call_report.h
//
// Options travel in the context's own metadata, under a key that no other
// process can guess, and are taken out before anything is sent: by firebreak,
// so set them only on contexts of calls on its channels. (A channel without it
// would send them, and whoever reads the key there can set options on calls of
// this process into which metadata is copied from outside.) Metadata that
// begins with "firebreak-" and is not ours, such as a gateway copies in from
// outside, is taken out too, and counts for nothing.
//
// A method without policy passes through untouched: of all these only
// wait_for_ready and authority, which are the context's own, hold for it.
//
// Thread safety: as grpc::ClientContext, before its call.
#ifndef FIREBREAK_INCLUDE_FIREBREAK_CALL_OPTIONS_H_
#define FIREBREAK_INCLUDE_FIREBREAK_CALL_OPTIONS_H_

#include <grpcpp/client_context.h>
#include <grpcpp/server_context.h>

#include <chrono>
#include <string>

#include "absl/status/status.h"
#include "absl/types/optional.h"

namespace firebreak {

struct CallOptions {
  // May this call run twice? Over what the policy and the method's proto
  // option say.
  absl::optional<bool> idempotent;
  // Then retry.attempt_timeout is off too, as with `retry { enabled: false }`.
  bool no_retry = false;
  bool no_hedge = false;
  // Attempts in all, the first included, where the policy retries or hedges.
  // [1, 10].
  absl::optional<int> max_attempts;
  // Between two attempts, where the policy hedges. [0, 1h].
  absl::optional<std::chrono::nanoseconds> hedge_delay;
  // Over the policy's; the context's deadline still wins when it is earlier.
  // Unary calls only. (0, 1h].
  absl::optional<std::chrono::nanoseconds> timeout;
  // As the context's own setters; the policy's wait_for_ready holds where
  // neither is used.
  absl::optional<bool> wait_for_ready;
  std::string authority;  // printable ASCII; empty = the channel's
  // Ask for a CallReport: see call_report.h.
  bool report = false;

  // Once for each context, before its call. INVALID_ARGUMENT names the field,
  // its value and what is allowed; FAILED_PRECONDITION: the call has begun.
  // Then nothing is set. Set twice, the call ends with INVALID_ARGUMENT.
  absl::Status Set(grpc::ClientContext* context) const;
};

// Makes a call part of the server call that it is made for: its deadline is
// that of the server call where that is earlier (gRPC's own FromServerContext()
// enforces it too, but hides it from who looks at the context), and when the
// server call is cancelled, so are the attempts of this one. Once, before the
// call; the server call may end before this one does.
//
// Built with FIREBREAK_READ_PRIVATE_CONTEXT=OFF, only the deadline: then make
// the context with FromServerContext() as well.
void InheritFrom(const grpc::ServerContextBase& server,
                 grpc::ClientContext* context);

}  // namespace firebreak

#endif  // FIREBREAK_INCLUDE_FIREBREAK_CALL_OPTIONS_H_
