// Reads the blocks of gRFC A6 in a service config as blocks of our own
// language.
//
//   ReadRetryPolicy(JsonFields(block, "methodConfig[0].retryPolicy", &report),
//                   /*clamp_attempts=*/true, entry->mutable_retry());
//
// It reports what A6 forbids. What only our own language forbids is left to its
// compiler. A field that cannot be read is left out, or gets a stand-in value
// that leads to no further error.
//
// Part of service_config.h. Pure functions, except for the report.
#ifndef FIREBREAK_SRC_ENGINE_POLICY_A6_POLICIES_H_
#define FIREBREAK_SRC_ENGINE_POLICY_A6_POLICIES_H_

#include "firebreak/v1/policy.pb.h"
#include "src/engine/policy/json_fields.h"

namespace firebreak::engine {

// The highest maxAttempts of A6; a higher value counts as this.
inline constexpr int kA6Attempts = 5;

// If `clamp_attempts` is true, a maxAttempts over kA6Attempts is read as
// kA6Attempts.
void ReadRetryPolicy(const JsonFields& in, bool clamp_attempts,
                     v1::RetryPolicy* out);
void ReadHedgingPolicy(const JsonFields& in, bool clamp_attempts,
                       v1::HedgingPolicy* out);
void ReadRetryThrottling(const JsonFields& in, v1::ThrottlingPolicy* out);

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_POLICY_A6_POLICIES_H_
