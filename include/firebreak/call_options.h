// Options for one call, which take precedence over the policy of its method.
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
// The options travel in the context's own metadata, under a key that no other
// process can guess. firebreak removes them before anything is sent, so set
// them only on contexts of calls on its channels. (A channel without firebreak
// would send them, and whoever reads the key there could set options on those
// calls of this process that copy metadata from outside.) Metadata that begins
// with "firebreak-" and was not set here, for instance metadata that a gateway
// copies from its own caller, is removed too and has no effect.
//
// A call of a method without a policy passes through untouched: only
// wait_for_ready and authority, which belong to the context, hold for it.
//
// Thread safety: like that of a grpc::ClientContext before its call.
#ifndef FIREBREAK_INCLUDE_FIREBREAK_CALL_OPTIONS_H_
#define FIREBREAK_INCLUDE_FIREBREAK_CALL_OPTIONS_H_

#include <grpcpp/client_context.h>
#include <grpcpp/server_context.h>

#include <chrono>
#include <string>

#include "absl/status/status.h"
#include "absl/types/optional.h"
#include "firebreak/export.h"

namespace firebreak {

struct FIREBREAK_EXPORT CallOptions {
  // Whether this call may run twice. This overrules the policy and the option
  // `idempotency_level` of the method's proto.
  absl::optional<bool> idempotent;
  // No retries. This switches retry.attempt_timeout off too, as
  // `retry { enabled: false }` does in a policy.
  bool no_retry = false;
  // No hedges.
  bool no_hedge = false;
  // The most attempts, the first one included, if the policy retries or hedges.
  // [1, 10]. 1 means no retries and no hedges.
  absl::optional<int> max_attempts;
  // The time between two attempts, if the policy hedges: it replaces the
  // policy's `delay` or `quantile`. [0, 1h].
  absl::optional<std::chrono::nanoseconds> hedge_delay;
  // The deadline of the call, instead of the policy's `timeout`. A deadline of
  // the context that is earlier still holds. Unary calls only. (0, 1h].
  absl::optional<std::chrono::nanoseconds> timeout;
  // Like the setters of the context. The policy's wait_for_ready holds if
  // neither is used.
  absl::optional<bool> wait_for_ready;
  std::string authority;  // printable ASCII; empty means the channel's
  // Ask for a CallReport: see call_report.h.
  bool report = false;

  // Sets these options on a context, once and before its call.
  // INVALID_ARGUMENT names the field, its value and the allowed range.
  // FAILED_PRECONDITION: the call has begun. In both cases nothing is set.
  // If options are set twice on one context, its call ends with
  // INVALID_ARGUMENT.
  absl::Status Set(grpc::ClientContext* context) const;
};

// Makes a call part of the server call that it is made for. The call takes over
// the deadline of the server call if that is earlier. (gRPC's own
// FromServerContext() enforces that deadline too, but does not show it in the
// context.) When the server call is cancelled, the attempts of this call are
// cancelled. Use it once and before the call. The server call may end first.
//
// If firebreak is built with FIREBREAK_READ_PRIVATE_CONTEXT=OFF, only the
// deadline is taken over: then create the context with FromServerContext() too.
FIREBREAK_EXPORT void InheritFrom(const grpc::ServerContextBase& server,
                                  grpc::ClientContext* context);

}  // namespace firebreak

#endif  // FIREBREAK_INCLUDE_FIREBREAK_CALL_OPTIONS_H_
