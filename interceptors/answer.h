// What a hijacked call hands to its caller: message, status and metadata.
//
//   Answer answer = RefusalAnswer(...);
//   methods->Hijack();                     // gRPC asks back with PRE_RECV_*
//   hooks answer.Fill(methods, codec);           // in that Intercept()
//   methods->Proceed();
//
// Ownership: the metadata strings live here, and gRPC keeps references to them
// in the caller's ClientContext; an Answer lives as long as that context, which
// owns the interceptor that owns it.
// Thread safety: none; gRPC asks for one batch after the other.
#ifndef FIREBREAK_INTERCEPTORS_ANSWER_H_
#define FIREBREAK_INTERCEPTORS_ANSWER_H_

#include <grpcpp/client_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/client_interceptor.h>
#include <grpcpp/support/status.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "firebreak/engine.h"
#include "interceptors/typed_reply.h"
#include "src/core/base/reason.h"
#include "src/core/base/time.h"
#include "src/engine/method_runtime.h"

namespace firebreak::interceptors {

struct Answer {
  using Metadata = std::vector<std::pair<std::string, std::string>>;

  grpc::Status status;
  // The reply of an OK status: where it has no type, the bytes.
  TypedReply typed_reply;
  grpc::ByteBuffer reply;
  Metadata initial;
  Metadata trailing;
  // gRPC's account of an attempt's failure; not by Fill(), since no hook takes
  // it.
  std::string debug_error_string;

  // The caller has the reply in its message already.
  bool reply_is_read = false;

  // Reads `from` into the caller's message, once; what was in that goes. False:
  // it cannot be read.
  bool Read(grpc::ByteBuffer* from, void* to, Codec codec);
  // As Read(), of the answer's own reply in whichever form.
  bool GiveReply(void* to, Codec codec);
  // Answers whichever PRE_RECV_* hooks this batch has. An OK reply that does
  // not parse turns into INTERNAL.
  void Fill(grpc::experimental::InterceptorBatchMethods* methods, Codec codec);
  // All but the reply. Enough for one that is no OK, which may be shared.
  void FillWithoutReply(
      grpc::experimental::InterceptorBatchMethods* methods) const;
};

// Of an OK whose reply cannot be read.
grpc::Status UnreadableReply();

// Whether Read() would succeed; nothing is changed. `like` is a message of its
// kind.
bool CanRead(const grpc::ByteBuffer& from, const void* like, Codec codec);

// Refers to `from`, which outlives the context that `to` is of.
void Insert(const Answer::Metadata& from,
            std::multimap<grpc::string_ref, grpc::string_ref>* to);

// A copy of what the server sent; the context may go afterwards.
Answer::Metadata CopyMetadata(
    const std::multimap<grpc::string_ref, grpc::string_ref>& metadata);

// In the trailing metadata, what firebreak has to say beside a status.
inline constexpr char kReasonKey[] = "firebreak-reason";
void AddReason(core::Reason reason, Answer* answer);

// A call that firebreak ends itself: the code's usual name in the message,
// the reason in the trailing metadata and, when it makes sense to come back
// after `retry_after`, grpc-retry-pushback-ms and a google.rpc.RetryInfo, so
// that the next tier does not hammer.
Answer LocalAnswer(grpc::StatusCode code, const std::string& message,
                   core::Reason reason, core::Duration retry_after);

// LocalAnswer() for what its caller cancelled: its own doing, and so as native
// as can be.
Answer CancelledAnswer();

// "half-open and all its probes are under way": what a breaker is that refuses
// for this reason.
absl::string_view RefusingState(core::Reason reason);

// LocalAnswer() for what a breaker refused: method, state, cause, retry after.
Answer RefusalAnswer(absl::string_view channel, absl::string_view method,
                     absl::string_view cause, core::Reason reason,
                     core::Duration retry_after);

// LocalAnswer() for a call that was granted less time than it takes: how much,
// and how much it would need. And that alone.
std::string WhyInfeasible(const engine::MethodBinding& method,
                          core::Duration granted, core::Time now);
Answer InfeasibleAnswer(const engine::MethodBinding& method,
                        core::Duration granted, core::Time now);

}  // namespace firebreak::interceptors

#endif  // FIREBREAK_INTERCEPTORS_ANSWER_H_
