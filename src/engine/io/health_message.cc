#include "src/engine/io/health_message.h"

#include <google/protobuf/unknown_field_set.h>
#include <grpcpp/support/slice.h>

#include "absl/strings/str_cat.h"
#include "src/core/base/outcome.h"

namespace firebreak::engine {
namespace {

using core::TargetHealth;
using google::protobuf::UnknownField;
using google::protobuf::UnknownFieldSet;

// HealthCheckRequest.service, HealthCheckResponse.status.
constexpr int kServiceField = 1;
constexpr int kStatusField = 1;

core::HealthAnswer OfStatus(uint64_t serving_status) {
  switch (serving_status) {
    case 1:
      return {TargetHealth::kServing, "SERVING"};
    case 2:
      return {TargetHealth::kNotServing, "NOT_SERVING"};
    case 0:
      return {TargetHealth::kNoWord, "UNKNOWN"};
    case 3:
      return {TargetHealth::kNoWord, "SERVICE_UNKNOWN"};
    default:
      return {TargetHealth::kNoWord, absl::StrCat("status ", serving_status)};
  }
}

core::HealthAnswer OfError(grpc::StatusCode code) {
  const bool is_not_back = code == grpc::StatusCode::UNAVAILABLE ||
                           code == grpc::StatusCode::DEADLINE_EXCEEDED ||
                           code == grpc::StatusCode::RESOURCE_EXHAUSTED;
  if (code == grpc::StatusCode::CANCELLED) {
    return {TargetHealth::kNotServing, "CANCELLED, as a server does that ends"};
  }
  return {is_not_back ? TargetHealth::kNotServing : TargetHealth::kNoWord,
          absl::StatusCodeToString(static_cast<absl::StatusCode>(code))};
}

}  // namespace

HealthMessage HealthRequest(const std::string& service) {
  HealthMessage request;
  // Protobuf leaves out a field with the default value.
  if (!service.empty()) {
    request.fields.GetReflection()
        ->MutableUnknownFields(&request.fields)
        ->AddLengthDelimited(kServiceField, service);
  }
  return request;
}

grpc::ByteBuffer BytesOf(const HealthMessage& message) {
  grpc::Slice slice(message.fields.SerializeAsString());
  return grpc::ByteBuffer(&slice, 1);
}

bool FromBytes(const grpc::ByteBuffer& bytes, HealthMessage* message) {
  grpc::Slice slice;
  // A buffer without bytes is an empty message.
  if (bytes.Valid() && !bytes.DumpToSingleSlice(&slice).ok()) return false;
  return message->fields.ParseFromArray(slice.begin(),
                                        static_cast<int>(slice.size()));
}

core::HealthAnswer ReadHealth(const grpc::Status& status,
                              const HealthMessage* reply) {
  if (!status.ok()) return OfError(status.error_code());
  core::HealthAnswer garbled = {TargetHealth::kNoWord,
                                "an answer that cannot be read"};
  if (reply == nullptr) return garbled;
  const UnknownFieldSet& message =
      reply->fields.GetReflection()->GetUnknownFields(reply->fields);
  uint64_t serving_status = 0;
  for (int i = 0; i < message.field_count(); ++i) {
    const UnknownField& field = message.field(i);
    if (field.number() != kStatusField) continue;
    if (field.type() != UnknownField::TYPE_VARINT) return garbled;
    serving_status = field.varint();  // the last one counts
  }
  return OfStatus(serving_status);
}

}  // namespace firebreak::engine
