#include "examples/shop/serving.h"

#include <pthread.h>
#include <signal.h>

#include <chrono>
#include <iostream>
#include <memory>
#include <thread>
#include <utility>

#include "shop/v1/shop.grpc.pb.h"

namespace shop {
namespace {

sigset_t ShutdownSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  return signals;
}

void WaitForShutdownSignal() {
  const sigset_t signals = ShutdownSignals();
  int received = 0;
  sigwait(&signals, &received);
}

class LoadService final : public v1::LoadService::CallbackService {
 public:
  explicit LoadService(const WorkerPool* pool) : pool_(pool) {}

  grpc::ServerUnaryReactor* GetLoad(grpc::CallbackServerContext* context,
                                    const v1::GetLoadRequest* /*request*/,
                                    v1::GetLoadReply* reply) override {
    *reply = pool_->Load();
    return AtOnce(context);
  }

 private:
  const WorkerPool* const pool_;
};

}  // namespace

void ServerFlags::AddTo(CLI::App* app) {
  app->add_option("--address", address,
                  "HOST:PORT to listen on; port 0 means any free port")
      ->capture_default_str();
  app->add_option("--workers", capacity.workers,
                  "how many calls are worked on at a time")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  app->add_option("--queue", capacity.queue,
                  "how many calls may wait for a worker; others get "
                  "RESOURCE_EXHAUSTED")
      ->check(CLI::Range(0, 1'000'000))
      ->capture_default_str();
  app->add_option("--latency-ms", service_ms,
                  "how long a worker takes for a call, in milliseconds")
      ->check(CLI::Range(0, 600'000))
      ->capture_default_str();
}

void BlockShutdownSignals() {
  const sigset_t signals = ShutdownSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

int Serve(const ServerFlags& flags, WorkerPool* pool,
          const std::vector<grpc::Service*>& services,
          const std::function<void()>& stopping) {
  LoadService load(pool);
  int port = 0;
  grpc::ServerBuilder builder;
  // Otherwise a second server on the same port would get half of the
  // connections.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddListeningPort(flags.address, grpc::InsecureServerCredentials(),
                           &port);
  for (grpc::Service* service : services) builder.RegisterService(service);
  builder.RegisterService(&load);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr || port == 0) {
    std::cerr << "cannot listen on " << flags.address << "\n";
    return 1;
  }
  const std::string host = flags.address.substr(0, flags.address.rfind(':'));
  std::cout << "listening on " << host << ":" << port << std::endl;
  WaitForShutdownSignal();
  if (stopping) stopping();
  server->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(1));
  return 0;
}

grpc::ServerUnaryReactor* AtOnce(grpc::CallbackServerContext* context,
                                 const grpc::Status& status) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  reactor->Finish(status);
  return reactor;
}

grpc::ServerUnaryReactor* InPool(WorkerPool* pool,
                                 grpc::CallbackServerContext* context,
                                 std::function<grpc::Status()> work) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  if (!pool->Run(
          [reactor, work = std::move(work)] { reactor->Finish(work()); })) {
    reactor->Finish({grpc::StatusCode::RESOURCE_EXHAUSTED,
                     "all workers are busy and the queue is full"});
  }
  return reactor;
}

grpc::ServerUnaryReactor* InPool(WorkerPool* pool,
                                 grpc::CallbackServerContext* context,
                                 int service_ms,
                                 std::function<grpc::Status()> work) {
  return InPool(pool, context, [service_ms, work = std::move(work)] {
    std::this_thread::sleep_for(std::chrono::milliseconds(service_ms));
    return work();
  });
}

}  // namespace shop
