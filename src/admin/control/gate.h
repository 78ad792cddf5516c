// Authorizes admin calls, and writes the audit.
//
//   Gate::Visitor visitor;
//   absl::Status may =
//       gate->EnterToChange(*context, "SetOverride", "SetOverride FORCED_OPEN",
//                           {channel, target, method}, &visitor);
//   if (!may.ok()) return may;            // refused, and in the audit
//   ... the change ...
//   gate->Changed(visitor, {channel, target, method}, "closed", "forced_open");
//
// The audit consists of events of the kind kAudit in the engine's log, which
// event streams and listeners read. Refusals are limited to ten at once and one
// a second, so that a caller who is refused cannot fill the log. The next
// refusal has the number of those left out; the engine's AuditCounters count
// all of them.
//
// Thread safety: safe from any thread.
#ifndef FIREBREAK_SRC_ADMIN_CONTROL_GATE_H_
#define FIREBREAK_SRC_ADMIN_CONTROL_GATE_H_

#include <grpcpp/server_context.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "firebreak/admin_service.h"
#include "src/core/admission/rate_limit.h"
#include "src/engine/engine_core.h"

namespace firebreak::admin {

class Gate {
 public:
  // Who makes the request, and what it is, for the audit.
  struct Visitor {
    std::string actor;
    std::string action;
  };
  // What a change affects; parts may be empty.
  struct Subject {
    std::string channel;
    std::string target;
    std::string method;
  };

  Gate(std::shared_ptr<engine::EngineCore> core, const AdminOptions& options);

  // `action` describes the request in one line.
  absl::Status EnterToChange(const grpc::CallbackServerContext& context,
                             const std::string& rpc, const std::string& action,
                             const Subject& subject, Visitor* visitor);
  absl::Status EnterToRead(const grpc::CallbackServerContext& context,
                           const std::string& rpc);

  // `from` and `to` are states. They are empty if no state changed; `detail`
  // then says what did.
  void Changed(const Visitor& visitor, const Subject& subject,
               absl::string_view from, absl::string_view to,
               const std::string& detail = "");

 private:
  absl::Status Ask(const grpc::CallbackServerContext& context,
                   const std::string& rpc, bool is_change, std::string* actor);
  void Refused(const Visitor& visitor, const Subject& subject,
               const absl::Status& why);

  const std::shared_ptr<engine::EngineCore> core_;
  const Authorizer authorizer_;
  const bool asks_for_reads_;
  core::RateLimit refusals_;
  std::atomic<int64_t> left_out_{0};
};

}  // namespace firebreak::admin

#endif  // FIREBREAK_SRC_ADMIN_CONTROL_GATE_H_
