// The order service of the example. It calls payment through firebreak, and
// serves firebreak's admin service, for firebreakctl, beside its own.
//
//   order_server --address 127.0.0.1:50051 --payment 127.0.0.1:50052
//
// With --metrics HOST:PORT it serves firebreak's metrics there, for Prometheus.
// With --no-firebreak the same code calls payment through a plain channel.
#include <firebreak/admin_service.h>
#include <firebreak/engine.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <iostream>
#include <memory>
#include <string>

#include "examples/shop/metrics.h"
#include "examples/shop/order_service.h"
#include "examples/shop/serving.h"

namespace shop {
namespace {

struct Flags {
  std::string address = "127.0.0.1:50051";
  std::string payment = "127.0.0.1:50052";
  std::string policy;
  std::string metrics;
  bool no_firebreak = false;
  int timeout_ms = 1000;
};

int Serve(OrderService* service, firebreak::AdminService* admin,
          const std::string& address) {
  grpc::ServerBuilder builder;
  builder.RegisterService(service);
  if (admin != nullptr) builder.RegisterService(admin);
  const auto server = Listen(address, &builder);
  if (server == nullptr) return 1;
  WaitForShutdownSignal();
  if (admin != nullptr) admin->Shutdown();
  Shutdown(server.get());
  return 0;
}

int RunPlain(const Flags& flags) {
  OrderService service(v1::PaymentService::NewStub(grpc::CreateChannel(
                           flags.payment, grpc::InsecureChannelCredentials())),
                       std::chrono::milliseconds(flags.timeout_ms));
  return Serve(&service, nullptr, flags.address);
}

int RunGuarded(const Flags& flags) {
  auto engine = firebreak::Engine::FromFile(flags.policy);
  if (!engine.ok()) {
    std::cerr << engine.status() << "\n";
    return 1;
  }
  // From now on a change of the file replaces the policy.
  const absl::Status watched = (*engine)->WatchFile(flags.policy);
  if (!watched.ok()) {
    std::cerr << watched << "\n";
    return 1;
  }
  std::unique_ptr<Metrics> metrics;
  if (!flags.metrics.empty()) {
    metrics = Metrics::Serve(*engine, flags.metrics);
    if (metrics == nullptr) return 1;
  }
  // The only difference for the calls. Their timeout is in the policy.
  OrderService service(
      v1::PaymentService::NewStub((*engine)->CreateChannel(
          "payment", flags.payment, grpc::InsecureChannelCredentials())),
      std::chrono::milliseconds::zero());
  firebreak::AdminOptions options;
  // So that firebreakctl on this machine may change things. Not behind a proxy
  // on the same machine: every peer is on the loopback interface then.
  options.allow_loopback = true;
  firebreak::AdminService admin(*engine, options);
  return Serve(&service, &admin, flags.address);
}

int Main(int argc, char** argv) {
  CLI::App app("The order service of the shop example.", "order_server");
  Flags flags;
  // The build puts the policy beside the program.
  const std::string program = argv[0];
  flags.policy = program.substr(0, program.rfind('/') + 1) + "policy.textproto";
  app.add_option("--address", flags.address,
                 "HOST:PORT to listen on; port 0 means any free port")
      ->capture_default_str();
  app.add_option("--payment", flags.payment, "HOST:PORT of the payment server")
      ->capture_default_str();
  app.add_option("--policy", flags.policy,
                 "policy file; a change of it takes effect while running")
      ->capture_default_str();
  app.add_option("--metrics", flags.metrics,
                 "HOST:PORT to serve metrics on, for Prometheus; port 0 "
                 "means any free port");
  app.add_flag("--no-firebreak", flags.no_firebreak,
               "call payment through a plain channel");
  app.add_option("--timeout-ms", flags.timeout_ms,
                 "deadline of a charge in milliseconds, with --no-firebreak "
                 "only: otherwise the policy's timeout holds")
      ->check(CLI::Range(1, 600'000))
      ->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return ExitFor(app, error);
  }
  BlockShutdownSignals();
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  return flags.no_firebreak ? RunPlain(flags) : RunGuarded(flags);
}

}  // namespace
}  // namespace shop

int main(int argc, char** argv) { return shop::Main(argc, argv); }
