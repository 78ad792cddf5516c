// The inventory service of the example: reserves stock for orders, in memory.
//
//   inventory_server --address 127.0.0.1:50054 --stock 1000000
#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_map>

#include "examples/shop/flags.h"
#include "examples/shop/serving.h"
#include "shop/v1/shop.grpc.pb.h"

namespace shop {
namespace {

class Stock {
 public:
  explicit Stock(int64_t pieces) : left_(pieces) {}

  grpc::Status Reserve(const std::string& order) {
    std::lock_guard<std::mutex> lock(mu_);
    const auto known = orders_.find(order);
    if (known != orders_.end()) {
      // The call was repeated, for instance because the answer was lost. The
      // order has its piece already.
      if (known->second != State::kReleased) return grpc::Status::OK;
      return {grpc::StatusCode::FAILED_PRECONDITION,
              "the order has been released"};
    }
    if (left_ == 0) {
      return {grpc::StatusCode::FAILED_PRECONDITION, "sold out"};
    }
    --left_;
    orders_[order] = State::kReserved;
    ++reserved_;
    return grpc::Status::OK;
  }

  grpc::Status Release(const std::string& order) {
    std::lock_guard<std::mutex> lock(mu_);
    const auto [known, is_new] = orders_.try_emplace(order, State::kReleased);
    if (is_new) {
      ++released_;
    } else if (known->second == State::kReserved) {
      known->second = State::kReleased;
      ++left_;
      --reserved_;
      ++released_;
    } else if (known->second == State::kConfirmed) {
      return {grpc::StatusCode::FAILED_PRECONDITION, "the order is confirmed"};
    }
    return grpc::Status::OK;
  }

  grpc::Status Confirm(const std::string& order) {
    std::lock_guard<std::mutex> lock(mu_);
    const auto known = orders_.find(order);
    if (known == orders_.end() || known->second == State::kReleased) {
      return {grpc::StatusCode::FAILED_PRECONDITION,
              "nothing is reserved for the order"};
    }
    if (known->second == State::kReserved) {
      known->second = State::kConfirmed;
      --reserved_;
      ++confirmed_;
    }
    return grpc::Status::OK;
  }

  void Tell(v1::GetStockReply* reply) {
    std::lock_guard<std::mutex> lock(mu_);
    reply->set_reserved(reserved_);
    reply->set_released(released_);
    reply->set_confirmed(confirmed_);
  }

 private:
  enum class State { kReserved, kReleased, kConfirmed };

  std::mutex mu_;
  // All are guarded by mu_. Orders are never removed, which is good enough for
  // an example.
  std::unordered_map<std::string, State> orders_;
  int64_t left_;
  int64_t reserved_ = 0;
  int64_t released_ = 0;
  int64_t confirmed_ = 0;
};

class InventoryService final : public v1::InventoryService::CallbackService {
 public:
  InventoryService(WorkerPool* pool, int service_ms, int64_t pieces)
      : pool_(pool), service_ms_(service_ms), stock_(pieces) {}

  grpc::ServerUnaryReactor* Reserve(grpc::CallbackServerContext* context,
                                    const v1::ReserveRequest* request,
                                    v1::ReserveReply*) override {
    return InPool(pool_, context, service_ms_, [this, request] {
      return stock_.Reserve(request->order_id());
    });
  }
  grpc::ServerUnaryReactor* Release(grpc::CallbackServerContext* context,
                                    const v1::ReserveRequest* request,
                                    v1::ReserveReply*) override {
    return InPool(pool_, context, service_ms_, [this, request] {
      return stock_.Release(request->order_id());
    });
  }
  grpc::ServerUnaryReactor* Confirm(grpc::CallbackServerContext* context,
                                    const v1::ReserveRequest* request,
                                    v1::ReserveReply*) override {
    return InPool(pool_, context, service_ms_, [this, request] {
      return stock_.Confirm(request->order_id());
    });
  }
  grpc::ServerUnaryReactor* Search(grpc::CallbackServerContext* context,
                                   const v1::SearchRequest* request,
                                   v1::SearchReply* reply) override {
    return InPool(pool_, context, service_ms_, [=] {
      reply->add_item(request->text() + ", small");
      reply->add_item(request->text() + ", large");
      return grpc::Status::OK;
    });
  }
  grpc::ServerUnaryReactor* GetStock(grpc::CallbackServerContext* context,
                                     const v1::GetStockRequest*,
                                     v1::GetStockReply* reply) override {
    stock_.Tell(reply);
    return AtOnce(context);
  }

 private:
  WorkerPool* const pool_;
  const int service_ms_;
  Stock stock_;
};

int Main(int argc, char** argv) {
  CLI::App app("The inventory service of the shop example.",
               "inventory_server");
  ServerFlags flags("127.0.0.1:50054");
  flags.AddTo(&app);
  int64_t pieces = 1'000'000;
  app.add_option("--stock", pieces, "how many pieces there are")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  if (const auto exit = ParseFlags(&app, argc, argv)) return *exit;
  BlockShutdownSignals();
  WorkerPool pool(flags.capacity);
  InventoryService service(&pool, flags.service_ms, pieces);
  return Serve(flags, &pool, {&service});
}

}  // namespace
}  // namespace shop

int main(int argc, char** argv) { return shop::Main(argc, argv); }
