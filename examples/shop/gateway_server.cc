// The gateway of the example. Customers call it, and it calls the order, user
// and inventory services for them. Calls to all three share its workers.
//
//   gateway_server --address 127.0.0.1:50050 --order 127.0.0.1:50051 ...
//
// With --no-firebreak it calls through plain channels.
#include <firebreak/engine.h>

#include <iostream>
#include <memory>
#include <string>

#include "examples/shop/calls.h"
#include "examples/shop/flags.h"
#include "examples/shop/serving.h"
#include "shop/v1/shop.grpc.pb.h"

namespace shop {
namespace {

struct Flags {
  ServerFlags server{"127.0.0.1:50050"};
  std::string order = "127.0.0.1:50051";
  std::string user = "127.0.0.1:50053";
  std::string inventory = "127.0.0.1:50054";
  std::string policy;
  CallFlags calls;
};

// Each derived class passes the calls of one method on to another service.
template <class Base>
class Proxy : public Base {
 public:
  Proxy(WorkerPool* pool, const Calls::Plan& plan)
      : pool_(pool), calls_(pool, plan) {}

 protected:
  template <class Stub, class Request, class Reply>
  grpc::ServerUnaryReactor* Pass(
      grpc::CallbackServerContext* context, Stub* stub,
      grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                   Reply*),
      const Request* request, Reply* reply) {
    return InPool(pool_, context, [this, stub, method, request, reply] {
      return calls_.Run([=](grpc::ClientContext* client) {
        return (stub->*method)(client, *request, reply);
      });
    });
  }

 private:
  WorkerPool* const pool_;
  const Calls calls_;
};

class Orders final : public Proxy<v1::OrderService::CallbackService> {
 public:
  Orders(WorkerPool* pool, const Calls::Plan& plan,
         const std::shared_ptr<grpc::Channel>& channel)
      : Proxy(pool, plan), stub_(channel) {}
  grpc::ServerUnaryReactor* CreateOrder(grpc::CallbackServerContext* context,
                                        const v1::CreateOrderRequest* request,
                                        v1::CreateOrderReply* reply) override {
    return Pass(context, &stub_, &v1::OrderService::Stub::CreateOrder, request,
                reply);
  }

 private:
  v1::OrderService::Stub stub_;
};

class Users final : public Proxy<v1::UserService::CallbackService> {
 public:
  Users(WorkerPool* pool, const Calls::Plan& plan,
        const std::shared_ptr<grpc::Channel>& channel)
      : Proxy(pool, plan), stub_(channel) {}
  grpc::ServerUnaryReactor* GetProfile(grpc::CallbackServerContext* context,
                                       const v1::GetProfileRequest* request,
                                       v1::GetProfileReply* reply) override {
    return Pass(context, &stub_, &v1::UserService::Stub::GetProfile, request,
                reply);
  }

 private:
  v1::UserService::Stub stub_;
};

class Inventory final : public Proxy<v1::InventoryService::CallbackService> {
 public:
  Inventory(WorkerPool* pool, const Calls::Plan& plan,
            const std::shared_ptr<grpc::Channel>& channel)
      : Proxy(pool, plan), stub_(channel) {}
  grpc::ServerUnaryReactor* Search(grpc::CallbackServerContext* context,
                                   const v1::SearchRequest* request,
                                   v1::SearchReply* reply) override {
    return Pass(context, &stub_, &v1::InventoryService::Stub::Search, request,
                reply);
  }

 private:
  v1::InventoryService::Stub stub_;
};

// An old profile is better than none, and so is one with a default name.
absl::Status SetFallbacks(firebreak::Engine* engine) {
  v1::GetProfileReply unknown;
  unknown.set_name("Dear customer");
  absl::Status set = engine->SetFallback(
      "user", "/shop.v1.UserService/GetProfile",
      firebreak::FallbackChain(
          {firebreak::CachedReply(), firebreak::DefaultReply(unknown)}));
  if (!set.ok()) return set;
  return engine->SetFallback(
      "inventory", "/shop.v1.InventoryService/Search",
      firebreak::FallbackChain({firebreak::CachedReply()}));
}

int Run(const Flags& flags) {
  std::shared_ptr<firebreak::Engine> engine;
  if (!flags.calls.no_firebreak) {
    auto made = firebreak::Engine::FromFile(flags.policy);
    if (!made.ok()) {
      std::cerr << made.status() << "\n";
      return 1;
    }
    engine = *std::move(made);
    if (const absl::Status set = SetFallbacks(engine.get()); !set.ok()) {
      std::cerr << set << "\n";
      return 1;
    }
  }
  const auto channel = [&](const std::string& name, const std::string& target) {
    const auto creds = grpc::InsecureChannelCredentials();
    return engine == nullptr ? grpc::CreateChannel(target, creds)
                             : engine->CreateChannel(name, target, creds);
  };
  const Calls::Plan plan = flags.calls.plan();
  WorkerPool pool(flags.server.capacity);
  Orders orders(&pool, plan, channel("order", flags.order));
  Users users(&pool, plan, channel("user", flags.user));
  Inventory inventory(&pool, plan, channel("inventory", flags.inventory));
  return Serve(flags.server, &pool, {&orders, &users, &inventory});
}

int Main(int argc, char** argv) {
  CLI::App app("The gateway of the shop example.", "gateway_server");
  Flags flags;
  flags.policy = Beside(argv[0], "gateway.textproto");
  flags.server.AddTo(&app);
  app.add_option("--order", flags.order, "HOST:PORT of the order server")
      ->capture_default_str();
  app.add_option("--user", flags.user, "HOST:PORT of the user server")
      ->capture_default_str();
  app.add_option("--inventory", flags.inventory,
                 "HOST:PORT of the inventory server")
      ->capture_default_str();
  app.add_option("--policy", flags.policy, "policy file")
      ->capture_default_str();
  flags.calls.AddTo(&app);
  if (const auto exit = ParseFlags(&app, argc, argv)) return *exit;
  BlockShutdownSignals();
  return Run(flags);
}

}  // namespace
}  // namespace shop

int main(int argc, char** argv) { return shop::Main(argc, argv); }
