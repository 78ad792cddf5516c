// The two messages of grpc.health.v1, and what an answer is worth.
//
//   HealthMessage request = HealthRequest("shop.v1.Payment");
//   core::HealthAnswer answer = ReadHealth(status, &reply);
//
// They are written and read by their field numbers, which the protocol fixes
// (github.com/grpc/grpc, doc/health-checking.md), so that no generated code of
// that package is linked in: a program has its own, and two of one name do not
// go together. But a message of Protobuf they are, with fields that its type
// does not know: an application's interceptor that takes each message for a
// google::protobuf::Message sees one.
//
// SERVING and NOT_SERVING are what they say. UNAVAILABLE and DEADLINE_EXCEEDED
// are what a server that is not back answers, so is RESOURCE_EXHAUSTED. What
// else comes is from somebody who is there and has no word on this: no health
// service (UNIMPLEMENTED), a service that it does not know (NOT_FOUND,
// SERVICE_UNKNOWN), nobody who may ask (PERMISSION_DENIED), bytes that are no
// answer. CANCELLED is what a server that ends says to the calls it has.
//
// Thread safety: pure functions. Errors: none; bytes of any kind are an answer.
#ifndef FIREBREAK_SRC_ENGINE_IO_HEALTH_MESSAGE_H_
#define FIREBREAK_SRC_ENGINE_IO_HEALTH_MESSAGE_H_

#include <google/protobuf/empty.pb.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/status.h>

#include <string>

#include "src/core/breaker/target_health.h"

namespace firebreak::engine {

inline constexpr char kHealthCheckMethod[] = "/grpc.health.v1.Health/Check";

// A pointer to it is one to a google::protobuf::Message.
struct HealthMessage {
  google::protobuf::Empty fields;  // first
};

HealthMessage HealthRequest(const std::string& service);
// As it goes over the wire; false when the bytes are no message.
grpc::ByteBuffer BytesOf(const HealthMessage& message);
bool FromBytes(const grpc::ByteBuffer& bytes, HealthMessage* message);

// `reply` counts with OK only; empty, it is UNKNOWN, as an absent field is.
// Null is one that cannot be read.
core::HealthAnswer ReadHealth(const grpc::Status& status,
                              const HealthMessage* reply);

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_IO_HEALTH_MESSAGE_H_
