// Reads an unchanged service config of gRPC as a policy.
//
//   absl::StatusOr<v1::PolicySet> set = FromServiceConfig(R"({
//     "methodConfig": [{
//       "name": [{"service": "shop.v1.PaymentService"}],
//       "timeout": "2s",
//       "retryPolicy": {
//         "maxAttempts": 4, "initialBackoff": "0.1s", "maxBackoff": "1s",
//         "backoffMultiplier": 2, "retryableStatusCodes": ["UNAVAILABLE"]
//       }
//     }]
//   })", /*clamp_attempts=*/true);
//
// It is read by the rules of gRFC A6. The ranges of our own language apply too
// where they are narrower, so what is accepted here always compiles. Each
// methodConfig becomes an entry at the same place, with the id
// "methodConfig[0]" and without a breaker. The other parts of a service config
// (load balancing, health checks, message sizes) are for the channel and are
// skipped. Any other key is an error, since it is most likely misspelled.
//
// A service config has no attempt budget. The default one applies, beside
// retryThrottling: see docs/policy.md.
//
// Errors: INVALID_ARGUMENT with every fault, one to a line, with its path in
// the JSON. Pure functions.
#ifndef FIREBREAK_SRC_ENGINE_POLICY_SERVICE_CONFIG_H_
#define FIREBREAK_SRC_ENGINE_POLICY_SERVICE_CONFIG_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "firebreak/v1/policy.pb.h"
#include "google/protobuf/struct.pb.h"
#include "src/engine/policy/policy_errors.h"

namespace firebreak::engine {

// The keys that a service config may have at its top.
inline constexpr absl::string_view kServiceConfigKeys[] = {
    "methodConfig",        "retryThrottling",   "loadBalancingPolicy",
    "loadBalancingConfig", "healthCheckConfig", "connectionScaling"};

// If `clamp_attempts` is true, a maxAttempts over 5 means 5, as in gRPC.
// Otherwise our own limit of 10 applies, and a higher value is an error.
absl::StatusOr<v1::PolicySet> FromServiceConfig(absl::string_view json,
                                                bool clamp_attempts);

// Does the same for an object that has been read. The set may only be used if
// no error has been added.
v1::PolicySet ReadServiceConfig(const google::protobuf::Struct& config,
                                bool clamp_attempts, PolicyErrors* errors);

// Returns whether gRPC itself would retry calls if it were given this service
// config. Returns false for a text that cannot be read.
bool HasRetryPolicy(absl::string_view json);

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_POLICY_SERVICE_CONFIG_H_
