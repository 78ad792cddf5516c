// The settings that every attempt of a call copies from its caller's context.
//
//   CallerContext caller(info->client_context(), core->clock());
//   caller.set_metadata(methods->GetSendInitialMetadata());
//   caller.CopyTo(launch.deadline, n, caller.metadata(),
//                 options.wait_for_ready, &attempt.context);
//
// These are the deadline, metadata, call credentials, compression, census
// context, authority, wait_for_ready and the parent server call. Interceptors
// cannot read the other settings of a context (see docs/fidelity.md).
//
// Thread safety: none. Ownership: the caller's context and metadata must live
// until the call's first batch is released.
#ifndef FIREBREAK_INTERCEPTORS_CONTEXT_CALLER_CONTEXT_H_
#define FIREBREAK_INTERCEPTORS_CONTEXT_CALLER_CONTEXT_H_

#include <grpcpp/client_context.h>

#include <map>
#include <string>
#include <utility>

#include "absl/types/optional.h"
#include "interceptors/context/context_access.h"
#include "src/core/base/time.h"
#include "src/engine/io/clock.h"

namespace firebreak::interceptors {

class CallerContext {
 public:
  using Metadata = std::multimap<std::string, std::string>;

  CallerContext(grpc::ClientContext* context, const engine::EngineClock& clock);

  void set_metadata(const Metadata* metadata) { metadata_ = metadata; }
  const Metadata& metadata() const { return *metadata_; }
  // The caller's own deadline, by the steady clock.
  core::Time deadline() const { return deadline_; }
  bool has_parent() const { return fields_.parent != nullptr; }
  const ContextFields& fields() const { return fields_; }
  grpc::ClientContext* context() const { return context_; }

  // Returns whether the policy's `wait_for_ready` makes attempts differ from
  // the caller's own call. A value that the caller has set takes precedence.
  bool IsChangedBy(absl::optional<bool> wait_for_ready) const {
    return !fields_.wait_for_ready_is_set && wait_for_ready.value_or(false);
  }
  // Copies the settings into the context of attempt `n` (0, 1, ...). `deadline`
  // may be infinite.
  void CopyTo(core::Time deadline, int n, const Metadata& metadata,
              absl::optional<bool> wait_for_ready,
              grpc::ClientContext* attempt) const;

  // Sets gRPC's description of the failure in the caller's context.
  void set_debug_error_string(std::string text) {
    WriteDebugErrorString(std::move(text), context_);
  }

 private:
  grpc::ClientContext* const context_;
  const ContextFields fields_;
  const core::Time deadline_;
  const Metadata* metadata_ = nullptr;
};

}  // namespace firebreak::interceptors

#endif  // FIREBREAK_INTERCEPTORS_CONTEXT_CALLER_CONTEXT_H_
