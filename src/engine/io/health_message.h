// The two messages of grpc.health.v1, and what an answer means.
//
//   HealthMessage request = HealthRequest("shop.v1.Payment");
//   core::HealthAnswer answer = ReadHealth(status, &reply);
//
// They are written and read by their field numbers, which the protocol fixes
// (github.com/grpc/grpc, doc/health-checking.md). So no generated code of that
// package is linked in: a program may have its own, and two types of one name
// cannot exist in one program. Yet they are Protobuf messages, with fields that
// their type does not know, so that an application's interceptor may treat each
// message as a google::protobuf::Message.
//
// SERVING and NOT_SERVING mean what they say. UNAVAILABLE, DEADLINE_EXCEEDED
// and RESOURCE_EXHAUSTED mean that the server is not back, and so does
// CANCELLED, which a server that ends sends to the calls it has. Any other
// answer comes from a server that is there but does not say how it is: it has
// no health service (UNIMPLEMENTED), does not know the service (NOT_FOUND,
// SERVICE_UNKNOWN), does not permit the call (PERMISSION_DENIED), or sends
// bytes that are no answer.
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

// A pointer to this is also a pointer to a google::protobuf::Message.
struct HealthMessage {
  google::protobuf::Empty fields;  // first
};

HealthMessage HealthRequest(const std::string& service);
// Convert a message to its bytes on the wire and back. FromBytes() returns
// false if the bytes are not a message.
grpc::ByteBuffer BytesOf(const HealthMessage& message);
bool FromBytes(const grpc::ByteBuffer& bytes, HealthMessage* message);

// `reply` is only used with OK. An empty reply is UNKNOWN, as it is if the
// field is absent. Null means that the reply cannot be read.
core::HealthAnswer ReadHealth(const grpc::Status& status,
                              const HealthMessage* reply);

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_IO_HEALTH_MESSAGE_H_
