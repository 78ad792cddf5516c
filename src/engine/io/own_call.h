// Marks a call as the engine's own while it is created, so that the engine's
// interceptors let it pass.
//
//   {
//     OwnCall own(&context);
//     reader = stub.PrepareUnaryCall(&context, method, request, cq);
//   }
//
// An attempt or a health check is sent on a channel that has our interceptors,
// which must not guard it once more: a foreign interceptor before ours, or one
// that returned null, can route it back to us. The mark is the address of the
// context, kept for the calling thread, since interceptors are made while the
// call is created. Interceptors after ours may make calls of their own
// meanwhile, so the former mark is restored at the end.
//
// Thread safety: each thread has its own.
#ifndef FIREBREAK_SRC_ENGINE_IO_OWN_CALL_H_
#define FIREBREAK_SRC_ENGINE_IO_OWN_CALL_H_

#include <grpcpp/client_context.h>

namespace firebreak::engine {

class OwnCall {
 public:
  explicit OwnCall(const grpc::ClientContext* context);
  ~OwnCall();
  OwnCall(const OwnCall&) = delete;
  OwnCall& operator=(const OwnCall&) = delete;

  // Whether the call with this context is being created right now, on this
  // thread, as one of ours.
  static bool Is(const grpc::ClientContext* context);

 private:
  const grpc::ClientContext* const before_;
};

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_IO_OWN_CALL_H_
