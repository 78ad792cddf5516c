#include "interceptors/context/caller_context.h"

#include "absl/strings/str_cat.h"
#include "interceptors/context/wire.h"
#include "src/engine/io/caller_queue.h"

namespace firebreak::interceptors {
namespace {

// Set on a context by set_compression_algorithm(), which is called for each
// attempt. If it were copied as well, it would be sent twice.
constexpr char kCompressionKey[] = "grpc-internal-encoding-request";
// From gRFC A6. gRPC's own retry filter removes it, unless the channel has
// grpc.enable_retries = 0.
constexpr char kPreviousAttemptsKey[] = "grpc-previous-rpc-attempts";

}  // namespace

CallerContext::CallerContext(grpc::ClientContext* context,
                             const engine::EngineClock& clock)
    : context_(context),
      fields_(ReadContext(*context)),
      deadline_(FromGrpcDeadline(context->raw_deadline(), clock)) {}

void CallerContext::CopyTo(core::Time deadline, int n, const Metadata& metadata,
                           absl::optional<bool> wait_for_ready,
                           grpc::ClientContext* attempt) const {
  // The caller's own deadline is passed on as it is, to the nanosecond. But a
  // time span would begin anew with each attempt.
  const gpr_timespec own = context_->raw_deadline();
  const bool is_own = deadline == deadline_ && own.clock_type != GPR_TIMESPAN;
  attempt->set_deadline(is_own ? own : engine::ToGrpcTime(deadline));
  for (const auto& [key, value] : metadata) {
    if (key == kCompressionKey) continue;
    if (n > 0 && key == kPreviousAttemptsKey) continue;
    attempt->AddMetadata(key, value);
  }
  if (n > 0) attempt->AddMetadata(kPreviousAttemptsKey, absl::StrCat(n));
  if (auto credentials = context_->credentials()) {
    attempt->set_credentials(credentials);
  }
  if (context_->compression_algorithm() != GRPC_COMPRESS_NONE) {
    attempt->set_compression_algorithm(context_->compression_algorithm());
  }
  attempt->set_census_context(context_->census_context());
  WriteContext(fields_, attempt);
  if (!fields_.wait_for_ready_is_set && wait_for_ready) {
    attempt->set_wait_for_ready(*wait_for_ready);
  }
}

}  // namespace firebreak::interceptors
