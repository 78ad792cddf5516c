// The order service of the example. It calls the other services through
// firebreak, and also serves firebreak's admin service, for firebreakctl.
//
//   order_server --address 127.0.0.1:50051 --payment 127.0.0.1:50052 ...
//
// With --metrics HOST:PORT it serves firebreak's metrics there, for Prometheus.
// With --no-firebreak the same code calls through plain channels.
#include <firebreak/admin_service.h>
#include <firebreak/engine.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>

#include <atomic>
#include <iostream>
#include <memory>
#include <string>

#include "examples/shop/calls.h"
#include "examples/shop/flags.h"
#include "examples/shop/metrics.h"
#include "examples/shop/order_service.h"
#include "examples/shop/serving.h"

namespace shop {
namespace {

struct Flags {
  ServerFlags server{"127.0.0.1:50051"};
  std::string payment = "127.0.0.1:50052";
  std::string user = "127.0.0.1:50053";
  std::string inventory = "127.0.0.1:50054";
  std::string notification = "127.0.0.1:50055";
  std::string database;
  std::string policy;
  std::string metrics;
  CallFlags calls;
  int chargers = 4;
};

using MakeChannel = std::function<std::shared_ptr<grpc::Channel>(
    const std::string& name, const std::string& target)>;

int Run(const Flags& flags, const MakeChannel& channel,
        OrderService::Options options, firebreak::AdminService* admin) {
  auto book = OrderBook::Open(flags.database);
  if (!book.ok()) {
    std::cerr << book.status() << "\n";
    return 1;
  }
  OrderStubs stubs;
  stubs.user = v1::UserService::NewStub(channel("user", flags.user));
  stubs.inventory =
      v1::InventoryService::NewStub(channel("inventory", flags.inventory));
  stubs.payment =
      v1::PaymentService::NewStub(channel("payment", flags.payment));
  stubs.notification = v1::NotificationService::NewStub(
      channel("notification", flags.notification));
  options.chargers = flags.chargers;
  WorkerPool pool(flags.server.capacity);
  OrderService service(&pool, book->get(), std::move(stubs), options);
  std::vector<grpc::Service*> services = {&service};
  if (admin != nullptr) services.push_back(admin);
  return Serve(flags.server, &pool, services, [&] {
    service.Stop();
    if (admin != nullptr) admin->Shutdown();
  });
}

int RunPlain(const Flags& flags) {
  OrderService::Options options;
  options.plan = flags.calls.plan();
  return Run(
      flags,
      [](const std::string& /*name*/, const std::string& target) {
        return grpc::CreateChannel(target, grpc::InsecureChannelCredentials());
      },
      options, nullptr);
}

// Counts the attempts that firebreak sends. Calls that it refuses are not
// counted.
class Attempts : public firebreak::AttemptListener {
 public:
  void OnAttemptStart(const firebreak::AttemptStart& /*start*/) override {
    ++started_;
  }
  void OnAttemptEnd(const firebreak::AttemptEnd& /*end*/) override {}
  int64_t started() const { return started_; }

 private:
  std::atomic<int64_t> started_{0};
};

// While the user service is down, a user who was verified earlier is accepted.
absl::Status SetFallbacks(firebreak::Engine* engine) {
  firebreak::CachedReplyOptions options;
  options.max_age = std::chrono::minutes(10);
  return engine->SetFallback(
      "user", "/shop.v1.UserService/VerifyUser",
      firebreak::FallbackChain({firebreak::CachedReply(options)}));
}

int RunGuarded(const Flags& flags) {
  auto engine = firebreak::Engine::FromFile(flags.policy);
  if (!engine.ok()) {
    std::cerr << engine.status() << "\n";
    return 1;
  }
  // From now on, each change of the file replaces the policy.
  for (const absl::Status& set :
       {(*engine)->WatchFile(flags.policy), SetFallbacks(engine->get())}) {
    if (set.ok()) continue;
    std::cerr << set << "\n";
    return 1;
  }
  std::unique_ptr<Metrics> metrics;
  if (!flags.metrics.empty()) {
    metrics = Metrics::Serve(*engine, flags.metrics);
    if (metrics == nullptr) return 1;
  }
  firebreak::AdminOptions options;
  // Lets firebreakctl on this machine make changes. Do not use this behind a
  // proxy on the same machine, since every peer is then on loopback.
  options.allow_loopback = true;
  firebreak::AdminService admin(*engine, options);
  // The channels below are the only difference to code without firebreak.
  // Timeouts and retries are in the policy.
  const auto charges = std::make_shared<Attempts>();
  OrderService::Options service;
  service.charges_sent = [charges] { return charges->started(); };
  return Run(
      flags,
      [&](const std::string& name, const std::string& target) {
        firebreak::ChannelOptions channel;
        if (name == "payment") channel.attempt_listener = charges;
        return (*engine)->CreateChannel(
            name, target, grpc::InsecureChannelCredentials(), channel);
      },
      service, &admin);
}

int Main(int argc, char** argv) {
  CLI::App app("The order service of the shop example.", "order_server");
  Flags flags;
  flags.policy = Beside(argv[0], "policy.textproto");
  flags.database = "orders.sqlite";
  flags.server.AddTo(&app);
  app.add_option("--payment", flags.payment, "HOST:PORT of the payment server")
      ->capture_default_str();
  app.add_option("--user", flags.user, "HOST:PORT of the user server")
      ->capture_default_str();
  app.add_option("--inventory", flags.inventory,
                 "HOST:PORT of the inventory server")
      ->capture_default_str();
  app.add_option("--notification", flags.notification,
                 "HOST:PORT of the notification server")
      ->capture_default_str();
  app.add_option("--database", flags.database,
                 "SQLite file that keeps the orders; made when it is missing")
      ->capture_default_str();
  app.add_option("--policy", flags.policy,
                 "policy file; a change of it takes effect while running")
      ->capture_default_str();
  app.add_option("--metrics", flags.metrics,
                 "HOST:PORT to serve metrics on, for Prometheus; port 0 "
                 "means any free port");
  app.add_option("--chargers", flags.chargers,
                 "threads that charge the orders that wait")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  flags.calls.AddTo(&app);
  if (const auto exit = ParseFlags(&app, argc, argv)) return *exit;
  BlockShutdownSignals();
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  return flags.calls.no_firebreak ? RunPlain(flags) : RunGuarded(flags);
}

}  // namespace
}  // namespace shop

int main(int argc, char** argv) { return shop::Main(argc, argv); }
