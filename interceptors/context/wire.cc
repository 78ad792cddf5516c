#include "interceptors/context/wire.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "firebreak/v1/rpc_details.pb.h"
#include "interceptors/context/context_access.h"
#include "interceptors/context/origin.h"

namespace firebreak::interceptors {
namespace {

constexpr int64_t kCentury = int64_t{100} * 365 * 24 * 3600;  // in seconds

}  // namespace

core::Time FromGrpcDeadline(gpr_timespec deadline,
                            const engine::EngineClock& clock) {
  const gpr_timespec never = gpr_inf_future(deadline.clock_type);
  if (gpr_time_cmp(deadline, never) == 0) return core::kInfiniteFuture;
  const gpr_timespec left =
      deadline.clock_type == GPR_TIMESPAN
          ? deadline
          : gpr_time_sub(deadline, gpr_now(deadline.clock_type));
  if (left.tv_sec > kCentury) return core::kInfiniteFuture;
  if (left.tv_sec < -kCentury) return core::Time::min();
  return core::SaturatingAdd(clock.Now(),
                             std::chrono::seconds(left.tv_sec) +
                                 std::chrono::nanoseconds(left.tv_nsec));
}

absl::optional<core::Duration> RetryInfoDelay(const std::string& details) {
  v1::RpcStatus status;
  if (details.empty() || !status.ParseFromString(details)) return {};
  for (const google::protobuf::Any& any : status.details()) {
    v1::RetryInfo info;
    // Only the end is compared, since the host before it may be any.
    if (!absl::EndsWith(any.type_url(), "/google.rpc.RetryInfo") ||
        !info.ParseFromString(any.value()) || !info.has_retry_delay()) {
      continue;
    }
    const auto& delay = info.retry_delay();
    // The range of google.protobuf.Duration: ten thousand years.
    constexpr int64_t kMaxSeconds = 315'576'000'000;
    if (delay.seconds() < 0 || delay.nanos() < 0 ||
        delay.seconds() > kMaxSeconds || delay.nanos() > 999'999'999) {
      continue;
    }
    // The core's time can represent a hundred years.
    const int64_t seconds = std::min<int64_t>(delay.seconds(), kCentury);
    return std::chrono::seconds(seconds) +
           std::chrono::nanoseconds(delay.nanos());
  }
  return {};
}

core::AttemptEnd ReadEnd(const grpc::Status& status,
                         const grpc::ClientContext& context,
                         const std::vector<std::string>& targets) {
  core::AttemptEnd end;
  end.code = static_cast<absl::StatusCode>(status.error_code());
  if (status.ok()) return end;
  end.origin = OriginOf(FactsOf(status, context, targets));
  // If its parent call is cancelled, gRPC cancels the attempt without notice.
  // In doubt this is assumed: otherwise each caller that gives up would count
  // as a failure of the server.
  end.cancelled_by_caller = end.code == absl::StatusCode::kCancelled &&
                            end.origin == core::Origin::kUnknown &&
                            ReadParent(context) != nullptr;
  const auto& trailing = context.GetServerTrailingMetadata();
  const auto pushback = trailing.find("grpc-retry-pushback-ms");
  if (pushback != trailing.end()) {
    end.pushback = core::ParsePushback(
        absl::string_view(pushback->second.data(), pushback->second.size()));
  } else {
    end.pushback = RetryInfoDelay(status.error_details());
  }
  return end;
}

Result ResultOf(
    const grpc::Status& status,
    const std::multimap<grpc::string_ref, grpc::string_ref>& trailing) {
  Result result;
  result.code = status.error_code();
  result.message = status.error_message();
  result.details = status.error_details();
  for (const auto& [key, value] : trailing) {
    result.trailing.emplace(std::string(key.data(), key.size()),
                            std::string(value.data(), value.size()));
  }
  return result;
}

}  // namespace firebreak::interceptors
