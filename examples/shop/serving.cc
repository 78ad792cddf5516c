#include "examples/shop/serving.h"

#include <grpcpp/security/server_credentials.h>
#include <pthread.h>
#include <signal.h>

#include <chrono>
#include <iostream>

namespace shop {
namespace {

sigset_t ShutdownSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  return signals;
}

}  // namespace

int ExitFor(const CLI::App& app, const CLI::ParseError& error) {
  return app.exit(error) == 0 ? 0 : 2;
}

void BlockShutdownSignals() {
  const sigset_t signals = ShutdownSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

void WaitForShutdownSignal() {
  const sigset_t signals = ShutdownSignals();
  int received = 0;
  sigwait(&signals, &received);
}

std::unique_ptr<grpc::Server> Listen(const std::string& address,
                                     grpc::ServerBuilder* builder) {
  int port = 0;
  builder->AddListeningPort(address, grpc::InsecureServerCredentials(), &port);
  std::unique_ptr<grpc::Server> server = builder->BuildAndStart();
  if (server == nullptr || port == 0) {
    std::cerr << "cannot listen on " << address << "\n";
    return nullptr;
  }
  const std::string host = address.substr(0, address.rfind(':'));
  std::cout << "listening on " << host << ":" << port << std::endl;
  return server;
}

void Shutdown(grpc::Server* server) {
  server->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(1));
}

}  // namespace shop
