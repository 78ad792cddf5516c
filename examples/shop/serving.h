// What the servers of this example do beside serving.
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

// SIGINT and SIGTERM from now on wait for Serve(), in this thread and in those
// it starts.
void BlockShutdownSignals();

// Serves `services`, and LoadService for `pool`, until a signal asks to end. It
// prints "listening on HOST:PORT" with the port that port 0 became. Returns the
// exit code: 1, with the reason on stderr, when it cannot listen. `stopping` is
// called before calls are waited for.
int Serve(const ServerFlags& flags, WorkerPool* pool,
          const std::vector<grpc::Service*>& services,
          const std::function<void()>& stopping = nullptr);

// Answers a call at once, whatever the pool is busy with.
grpc::ServerUnaryReactor* AtOnce(grpc::CallbackServerContext* context,
                                 const grpc::Status& status = grpc::Status::OK);

// Answers a call from a worker of `pool`, with what `work` returns.
grpc::ServerUnaryReactor* InPool(WorkerPool* pool,
                                 grpc::CallbackServerContext* context,
                                 std::function<grpc::Status()> work);

// The same, for a call that takes so long.
grpc::ServerUnaryReactor* InPool(WorkerPool* pool,
                                 grpc::CallbackServerContext* context,
                                 int service_ms,
                                 std::function<grpc::Status()> work);

}  // namespace shop

#endif  // FIREBREAK_EXAMPLES_SHOP_SERVING_H_
