#include "interceptors/wire.h"

#include "absl/strings/match.h"
#include "src/engine/clock.h"

namespace firebreak::interceptors {

core::Time FromGrpcDeadline(gpr_timespec deadline) {
  const gpr_timespec never = gpr_inf_future(deadline.clock_type);
  if (gpr_time_cmp(deadline, never) == 0) return core::kInfiniteFuture;
  const gpr_timespec left =
      gpr_time_sub(deadline, gpr_now(deadline.clock_type));
  constexpr int64_t kYears = int64_t{100} * 365 * 24 * 3600;
  if (left.tv_sec > kYears) return core::kInfiniteFuture;
  if (left.tv_sec < -kYears) return core::Time::min();
  return core::SaturatingAdd(engine::Now(),
                             std::chrono::seconds(left.tv_sec) +
                                 std::chrono::nanoseconds(left.tv_nsec));
}

bool IsFromTransport(const grpc::Status& status,
                     absl::string_view debug_error_string) {
  if (status.error_code() != grpc::StatusCode::UNAVAILABLE) return false;
  if (!debug_error_string.empty() &&
      !absl::StrContains(debug_error_string, "Error received from peer")) {
    return true;
  }
  const std::string message = status.error_message();
  for (const char* text :
       {"failed to connect", "Socket closed", "Connection reset", "GOAWAY",
        "Broken pipe", "keepalive watchdog timeout", "Endpoint closing",
        "Transport closed", "connections to all backends failing",
        "empty address list", "DNS resolution failed"}) {
    if (absl::StrContains(message, text)) return true;
  }
  return false;
}

core::AttemptEnd ReadEnd(const grpc::Status& status,
                         const grpc::ClientContext& context) {
  core::AttemptEnd end;
  end.code = static_cast<absl::StatusCode>(status.error_code());
  if (status.ok()) return end;
  end.from_transport = IsFromTransport(status, context.debug_error_string());
  const auto& trailing = context.GetServerTrailingMetadata();
  const auto pushback = trailing.find("grpc-retry-pushback-ms");
  if (pushback != trailing.end()) {
    end.pushback = core::ParsePushback(
        absl::string_view(pushback->second.data(), pushback->second.size()));
  }
  return end;
}

}  // namespace firebreak::interceptors
