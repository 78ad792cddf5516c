// The answer that a hijacked call gives its caller: message, status and
// metadata.
//
//   Answer answer = RefusalAnswer(...);
//   methods->Hijack();            // gRPC calls Intercept() with PRE_RECV_*
//   answer.Fill(methods, codec);  // in that Intercept()
//   methods->Proceed();
//
// Ownership: an Answer owns its metadata strings, and gRPC keeps references to
// them in the caller's ClientContext. So an Answer has to live as long as that
// context. It does: the context owns the interceptor, which owns the Answer.
// Thread safety: none is needed, since gRPC asks for one batch at a time.
#ifndef FIREBREAK_INTERCEPTORS_REPLY_ANSWER_H_
#define FIREBREAK_INTERCEPTORS_REPLY_ANSWER_H_

#include <grpcpp/client_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/client_interceptor.h>
#include <grpcpp/support/status.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "firebreak/engine.h"
#include "interceptors/reply/typed_reply.h"
#include "src/core/base/reason.h"
#include "src/core/base/time.h"
#include "src/engine/method_runtime.h"

namespace firebreak::interceptors {

struct Answer {
  using Metadata = std::vector<std::pair<std::string, std::string>>;

  grpc::Status status;
  // The reply of an OK status: a message if its type is known, else its bytes.
  TypedReply typed_reply;
  grpc::ByteBuffer reply;
  Metadata initial;
  Metadata trailing;
  // gRPC's description of why an attempt failed. Fill() does not pass it on,
  // since no hook accepts it.
  std::string debug_error_string;

  // Whether the reply has been read into the caller's message already.
  bool reply_is_read = false;

  // Reads `from` into the caller's message and consumes it. The former content
  // of the message is lost. Returns false if `from` cannot be parsed.
  bool Read(grpc::ByteBuffer* from, void* to, Codec codec);
  // Does the same with this answer's own reply, in whichever form it is held.
  bool GiveReply(void* to, Codec codec);
  // Fills in the results for all PRE_RECV_* hooks of this batch. Turns an OK
  // whose reply cannot be parsed into INTERNAL.
  void Fill(grpc::experimental::InterceptorBatchMethods* methods, Codec codec);
  // Fills in everything but the reply. This suffices for a status other than
  // OK, and such an answer may be shared between calls.
  void FillWithoutReply(
      grpc::experimental::InterceptorBatchMethods* methods) const;
};

// Returns the status for an OK whose reply cannot be parsed.
grpc::Status UnreadableReply();

// Returns whether Read() would succeed, and changes nothing. `like` is a
// message of the reply's type.
bool CanRead(const grpc::ByteBuffer& from, const void* like, Codec codec);

// Adds entries to `to` that refer to the strings of `from`, so `from` must
// outlive the context that `to` belongs to.
void Insert(const Answer::Metadata& from,
            std::multimap<grpc::string_ref, grpc::string_ref>* to);

// Returns a copy of the metadata that the server sent. The copy does not need
// the context.
Answer::Metadata CopyMetadata(
    const std::multimap<grpc::string_ref, grpc::string_ref>& metadata);

// The key of the trailing metadata entry that gives firebreak's reason for a
// status.
inline constexpr char kReasonKey[] = "firebreak-reason";
void AddReason(core::Reason reason, Answer* answer);

// Returns the answer for a call that firebreak ends itself. The reason goes
// into the trailing metadata. If `retry_after` is positive and finite, it is
// sent too, as grpc-retry-pushback-ms and as a google.rpc.RetryInfo, so that
// the next tier does not retry too early.
Answer LocalAnswer(grpc::StatusCode code, const std::string& message,
                   core::Reason reason, core::Duration retry_after);

// Returns the answer for a call that its caller has cancelled. It gives no
// reason, like a native one, since the caller knows the reason.
Answer CancelledAnswer();

// Returns the state of a breaker that refuses for this reason, in words for a
// message: "half-open and all its probes are under way".
absl::string_view RefusingState(core::Reason reason);

// Returns the answer for a call that a breaker refused. Its message names the
// method, the breaker's state, the cause and when to retry.
Answer RefusalAnswer(absl::string_view channel, absl::string_view method,
                     absl::string_view cause, core::Reason reason,
                     core::Duration retry_after);

// WhyInfeasible() says how much time a call was granted and how much it would
// need. InfeasibleAnswer() is the answer for a call that is not sent because it
// was granted too little.
std::string WhyInfeasible(const engine::MethodBinding& method,
                          core::Duration granted, core::Time now);
Answer InfeasibleAnswer(const engine::MethodBinding& method,
                        core::Duration granted, core::Time now);

}  // namespace firebreak::interceptors

#endif  // FIREBREAK_INTERCEPTORS_REPLY_ANSWER_H_
