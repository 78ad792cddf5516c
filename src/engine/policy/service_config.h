// gRPC's service config, as it is, as a policy.
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
// Read by the rules of gRFC A6. Then the ranges of our own language hold too,
// where they are narrower: what is accepted here always compiles. Each
// methodConfig becomes the entry of its own place, with the id
// "methodConfig[0]"; it has no breaker. What else a service config may say
// (load balancing, health checks, message sizes) is for the channel and is
// skipped; any other key is an error, since it is most likely misspelled.
//
// A service config has no attempt budget. The default one holds, beside
// retryThrottling: see docs/policy.md.
//
// Errors: INVALID_ARGUMENT with every fault, one to a line, named by its place
// in the JSON. Pure functions.
#ifndef FIREBREAK_SRC_ENGINE_POLICY_SERVICE_CONFIG_H_
#define FIREBREAK_SRC_ENGINE_POLICY_SERVICE_CONFIG_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "firebreak/v1/policy.pb.h"
#include "google/protobuf/struct.pb.h"
#include "src/engine/policy/policy_errors.h"

namespace firebreak::engine {

// What may stand in a service config at its top.
inline constexpr absl::string_view kServiceConfigKeys[] = {
    "methodConfig",        "retryThrottling",   "loadBalancingPolicy",
    "loadBalancingConfig", "healthCheckConfig", "connectionScaling"};

// `clamp_attempts`: a maxAttempts over 5 means 5, as in gRPC; else our own
// limit of 10 holds, and what is over it is an error.
absl::StatusOr<v1::PolicySet> FromServiceConfig(absl::string_view json,
                                                bool clamp_attempts);

// The same for an object that has been read. The set is of use only when no
// error has been added.
v1::PolicySet ReadServiceConfig(const google::protobuf::Struct& config,
                                bool clamp_attempts, PolicyErrors* errors);

// Whether gRPC itself would send calls again by this service config: one that
// it is given, and not we. A text that cannot be read has nothing.
bool HasRetryPolicy(absl::string_view json);

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_POLICY_SERVICE_CONFIG_H_
