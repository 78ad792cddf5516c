// Takes orders and completes each of them: it verifies the user, reserves the
// stock, charges, confirms and notifies.
//
//   shop::OrderService service(&pool, book.get(), stubs, options);
//   builder.RegisterService(&service);
//   ...
//   service.Stop();
//
// Each step is written to the order book before the next one begins, so that an
// order keeps its state however the process ends. Each step can be repeated.
//
//   the user is unknown, or cannot be verified   there is no order
//   nothing can be reserved                      the order is undone
//   payment declines                             undone: its stock is released
//   payment does not answer                      QUEUED, charged later
//   a confirmation fails                         repeated later
//   the notification fails                       the order stands
//
// Threads of this class do what has to be done later, and repeat it until it
// succeeds: for orders that were answered, and for those that an earlier
// process left behind. An order whose customer got no answer is undone if it
// had no reservation yet. Otherwise it is charged, under the same id and so
// only once.
//
// This code does not depend on firebreak, which only makes failures faster.
//
// Thread safety: safe from any thread.
#ifndef FIREBREAK_EXAMPLES_SHOP_ORDER_SERVICE_H_
#define FIREBREAK_EXAMPLES_SHOP_ORDER_SERVICE_H_

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_set>
#include <vector>

#include "examples/shop/calls.h"
#include "examples/shop/order_book.h"
#include "shop/v1/shop.grpc.pb.h"

namespace shop {

struct OrderStubs {
  std::unique_ptr<v1::UserService::Stub> user;
  std::unique_ptr<v1::InventoryService::Stub> inventory;
  std::unique_ptr<v1::PaymentService::Stub> payment;
  std::unique_ptr<v1::NotificationService::Stub> notification;
};

class OrderService final : public v1::OrderService::CallbackService {
 public:
  struct Options {
    Calls::Plan plan;
    // The most orders that may wait for payment. Further ones are refused.
    int64_t max_waiting = 100'000;
    // How many threads charge waiting orders.
    int chargers = 4;
    // Returns how many charges have been sent; null: the service counts its
    // own.
    std::function<int64_t()> charges_sent;
  };

  // `pool` and `book` outlive the service.
  OrderService(WorkerPool* pool, OrderBook* book, OrderStubs stubs,
               const Options& options);
  ~OrderService() override;

  // Ends the threads; the next process does what is left.
  void Stop();

  grpc::ServerUnaryReactor* CreateOrder(grpc::CallbackServerContext* context,
                                        const v1::CreateOrderRequest* request,
                                        v1::CreateOrderReply* reply) override;
  grpc::ServerUnaryReactor* GetOrderStats(
      grpc::CallbackServerContext* context, const v1::GetOrderStatsRequest*,
      v1::GetOrderStatsReply* reply) override;

 private:
  using State = OrderBook::State;
  using Order = OrderBook::Order;
  // As long as it exists, no other thread works on the order.
  class Claim;

  grpc::Status Create(const v1::CreateOrderRequest& request,
                      v1::CreateOrderReply* reply);
  grpc::Status Tell(const Order& order, v1::CreateOrderReply* reply);
  grpc::Status Reserve(const std::string& id);
  grpc::Status Release(const std::string& id);
  grpc::Status Charge(const Order& order, bool is_waiting);
  // Confirms an order that is paid. False: it still has to be confirmed.
  bool Finish(const Order& order);

  // Does what there is to do for orders in `state`. False if nothing succeeded.
  bool Advance(State state, int part, int parts);
  enum class Result { kDone, kNotMine, kFailed };
  Result AdvanceOne(const Order& seen);
  void Keep(const std::vector<State>& states, int part, int parts);

  WorkerPool* const pool_;
  OrderBook* const book_;
  const OrderStubs stubs_;
  const Options options_;
  const Calls calls_;
  std::atomic<int64_t> waiting_{0};  // approximate
  std::atomic<int64_t> charges_sent_{0};
  std::atomic<int64_t> unnotified_{0};

  std::mutex mu_;
  std::condition_variable changed_;
  // Guarded by mu_.
  std::unordered_set<std::string> claimed_;
  bool stopping_ = false;

  std::vector<std::thread> threads_;  // last: they use all of the above
};

}  // namespace shop

#endif  // FIREBREAK_EXAMPLES_SHOP_ORDER_SERVICE_H_
