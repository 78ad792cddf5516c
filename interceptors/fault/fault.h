// Faults that are injected on purpose, for firebreak::testing and for a policy
// that asks for them.
//
//   FaultSource source;
//   source.decide = [](absl::string_view method) { return Fault{...}; };
//   factories.push_back(NewFaultFactory(std::move(source)));   // behind ours
//
// A factory behind firebreak's sees each attempt. Its faults look as if a
// server or the network had made them: a status comes with trailing metadata,
// as only servers send it, and a broken connection is described in gRPC's words
// (origin.h).
//
// A call that is held, or answered here, has not reached a server. It ends when
// the caller cancels it or its deadline passes, as it would on the wire.
//
// Thread safety: `decide` is called from any thread, several at once.
#ifndef FIREBREAK_INTERCEPTORS_FAULT_FAULT_H_
#define FIREBREAK_INTERCEPTORS_FAULT_FAULT_H_

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
  // How long the call is held before it goes on or is answered.
  core::Duration latency = core::Duration::zero();
  // Whether the call is held for ever. `status` then has no effect.
  bool hangs = false;
  // The status that the call is answered with, without a server.
  absl::optional<grpc::Status> status;
  // Whether the server's answer is lost: the caller gets UNAVAILABLE instead.
  bool drops_reply = false;
  // A stream breaks with UNAVAILABLE once this many messages, or bytes of
  // messages, have been received. 0 means never.
  int64_t cut_after_messages = 0;
  int64_t cut_after_bytes = 0;
};

struct FaultSource {
  std::function<Fault(absl::string_view method)> decide;
  std::shared_ptr<Clock> clock;  // null: the steady clock
  // Whether received messages are ByteBuffers and not Protobuf's.
  bool is_generic = false;
};

// Exported for libfirebreak_testing (docs/adr/0021).
FIREBREAK_EXPORT
std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface>
NewFaultFactory(FaultSource source);

// Returns whether the cancel that an interceptor is being notified of comes
// from the cut of a stream, and not from the caller.
bool IsCuttingHere();

}  // namespace firebreak::interceptors

#endif  // FIREBREAK_INTERCEPTORS_FAULT_FAULT_H_
