// What the servers of this example do beside serving.
//
//   shop::BlockShutdownSignals();            // before there are threads
//   grpc::ServerBuilder builder;
//   builder.RegisterService(&service);
//   auto server = shop::Listen("127.0.0.1:0", &builder);
//   if (server == nullptr) return 1;
//   shop::WaitForShutdownSignal();
//   shop::Shutdown(server.get());
#ifndef FIREBREAK_EXAMPLES_SHOP_SERVING_H_
#define FIREBREAK_EXAMPLES_SHOP_SERVING_H_

#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

namespace shop {

// The exit code for `error`, after its text is printed: 0 for --help, 2 for
// wrong flags.
int ExitFor(const CLI::App& app, const CLI::ParseError& error);

// SIGINT and SIGTERM from now on wait for WaitForShutdownSignal(), in this
// thread and in those it starts.
void BlockShutdownSignals();
void WaitForShutdownSignal();

// Starts a server on HOST:PORT, and prints "listening on HOST:PORT" with the
// port that port 0 became. Null, with the reason on stderr, when it cannot.
std::unique_ptr<grpc::Server> Listen(const std::string& address,
                                     grpc::ServerBuilder* builder);

// Lets the calls in progress end, for a second.
void Shutdown(grpc::Server* server);

}  // namespace shop

#endif  // FIREBREAK_EXAMPLES_SHOP_SERVING_H_
