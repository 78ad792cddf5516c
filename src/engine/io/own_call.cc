#include "src/engine/io/own_call.h"

#include <utility>

namespace firebreak::engine {
namespace {

// Only compared by address, and only while the call is created.
thread_local const grpc::ClientContext* t_creating = nullptr;

}  // namespace

OwnCall::OwnCall(const grpc::ClientContext* context)
    : before_(std::exchange(t_creating, context)) {}

OwnCall::~OwnCall() { t_creating = before_; }

bool OwnCall::Is(const grpc::ClientContext* context) {
  return t_creating == context;
}

}  // namespace firebreak::engine
