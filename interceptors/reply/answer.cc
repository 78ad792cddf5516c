#include "interceptors/reply/answer.h"

#include <google/protobuf/message_lite.h>
#include <grpcpp/support/proto_buffer_reader.h>

#include <memory>

#include "absl/strings/str_cat.h"
#include "firebreak/v1/rpc_details.pb.h"
#include "interceptors/reply/report.h"
#include "src/core/base/duration.h"

namespace firebreak::interceptors {
namespace {

using google::protobuf::MessageLite;
using grpc::experimental::InterceptionHookPoints;

// Generated stubs hand their reply over as a MessageLite and generic ones as a
// ByteBuffer. gRPC does not say which it is, so the channel's codec does.
bool Parse(grpc::ByteBuffer* bytes, MessageLite* reply) {
  grpc::ProtoBufferReader reader(bytes);
  return reader.status().ok() && reply->ParseFromZeroCopyStream(&reader);
}

}  // namespace

bool Answer::Read(grpc::ByteBuffer* from, void* to, Codec codec) {
  if (codec == Codec::kByteBuffer) {
    static_cast<grpc::ByteBuffer*>(to)->Swap(from);
    reply_is_read = true;
  } else {
    auto* const target = static_cast<MessageLite*>(to);
    reply_is_read = Parse(from, target);
    // A missing reply has left nothing in the message.
    if (!reply_is_read && from->Valid()) target->Clear();
  }
  return reply_is_read;
}

bool Answer::GiveReply(void* to, Codec codec) {
  if (!typed_reply) return Read(&reply, to, codec);
  typed_reply.GiveTo(static_cast<MessageLite*>(to));
  reply_is_read = true;
  return true;
}

grpc::Status UnreadableReply() {
  return {grpc::StatusCode::INTERNAL, "firebreak: the reply cannot be parsed"};
}

bool CanRead(const grpc::ByteBuffer& from, const void* like, Codec codec) {
  if (codec == Codec::kByteBuffer) return true;
  grpc::ByteBuffer bytes(from);  // shares them
  const std::unique_ptr<MessageLite> message(
      static_cast<const MessageLite*>(like)->New());
  return Parse(&bytes, message.get());
}

void Answer::Fill(grpc::experimental::InterceptorBatchMethods* methods,
                  Codec codec) {
  if (status.ok() && !reply_is_read &&
      methods->QueryInterceptionHookPoint(
          InterceptionHookPoints::PRE_RECV_MESSAGE) &&
      !GiveReply(methods->GetRecvMessage(), codec)) {
    status = UnreadableReply();
    AmendReport(absl::StatusCode::kInternal, &trailing);
  }
  FillWithoutReply(methods);
}

void Answer::FillWithoutReply(
    grpc::experimental::InterceptorBatchMethods* methods) const {
  if (methods->QueryInterceptionHookPoint(
          InterceptionHookPoints::PRE_RECV_INITIAL_METADATA)) {
    Insert(initial, methods->GetRecvInitialMetadata());
  }
  // Only on failure: a synchronous stub takes a failed message with an OK for
  // UNIMPLEMENTED.
  if (!status.ok() && methods->QueryInterceptionHookPoint(
                          InterceptionHookPoints::PRE_RECV_MESSAGE)) {
    methods->FailHijackedRecvMessage();
  }
  if (methods->QueryInterceptionHookPoint(
          InterceptionHookPoints::PRE_RECV_STATUS)) {
    *methods->GetRecvStatus() = status;
    Insert(trailing, methods->GetRecvTrailingMetadata());
  }
}

void Insert(const Answer::Metadata& from,
            std::multimap<grpc::string_ref, grpc::string_ref>* to) {
  for (const auto& entry : from) to->emplace(entry.first, entry.second);
}

Answer::Metadata CopyMetadata(
    const std::multimap<grpc::string_ref, grpc::string_ref>& metadata) {
  Answer::Metadata out;
  out.reserve(metadata.size());
  for (const auto& entry : metadata) {
    out.emplace_back(std::string(entry.first.data(), entry.first.size()),
                     std::string(entry.second.data(), entry.second.size()));
  }
  return out;
}

void AddReason(core::Reason reason, Answer* answer) {
  // A caller that cancels knows the reason.
  if (reason == core::Reason::kNone || reason == core::Reason::kCancelled) {
    return;
  }
  answer->trailing.emplace_back(kReasonKey,
                                std::string(core::ReasonName(reason)));
}

Answer LocalAnswer(grpc::StatusCode code, const std::string& message,
                   core::Reason reason, core::Duration retry_after) {
  Answer answer;
  std::string details;
  AddReason(reason, &answer);
  if (retry_after > core::Duration::zero() &&
      retry_after != core::kInfiniteDuration) {
    const auto ms =
        std::chrono::ceil<std::chrono::milliseconds>(retry_after).count();
    answer.trailing.emplace_back("grpc-retry-pushback-ms", absl::StrCat(ms));
    v1::RetryInfo info;
    info.mutable_retry_delay()->set_seconds(ms / 1000);
    info.mutable_retry_delay()->set_nanos(static_cast<int>(ms % 1000) *
                                          1'000'000);
    v1::RpcStatus status;
    status.set_code(code);
    status.set_message(message);
    auto* any = status.add_details();
    any->set_type_url("type.googleapis.com/google.rpc.RetryInfo");
    any->set_value(info.SerializeAsString());
    details = status.SerializeAsString();
  }
  answer.status = grpc::Status(code, message, details);
  return answer;
}

Answer CancelledAnswer() {
  return LocalAnswer(grpc::StatusCode::CANCELLED, "CANCELLED",
                     core::Reason::kNone, core::Duration::zero());
}

absl::string_view RefusingState(core::Reason reason) {
  switch (reason) {
    case core::Reason::kProbesTaken:
      return "half-open and all its probes are under way";
    case core::Reason::kRamping:
      return "on its way back and takes no more calls yet";
    case core::Reason::kForcedOpen:
      return "held open";
    default:
      return "open";
  }
}

Answer RefusalAnswer(absl::string_view channel, absl::string_view method,
                     absl::string_view cause, core::Reason reason,
                     core::Duration retry_after) {
  std::string message =
      absl::StrCat("firebreak: the breaker of ", method, " on channel \"",
                   channel, "\" is ", RefusingState(reason));
  if (!cause.empty()) absl::StrAppend(&message, ": ", cause);
  if (retry_after != core::kInfiniteDuration) {
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(retry_after);
    absl::StrAppend(&message, "; retry after ", core::FormatDuration(ms));
  }
  return LocalAnswer(grpc::StatusCode::UNAVAILABLE, message, reason,
                     retry_after);
}

std::string WhyInfeasible(const engine::MethodBinding& method,
                          core::Duration granted, core::Time now) {
  const double quantile =
      method.settings->options->deadline_gate.value().quantile;
  const absl::optional<core::Duration> needed =
      method.runtime->latency.Quantile(quantile, now);
  const auto brief = [](core::Duration d) {
    return core::FormatDuration(
        std::chrono::floor<std::chrono::microseconds>(d));
  };
  return absl::StrCat("granted ", brief(granted), ", needed ",
                      needed ? brief(*needed) : "more", ", which is the ",
                      quantile, " quantile of what it takes");
}

Answer InfeasibleAnswer(const engine::MethodBinding& method,
                        core::Duration granted, core::Time now) {
  return LocalAnswer(
      grpc::StatusCode::DEADLINE_EXCEEDED,
      absl::StrCat("firebreak: ", method.method,
                   " was not sent: ", WhyInfeasible(method, granted, now)),
      core::Reason::kDeadlineInfeasible, core::Duration::zero());
}

}  // namespace firebreak::interceptors
