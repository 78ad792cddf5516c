#include "examples/shop/order_service.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace shop {
namespace {

// Orders that may wait. Past it they are refused rather than promised.
constexpr size_t kMaxQueue = 100'000;
// Between two tries to charge the first of the queue. While the breaker is open
// a try costs microseconds and sends nothing.
constexpr auto kPause = std::chrono::milliseconds(100);

}  // namespace

OrderService::OrderService(std::unique_ptr<v1::PaymentService::Stub> payment,
                           std::chrono::milliseconds timeout)
    : payment_(std::move(payment)),
      timeout_(timeout),
      // Other ids after a restart: payment takes the same id for the same order
      id_prefix_(absl::StrCat(absl::Hex(absl::ToUnixMillis(absl::Now())), "-")),
      charger_([this] { ChargeQueue(); }) {}

OrderService::~OrderService() {
  {
    std::lock_guard<std::mutex> lock(mu_);
    stopping_ = true;
  }
  changed_.notify_all();
  charger_.join();
}

grpc::Status OrderService::CreateOrder(grpc::ServerContext*,
                                       const v1::CreateOrderRequest* request,
                                       v1::CreateOrderReply* reply) {
  v1::ChargeRequest order;
  order.set_cents(request->cents());
  {
    std::lock_guard<std::mutex> lock(mu_);
    if (queue_.size() >= kMaxQueue) {
      return {grpc::StatusCode::RESOURCE_EXHAUSTED,
              "too many orders wait for payment"};
    }
    order.set_order_id(absl::StrCat(id_prefix_, ++accepted_));
  }
  reply->set_order_id(order.order_id());

  const grpc::Status status = Charge(order);
  std::lock_guard<std::mutex> lock(mu_);
  if (status.ok()) {
    ++paid_;
    reply->set_state(v1::CreateOrderReply::PAID);
    return grpc::Status::OK;
  }
  queue_.push_back(std::move(order));
  changed_.notify_all();
  reply->set_state(v1::CreateOrderReply::QUEUED);
  reply->set_note(status.error_message());
  return grpc::Status::OK;
}

grpc::Status OrderService::GetOrderStats(grpc::ServerContext*,
                                         const v1::GetOrderStatsRequest*,
                                         v1::GetOrderStatsReply* reply) {
  std::lock_guard<std::mutex> lock(mu_);
  reply->set_accepted(accepted_);
  reply->set_paid(paid_);
  reply->set_queued(static_cast<int64_t>(queue_.size()));
  return grpc::Status::OK;
}

grpc::Status OrderService::Charge(const v1::ChargeRequest& order) {
  grpc::ClientContext context;
  if (timeout_ > std::chrono::milliseconds::zero()) {
    context.set_deadline(std::chrono::system_clock::now() + timeout_);
  }
  v1::ChargeReply reply;
  return payment_->Charge(&context, order, &reply);
}

void OrderService::ChargeQueue() {
  std::unique_lock<std::mutex> lock(mu_);
  while (!stopping_) {
    if (queue_.empty()) {
      changed_.wait(lock);
      continue;
    }
    const v1::ChargeRequest order = queue_.front();
    lock.unlock();
    const bool charged = Charge(order).ok();
    lock.lock();
    if (charged) {
      queue_.pop_front();
      ++paid_;
    } else {
      changed_.wait_for(lock, kPause, [this] { return stopping_; });
    }
  }
}

}  // namespace shop
