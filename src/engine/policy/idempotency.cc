#include "src/engine/policy/idempotency.h"

#include <string>
#include <utility>

#include "absl/strings/strip.h"
#include "google/protobuf/descriptor.pb.h"

namespace firebreak::engine {

using google::protobuf::DescriptorPool;
using google::protobuf::MethodDescriptor;
using google::protobuf::MethodOptions;

const MethodDescriptor* FindDescriptor(absl::string_view method) {
  if (!absl::ConsumePrefix(&method, "/")) return nullptr;
  const size_t slash = method.find('/');
  if (slash == absl::string_view::npos) return nullptr;
  std::string name(method);
  name[slash] = '.';
  return DescriptorPool::generated_pool()->FindMethodByName(name);
}

bool IsIdempotent(const MethodDescriptor& method) {
  return method.options().idempotency_level() !=
         MethodOptions::IDEMPOTENCY_UNKNOWN;
}

std::shared_ptr<const core::MethodOptions> WithDescriptor(
    std::shared_ptr<const core::MethodOptions> options,
    absl::string_view method) {
  if (options->idempotent.has_value()) return options;
  const MethodDescriptor* descriptor = FindDescriptor(method);
  if (descriptor == nullptr || !IsIdempotent(*descriptor)) return options;
  auto known = std::make_shared<core::MethodOptions>(*options);
  known->idempotent = true;
  return known;
}

}  // namespace firebreak::engine
