// The interceptors of calls that firebreak does not guard.
//
//   if (OwnCall::Is(context)) return new PassThrough();
//   if (method == nullptr) return new Strip(core);     // no policy
//
// Each factory must give every call an interceptor (factory.h), and gRPC
// deletes it with the call's context. Most calls of a program may be of this
// kind, so making one mostly allocates nothing (recycled.h).
//
// Thread safety: that of gRPC's interceptors. Ownership: gRPC owns them.
#ifndef FIREBREAK_INTERCEPTORS_BATCH_PASS_THROUGH_H_
#define FIREBREAK_INTERCEPTORS_BATCH_PASS_THROUGH_H_

#include <grpcpp/support/client_interceptor.h>

#include "src/core/base/recycled.h"
#include "src/engine/engine_core.h"

namespace firebreak::interceptors {

class PassThrough final : public grpc::experimental::Interceptor,
                          public core::Recycled<PassThrough> {
 public:
  void Intercept(
      grpc::experimental::InterceptorBatchMethods* methods) override {
    methods->Proceed();
  }
};

// For a call without policy. It only removes firebreak's metadata, which must
// not be sent.
class Strip final : public grpc::experimental::Interceptor,
                    public core::Recycled<Strip> {
 public:
  explicit Strip(engine::EngineCore* core) : core_(core) {}
  void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override;

 private:
  engine::EngineCore* const core_;  // the factory's, which outlives its calls
};

}  // namespace firebreak::interceptors

#endif  // FIREBREAK_INTERCEPTORS_BATCH_PASS_THROUGH_H_
