// How the services of the example call each other.
//
//   shop::Calls calls(&pool, retries);
//   grpc::Status status = calls.Run([&](grpc::ClientContext* context) {
//     return stub->Charge(context, request, &reply);
//   });
//
// With firebreak that is all there is: time-outs and retries are in the
// channel's policy. Without it, this is the code that one finds instead: a
// time-out, and after a failure the same again, five times, each wait twice the
// one before.
//
// Thread safety: safe from any thread.
#ifndef FIREBREAK_EXAMPLES_SHOP_CALLS_H_
#define FIREBREAK_EXAMPLES_SHOP_CALLS_H_

#include <grpcpp/client_context.h>

#include <chrono>
#include <functional>
#include <thread>

#include "examples/shop/worker_pool.h"

namespace shop {

class Calls {
 public:
  struct Plan {
    std::chrono::milliseconds timeout{0};  // of each try; 0: none
    int retries = 0;
    std::chrono::milliseconds first_wait{1000};
  };

  // `pool` is told when its worker waits, and outlives this.
  Calls(WorkerPool* pool, const Plan& plan) : pool_(pool), plan_(plan) {}

  grpc::Status Run(
      const std::function<grpc::Status(grpc::ClientContext*)>& call) const {
    const WorkerPool::Blocked blocked(pool_);
    for (int retry = 0;; ++retry) {
      grpc::ClientContext context;
      if (plan_.timeout.count() > 0) {
        context.set_deadline(std::chrono::system_clock::now() + plan_.timeout);
      }
      const grpc::Status status = call(&context);
      if (status.ok() || retry >= plan_.retries ||
          status.error_code() == grpc::StatusCode::FAILED_PRECONDITION) {
        return status;
      }
      std::this_thread::sleep_for(plan_.first_wait * (1 << retry));
    }
  }

 private:
  WorkerPool* const pool_;
  const Plan plan_;
};

}  // namespace shop

#endif  // FIREBREAK_EXAMPLES_SHOP_CALLS_H_
