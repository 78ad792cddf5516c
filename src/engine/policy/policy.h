// The policy language: from a file or message to a table of options.
//
//   absl::StatusOr<PolicyTable> policy = LoadPolicyFile("policy.textproto");
//   if (!policy.ok()) return policy.status();
//   auto options = policy->Find("payment", "/shop.v1.PaymentService/Charge");
//
// proto/firebreak/v1/policy.proto defines the language, and docs/policy.md
// explains it to users. A policy is in the text format, in JSON, or is an
// unchanged service config of gRPC. It is accepted as a whole or not at all.
// All errors come back in one INVALID_ARGUMENT, one error to a line, in the
// order of the text:
//
//   policy.textproto:7: method[2].breaker.failure_rate: is 1.5; allowed [0, 1]
//   policy.textproto:9: method[2].timeout: "2 s" is not a duration; allowed ...
//   policy.textproto:12:5: Expected "{", found "1".
//
// After the hundredth error the rest are only counted. If the parser cannot
// read the text, the values are not checked, since those of half a file say
// nothing. JSON has no lines, so its errors have none.
//
// Thread safety: pure functions, except that LoadPolicyFile() reads a file.
#ifndef FIREBREAK_SRC_ENGINE_POLICY_POLICY_H_
#define FIREBREAK_SRC_ENGINE_POLICY_POLICY_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "firebreak/v1/policy.pb.h"
#include "src/engine/policy/policy_table.h"

namespace firebreak::engine {

// The longest policy that is accepted, in bytes: as a text, or as a message on
// the wire.
inline constexpr size_t kMaxPolicySize = size_t{1} << 20;

// Reads a file and compiles it as ParsePolicyText() does. Returns NOT_FOUND if
// there is no file, PERMISSION_DENIED if it may not be read,
// FAILED_PRECONDITION if it is not a regular file or reading fails, and
// INVALID_ARGUMENT for errors in its content.
absl::StatusOr<PolicyTable> LoadPolicyFile(const std::string& path,
                                           bool clamp_attempts = true);

// Compiles a text: a PolicySet in the text format or in JSON, or a service
// config, to which `clamp_attempts` applies (service_config.h). Errors name
// `origin` as the source of the text: a path, or something like "ApplyPolicy".
absl::StatusOr<PolicyTable> ParsePolicyText(absl::string_view text,
                                            absl::string_view origin,
                                            bool clamp_attempts = true);

// Compiles a message. There is no text, so errors have no line: "origin:
// method[2].timeout: ...".
absl::StatusOr<PolicyTable> CompilePolicy(const v1::PolicySet& set,
                                          absl::string_view origin);

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_POLICY_POLICY_H_
