// The interceptors of calls that are none of our business.
//
//   if (OwnCall::Is(context)) return new PassThrough();
//   if (method == nullptr) return new Strip(core);     // no policy
//
// gRPC wants one of each call's factory, and deletes it with the call's
// context. Most calls of a program may be of that kind, so making one takes
// nothing from the heap, mostly (recycled.h).
//
// Thread safety: as gRPC's interceptors. Ownership: gRPC's.
#ifndef FIREBREAK_INTERCEPTORS_PASS_THROUGH_H_
#define FIREBREAK_INTERCEPTORS_PASS_THROUGH_H_

#include <grpcpp/support/client_interceptor.h>

#include "interceptors/recycled.h"
#include "src/engine/engine_core.h"

namespace firebreak::interceptors {

class PassThrough final : public grpc::experimental::Interceptor,
                          public Recycled<PassThrough> {
 public:
  void Intercept(
      grpc::experimental::InterceptorBatchMethods* methods) override {
    methods->Proceed();
  }
};

// Of a call without policy: only sees to it that nothing of ours is sent.
class Strip final : public grpc::experimental::Interceptor,
                    public Recycled<Strip> {
 public:
  explicit Strip(engine::EngineCore* core) : core_(core) {}
  void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override;

 private:
  engine::EngineCore* const core_;  // the factory's, which outlives its calls
};

}  // namespace firebreak::interceptors

#endif  // FIREBREAK_INTERCEPTORS_PASS_THROUGH_H_
