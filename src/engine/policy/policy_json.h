// Policies in JSON: a PolicySet of ours, or a service config of gRPC.
//
//   if (IsJson(text)) return ParsePolicyJson(text, "policy.json", true);
//
// Protobuf reads the JSON. It does not say on which line a field is, so errors
// name only the field:
//
//   policy.json: methodConfig[0].retryPolicy.maxAttempts: is 1; allowed: ...
//
// Part of policy.h, which is what others include. Pure functions.
#ifndef FIREBREAK_SRC_ENGINE_POLICY_POLICY_JSON_H_
#define FIREBREAK_SRC_ENGINE_POLICY_POLICY_JSON_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/struct.pb.h"
#include "src/engine/policy/policy_errors.h"
#include "src/engine/policy/policy_table.h"

namespace firebreak::engine {

// Returns whether the first character that is not a space is a '{', with which
// no policy in the text format starts.
bool IsJson(absl::string_view text);

// Compiles a JSON object. Its keys show which kind it is. `clamp_attempts` is
// for a service config: see service_config.h.
absl::StatusOr<PolicyTable> ParsePolicyJson(absl::string_view text,
                                            absl::string_view origin,
                                            bool clamp_attempts);

// Reads an object of at most kMaxPolicySize bytes in which no key is repeated.
// Returns false, and adds one error, for any other text.
bool ReadJsonObject(absl::string_view text, google::protobuf::Struct* object,
                    PolicyErrors* errors);

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_POLICY_POLICY_JSON_H_
