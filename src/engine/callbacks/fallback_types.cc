#include "src/engine/callbacks/fallback_types.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.h"
#include "src/engine/policy/idempotency.h"

namespace firebreak::engine {

absl::Status CheckFallback(absl::string_view method, const Fallback& fallback) {
  const auto* const typed = fallback.target<MessageFallback>();
  const auto* const fixed = fallback.target<FixedReply>();
  if (typed == nullptr && fixed == nullptr) return absl::OkStatus();
  const google::protobuf::MethodDescriptor* const descriptor =
      FindDescriptor(method);
  if (descriptor == nullptr) return absl::OkStatus();
  const std::string request(descriptor->input_type()->full_name());
  const std::string reply(descriptor->output_type()->full_name());
  if (fixed != nullptr) {
    if (fixed->reply_type == reply) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat("fallback: is DefaultReply(", fixed->reply_type,
                     "); allowed for ", method, ": DefaultReply(", reply, ")"));
  }
  if (typed->request_type == request && typed->reply_type == reply) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("fallback: is MakeFallback<", typed->request_type, ", ",
                   typed->reply_type, ">; allowed for ", method,
                   ": MakeFallback<", request, ", ", reply, ">"));
}

}  // namespace firebreak::engine
