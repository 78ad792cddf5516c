#include "src/admin/control/gate.h"

#include <grpcpp/security/auth_context.h>

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "src/admin/message/peer.h"
#include "src/admin/message/text.h"
#include "src/core/measure/event_log.h"

namespace firebreak::admin {
namespace {

core::RateLimitOptions RefusalsLimit() {
  core::RateLimitOptions options;
  options.rate = 1;
  options.burst = 10;
  return options;
}

AdminCall CallOf(const grpc::CallbackServerContext& context,
                 const std::string& rpc, bool is_change) {
  AdminCall call;
  call.rpc = rpc;
  call.is_change = is_change;
  call.peer = context.peer();
  call.context = &context;
  const auto& metadata = context.client_metadata();
  if (metadata.count("authorization") == 1) {
    const grpc::string_ref& value = metadata.find("authorization")->second;
    call.authorization.assign(value.data(), value.size());
  }
  call.is_private = IsUnixSocket(call.peer) || IsLoopback(call.peer);
  const auto auth = context.auth_context();
  if (auth == nullptr) return call;
  for (const grpc::string_ref& type :
       auth->FindPropertyValues("transport_security_type")) {
    call.is_private = call.is_private || type == "ssl" || type == "tls";
  }
  if (!auth->IsPeerAuthenticated()) return call;
  for (const grpc::string_ref& name : auth->GetPeerIdentity()) {
    call.identities.emplace_back(name.data(), name.size());
  }
  return call;
}

// For example "alice, ipv4:10.0.0.7:40112". gRPC knows nothing about a peer on
// a Unix socket.
std::string ActorOf(const AdminCall& call) {
  std::vector<std::string> parts;
  if (!call.actor.empty()) {
    parts.push_back(call.actor);
  } else if (!call.identities.empty()) {
    parts.push_back(absl::StrJoin(call.identities, " "));
  }
  parts.push_back(call.peer == "unix:" ? "unix socket" : call.peer);
  return ToLine(absl::StrJoin(parts, ", "));
}

core::Event AuditOf(core::Time now, const Gate::Visitor& visitor,
                    const Gate::Subject& subject) {
  core::Event event;
  event.at = now;
  event.kind = core::Event::Kind::kAudit;
  event.channel = subject.channel;
  event.target = subject.target;
  event.method = subject.method;
  event.actor = visitor.actor;
  event.action = visitor.action;
  return event;
}

}  // namespace

Gate::Gate(std::shared_ptr<engine::EngineCore> core,
           const AdminOptions& options)
    : core_(std::move(core)),
      authorizer_(options.authorizer ? options.authorizer
                                     : LocalPeers(options.allow_loopback)),
      asks_for_reads_(options.authorize_reads),
      refusals_(RefusalsLimit(), core_->Now()) {}

absl::Status Gate::EnterToChange(const grpc::CallbackServerContext& context,
                                 const std::string& rpc,
                                 const std::string& action,
                                 const Subject& subject, Visitor* visitor) {
  visitor->action = ToLine(action);
  absl::Status may = Ask(context, rpc, true, &visitor->actor);
  if (!may.ok()) Refused(*visitor, subject, may);
  return may;
}

absl::Status Gate::EnterToRead(const grpc::CallbackServerContext& context,
                               const std::string& rpc) {
  if (!asks_for_reads_) return absl::OkStatus();
  Visitor visitor;
  visitor.action = rpc;
  absl::Status may = Ask(context, rpc, false, &visitor.actor);
  if (!may.ok()) Refused(visitor, {}, may);
  return may;
}

absl::Status Gate::Ask(const grpc::CallbackServerContext& context,
                       const std::string& rpc, bool is_change,
                       std::string* actor) {
  AdminCall call = CallOf(context, rpc, is_change);
  absl::Status may = authorizer_(&call);
  *actor = ActorOf(call);
  return may;
}

void Gate::Changed(const Visitor& visitor, const Subject& subject,
                   absl::string_view from, absl::string_view to,
                   const std::string& detail) {
  core::Event event = AuditOf(core_->Now(), visitor, subject);
  event.from = std::string(from);
  event.to = std::string(to);
  event.cause = detail;
  ++core_->audit_counters()->changed;
  core_->event_log()->Append(std::move(event));
}

void Gate::Refused(const Visitor& visitor, const Subject& subject,
                   const absl::Status& why) {
  ++core_->audit_counters()->refused;
  const core::Time now = core_->Now();
  if (!refusals_.Take(now, now).is_ours) {
    ++left_out_;
    return;
  }
  // The caller chose these names, of any length.
  core::Event event = AuditOf(now, visitor,
                              {ToLine(subject.channel), ToLine(subject.target),
                               ToLine(subject.method)});
  event.refused = true;
  event.cause = ToLine(why.message());
  const int64_t left_out = left_out_.exchange(0);
  if (left_out > 0) {
    absl::StrAppend(&event.cause, " (and ", left_out, " refusals before it)");
  }
  core_->event_log()->Append(std::move(event));
}

}  // namespace firebreak::admin
