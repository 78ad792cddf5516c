// The two messages of grpc.health.v1, and what an answer is worth.
//
//   grpc::ByteBuffer request = HealthRequest("shop.v1.Payment");
//   core::HealthAnswer answer = ReadHealth(status, reply);
//
// They are written and read by their field numbers, which the protocol fixes
// (github.com/grpc/grpc, doc/health-checking.md), so that no generated code of
// that package is linked in: a program has its own, and two of one name do not
// go together.
//
// SERVING and NOT_SERVING are what they say. UNAVAILABLE and DEADLINE_EXCEEDED
// are what a server that is not back answers, so is RESOURCE_EXHAUSTED. What
// else comes is from somebody who is there and has no word on this: no health
// service (UNIMPLEMENTED), a service that it does not know (NOT_FOUND,
// SERVICE_UNKNOWN), nobody who may ask (PERMISSION_DENIED), bytes that are no
// answer.
//
// Thread safety: pure functions. Errors: none; bytes of any kind are an answer.
#ifndef FIREBREAK_SRC_ENGINE_IO_HEALTH_MESSAGE_H_
#define FIREBREAK_SRC_ENGINE_IO_HEALTH_MESSAGE_H_

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/status.h>

#include <string>

#include "src/core/breaker/target_health.h"

namespace firebreak::engine {

inline constexpr char kHealthCheckMethod[] = "/grpc.health.v1.Health/Check";

grpc::ByteBuffer HealthRequest(const std::string& service);
// `reply` counts with OK only; empty, it is UNKNOWN, as an absent field is.
core::HealthAnswer ReadHealth(const grpc::Status& status,
                              const grpc::ByteBuffer& reply);

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_IO_HEALTH_MESSAGE_H_
