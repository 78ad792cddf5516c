// The common parts of this example's servers.
//
//   shop::ServerFlags flags{"127.0.0.1:50052"};
//   flags.AddTo(&app);
//   ...
//   shop::BlockShutdownSignals();            // before there are threads
//   shop::WorkerPool pool(flags.capacity);
//   UserService service(&pool);              // its calls: InPool(), below
//   return shop::Serve(flags, &pool, {&service});
#ifndef FIREBREAK_EXAMPLES_SHOP_SERVING_H_
#define FIREBREAK_EXAMPLES_SHOP_SERVING_H_

#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "examples/shop/worker_pool.h"

namespace shop {

struct ServerFlags {
  explicit ServerFlags(std::string by_default)
      : address(std::move(by_default)) {}

  std::string address;  // HOST:PORT
  WorkerPool::Capacity capacity;
  int service_ms = 0;  // how long a call takes

  void AddTo(CLI::App* app);
};

// From now on SIGINT and SIGTERM are blocked until Serve(), in this thread and
// in those that it starts.
void BlockShutdownSignals();

// Serves `services`, and LoadService for `pool`, until a signal ends it. It
// prints "listening on HOST:PORT" with the actual port. Returns the exit code:
// 1, with the reason on stderr, if it cannot listen. `stopping` is called
// before it waits for calls.
int Serve(const ServerFlags& flags, WorkerPool* pool,
          const std::vector<grpc::Service*>& services,
          const std::function<void()>& stopping = nullptr);

// Answers a call at once, without the pool.
grpc::ServerUnaryReactor* AtOnce(grpc::CallbackServerContext* context,
                                 const grpc::Status& status = grpc::Status::OK);

// Answers a call from a worker of `pool`, with what `work` returns.
grpc::ServerUnaryReactor* InPool(WorkerPool* pool,
                                 grpc::CallbackServerContext* context,
                                 std::function<grpc::Status()> work);

// The same, for a call that takes `service_ms`.
grpc::ServerUnaryReactor* InPool(WorkerPool* pool,
                                 grpc::CallbackServerContext* context,
                                 int service_ms,
                                 std::function<grpc::Status()> work);

}  // namespace shop

#endif  // FIREBREAK_EXAMPLES_SHOP_SERVING_H_
