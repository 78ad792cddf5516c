// Makes the interceptor of each call on one channel.
//
// Never answers null: gRPC C++ numbers a call's interceptors by position, and a
// missing one makes a hijacked call's own calls land in the wrong place. What
// is not ours to guard gets a PassThrough: our own attempts, calls without
// policy, and every call when another factory of the same engine came first on
// this channel. A call of these takes no lock, and mostly nothing from the
// heap.
//
// Thread safety: gRPC calls it from any thread. Ownership: by its channel; it
// keeps the engine alive.
#ifndef FIREBREAK_INTERCEPTORS_FACTORY_H_
#define FIREBREAK_INTERCEPTORS_FACTORY_H_

#include <grpcpp/support/client_interceptor.h>

#include <array>
#include <atomic>
#include <memory>

#include "firebreak/engine.h"
#include "interceptors/refusals.h"
#include "interceptors/reply_kind.h"
#include "src/core/base/striped.h"
#include "src/engine/engine_core.h"

namespace firebreak::interceptors {

class Factory final
    : public grpc::experimental::ClientInterceptorFactoryInterface {
 public:
  Factory(std::shared_ptr<engine::ChannelBinding> channel, Codec codec);
  ~Factory() override;

  grpc::experimental::Interceptor* CreateClientInterceptor(
      grpc::experimental::ClientRpcInfo* info) override;

 private:
  enum class Role { kUnknown, kFirst, kNotFirst };

  // On the first call: the channel is only known then.
  Role TakeRole(grpc::ChannelInterface* channel);

  const std::shared_ptr<engine::ChannelBinding> channel_;
  // For calls, by the stripe of their thread: each counts for itself how many
  // keep the channel.
  std::array<std::shared_ptr<engine::ChannelBinding>, core::kStripes> shares_;
  const Codec codec_;
  std::atomic<Role> role_{Role::kUnknown};
  Refusals refusals_;
  ReplyKinds kinds_;
};

}  // namespace firebreak::interceptors

#endif  // FIREBREAK_INTERCEPTORS_FACTORY_H_
