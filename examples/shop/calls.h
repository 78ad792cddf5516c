// How the services of the example call each other.
//
//   shop::Calls calls(&pool, retries);
//   grpc::Status status = calls.Run([&](grpc::ClientContext* context) {
//     return stub->Charge(context, request, &reply);
//   });
//
// With firebreak nothing else is needed: timeouts and retries are in the
// channel's policy. Without it, this is the code that is usual instead: a
// timeout, and after a failure up to five retries, each after twice the
// previous wait.
//
// Thread safety: safe from any thread.
#ifndef FIREBREAK_EXAMPLES_SHOP_CALLS_H_
#define FIREBREAK_EXAMPLES_SHOP_CALLS_H_

#include <grpcpp/client_context.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <functional>

#include "examples/shop/worker_pool.h"

namespace shop {

class Calls {
 public:
  struct Plan {
    std::chrono::milliseconds timeout{0};  // of each attempt; 0: none
    int retries = 0;
    std::chrono::milliseconds first_wait{1000};
  };

  // `pool` counts its worker as blocked while it waits; it outlives this.
  Calls(WorkerPool* pool, const Plan& plan) : pool_(pool), plan_(plan) {}

  grpc::Status Run(
      const std::function<grpc::Status(grpc::ClientContext*)>& call) const;

 private:
  WorkerPool* const pool_;
  const Plan plan_;
};

// How a server calls the others, from its command line.
struct CallFlags {
  bool no_firebreak = false;
  // Only used without firebreak.
  int timeout_ms = 1000;
  int retries = 0;
  int first_wait_ms = 1000;

  void AddTo(CLI::App* app);
  Calls::Plan plan() const;
};

}  // namespace shop

#endif  // FIREBREAK_EXAMPLES_SHOP_CALLS_H_
