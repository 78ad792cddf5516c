// Takes orders, and has each of them charged: now, or else later.
//
//   shop::OrderService service(PaymentService::NewStub(channel));
//   builder.RegisterService(&service);
//
// An order whose charge fails for any reason is queued and answered so; a
// thread charges the queue in order, under the same order id, and so at most
// once however often it tries. This code does not know about firebreak: it only
// gets its failures sooner.
//
// Thread safety: safe from any thread.
#ifndef FIREBREAK_EXAMPLES_SHOP_ORDER_SERVICE_H_
#define FIREBREAK_EXAMPLES_SHOP_ORDER_SERVICE_H_

#include <grpcpp/server_context.h>

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "shop/v1/shop.grpc.pb.h"

namespace shop {

class OrderService final : public v1::OrderService::Service {
 public:
  // `timeout` bounds each charge; zero leaves it to the channel's policy.
  OrderService(std::unique_ptr<v1::PaymentService::Stub> payment,
               std::chrono::milliseconds timeout);
  // Waits for a charge in progress. What is still queued is forgotten: a real
  // shop would keep its queue on disk.
  ~OrderService() override;

  grpc::Status CreateOrder(grpc::ServerContext* context,
                           const v1::CreateOrderRequest* request,
                           v1::CreateOrderReply* reply) override;
  grpc::Status GetOrderStats(grpc::ServerContext* context,
                             const v1::GetOrderStatsRequest* request,
                             v1::GetOrderStatsReply* reply) override;

 private:
  grpc::Status Charge(const v1::ChargeRequest& order);
  void ChargeQueue();

  const std::unique_ptr<v1::PaymentService::Stub> payment_;
  const std::chrono::milliseconds timeout_;
  const std::string id_prefix_;

  std::mutex mu_;
  std::condition_variable changed_;
  // All guarded by mu_. The front is being charged and only goes when it is.
  std::deque<v1::ChargeRequest> queue_;
  int64_t accepted_ = 0;
  int64_t paid_ = 0;
  bool stopping_ = false;

  std::thread charger_;  // last: it uses all of the above
};

}  // namespace shop

#endif  // FIREBREAK_EXAMPLES_SHOP_ORDER_SERVICE_H_
