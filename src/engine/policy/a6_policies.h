// The blocks of gRFC A6 in a service config, as those of our own language.
//
//   ReadRetryPolicy(JsonFields(block, "methodConfig[0].retryPolicy", &report),
//                   /*clamp_attempts=*/true, entry->mutable_retry());
//
// Reports what A6 forbids; what our own language forbids besides is left to its
// compiler. A field that cannot be read is left out, or gets a stand-in to
// which no other field is compared to its loss.
//
// Part of service_config.h. Pure functions, but for the report.
#ifndef FIREBREAK_SRC_ENGINE_POLICY_A6_POLICIES_H_
#define FIREBREAK_SRC_ENGINE_POLICY_A6_POLICIES_H_

#include "firebreak/v1/policy.pb.h"
#include "src/engine/policy/json_fields.h"

namespace firebreak::engine {

// Where A6 cuts maxAttempts off.
inline constexpr int kA6Attempts = 5;

// `clamp_attempts`: read a maxAttempts over kA6Attempts as that.
void ReadRetryPolicy(const JsonFields& in, bool clamp_attempts,
                     v1::RetryPolicy* out);
void ReadHedgingPolicy(const JsonFields& in, bool clamp_attempts,
                       v1::HedgingPolicy* out);
void ReadRetryThrottling(const JsonFields& in, v1::ThrottlingPolicy* out);

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_POLICY_A6_POLICIES_H_
