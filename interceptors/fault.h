// Faults that are made on purpose: for firebreak::testing, and for a policy
// that asks for them.
//
//   FaultSource source;
//   source.decide = [](absl::string_view method) { return Fault{...}; };
//   factories.push_back(NewFaultFactory(std::move(source)));   // behind ours
//
// A factory behind firebreak's sees each attempt, and what it makes looks as if
// a server or the network had made it: a status comes with trailing metadata,
// as only servers send it, and a connection that broke has gRPC's words for it
// (origin.h).
//
// A call that is held, or answered here, has not reached a server. It ends with
// the caller's cancel and at its deadline, as it would on the wire.
//
// Thread safety: `decide` is called from any thread, several at once.
#ifndef FIREBREAK_INTERCEPTORS_FAULT_H_
#define FIREBREAK_INTERCEPTORS_FAULT_H_

#include <grpcpp/support/client_interceptor.h>
#include <grpcpp/support/status.h>

#include <cstdint>
#include <functional>
#include <memory>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "firebreak/clock.h"
#include "firebreak/export.h"
#include "src/core/base/time.h"

namespace firebreak::interceptors {

struct Fault {
  // Held for so long before it goes on, or before it is answered.
  core::Duration latency = core::Duration::zero();
  // Held for ever. A `status` then is never told.
  bool hangs = false;
  // The answer, which no server has given.
  absl::optional<grpc::Status> status;
  // The server's answer is lost: UNAVAILABLE.
  bool drops_reply = false;
  // A stream breaks once so many messages, or bytes of them, have been
  // received: UNAVAILABLE. 0: it does not.
  int64_t cut_after_messages = 0;
  int64_t cut_after_bytes = 0;
};

struct FaultSource {
  std::function<Fault(absl::string_view method)> decide;
  std::shared_ptr<Clock> clock;  // null: the steady clock
  // The received messages are ByteBuffers, not Protobuf's.
  bool is_generic = false;
};

// Exported for libfirebreak_testing (docs/adr/0021).
FIREBREAK_EXPORT
std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface>
NewFaultFactory(FaultSource source);

// Whether the cancel that an interceptor is being told of is how a stream is
// cut, and not the caller's.
bool IsCuttingHere();

}  // namespace firebreak::interceptors

#endif  // FIREBREAK_INTERCEPTORS_FAULT_H_
