// Makes the interceptor of each call on one channel.
//
// It never returns null. gRPC C++ numbers a call's interceptors by position, so
// if one were missing, the calls that a hijacking interceptor makes itself
// would begin at the wrong interceptor. Calls that are not ours to guard get a
// PassThrough: our own attempts, and every call if another factory of the same
// engine has claimed the channel first. A call without policy gets a Strip.
// Neither takes a lock, and mostly neither allocates memory.
//
// Thread safety: gRPC calls it from any thread. Ownership: its channel owns it,
// and it keeps the engine alive.
#ifndef FIREBREAK_INTERCEPTORS_FACTORY_H_
#define FIREBREAK_INTERCEPTORS_FACTORY_H_

#include <grpcpp/support/client_interceptor.h>

#include <array>
#include <atomic>
#include <memory>

#include "firebreak/engine.h"
#include "interceptors/reply/refusals.h"
#include "interceptors/reply/reply_kind.h"
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

  // Called on the first call, since the channel is not known before.
  Role TakeRole(grpc::ChannelInterface* channel);

  const std::shared_ptr<engine::ChannelBinding> channel_;
  // References to `channel_` for calls, one for each stripe of threads. Each
  // has a reference count of its own, so that threads do not contend for one.
  std::array<std::shared_ptr<engine::ChannelBinding>, core::kStripes> shares_;
  const Codec codec_;
  std::atomic<Role> role_{Role::kUnknown};
  Refusals refusals_;
  ReplyKinds kinds_;
};

}  // namespace firebreak::interceptors

#endif  // FIREBREAK_INTERCEPTORS_FACTORY_H_
