#include "firebreak/reason.h"

#include "interceptors/reply/answer.h"
#include "src/core/base/reason.h"

namespace firebreak {

// The public list and the core's have the same numbers: a new reason belongs in
// both (tests/house/add_a_policy.sh).

absl::string_view ReasonName(Reason reason) {
  const int number = static_cast<int>(reason);
  return number < 0 || number >= core::kReasons
             ? "unknown"
             : core::ReasonName(static_cast<core::Reason>(number));
}

std::ostream& operator<<(std::ostream& out, Reason reason) {
  return out << (reason == Reason::kNone ? "none" : ReasonName(reason));
}

Reason ReasonOf(const grpc::ClientContext& context) {
  const auto& trailing = context.GetServerTrailingMetadata();
  const auto found = trailing.find(interceptors::kReasonKey);
  if (found == trailing.end()) return Reason::kNone;
  const absl::string_view name(found->second.data(), found->second.size());
  for (int n = 1; n < core::kReasons; ++n) {
    if (core::ReasonName(static_cast<core::Reason>(n)) == name) {
      return static_cast<Reason>(n);
    }
  }
  return Reason::kUnknown;
}

}  // namespace firebreak
