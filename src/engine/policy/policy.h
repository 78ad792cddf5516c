// The policy language: from a file or message to a table of options.
//
//   absl::StatusOr<PolicyTable> policy = LoadPolicyFile("policy.textproto");
//   if (!policy.ok()) return policy.status();
//   auto options = policy->Find("payment", "/shop.v1.PaymentService/Charge");
//
// The language is that of proto/firebreak/v1/policy.proto, for users in
// docs/policy.md: in the text format, in JSON, or a service config of gRPC as
// it is. A policy is accepted whole or not at all. All that is wrong with it
// comes back in one INVALID_ARGUMENT, one error to a line, in the order of the
// text:
//
//   policy.textproto:7: method[2].breaker.failure_rate: is 1.5; allowed [0, 1]
//   policy.textproto:9: method[2].timeout: "2 s" is not a duration; allowed:
//   ... policy.textproto:12:5: Expected "{", found "1".
//
// Past the hundredth, the rest are only counted. Text the parser cannot read
// ends with what is wrong there: the values of half a file say nothing. JSON
// has no lines, and errors then none either.
//
// Thread safety: pure functions, but that LoadPolicyFile reads its file.
#ifndef FIREBREAK_SRC_ENGINE_POLICY_POLICY_H_
#define FIREBREAK_SRC_ENGINE_POLICY_POLICY_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "firebreak/v1/policy.pb.h"
#include "src/engine/policy/policy_table.h"

namespace firebreak::engine {

// Longest policy taken, in bytes: of a text, or of a message on the wire.
inline constexpr size_t kMaxPolicySize = size_t{1} << 20;

// Reads and compiles a file, as ParsePolicyText() does its text. NOT_FOUND when
// there is none, PERMISSION_DENIED when it may not be read, FAILED_PRECONDITION
// when it is not a regular file or reading fails, INVALID_ARGUMENT for what is
// in it.
absl::StatusOr<PolicyTable> LoadPolicyFile(const std::string& path,
                                           bool clamp_attempts = true);

// Compiles a text: a PolicySet in the text format or in JSON, or a service
// config, for which `clamp_attempts` is: see service_config.h. `origin` says in
// errors where it is from: a path, or something like "ApplyPolicy".
absl::StatusOr<PolicyTable> ParsePolicyText(absl::string_view text,
                                            absl::string_view origin,
                                            bool clamp_attempts = true);

// Compiles a message. As there is no text, errors have no line:
// "origin: method[2].timeout: ...".
absl::StatusOr<PolicyTable> CompilePolicy(const v1::PolicySet& set,
                                          absl::string_view origin);

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_POLICY_POLICY_H_
