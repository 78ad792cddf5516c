#include "examples/shop/order_service.h"

#include <chrono>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "examples/shop/serving.h"

namespace shop {
namespace {

// The pause between two rounds if there is nothing to do or a round fails.
// While a breaker is open, a round takes microseconds and sends nothing.
constexpr auto kPause = std::chrono::milliseconds(100);
constexpr int kBatch = 32;

// The id is random. With one made from the time, a clock that jumps back could
// repeat an id.
std::string NewId() {
  std::random_device random;
  return absl::StrCat(absl::Hex(random(), absl::kZeroPad8),
                      absl::Hex(random(), absl::kZeroPad8));
}

bool IsDeclined(const grpc::Status& status) {
  return status.error_code() == grpc::StatusCode::FAILED_PRECONDITION;
}

grpc::Status CannotWrite(const absl::Status& status) {
  return {grpc::StatusCode::UNAVAILABLE,
          absl::StrCat("the order cannot be written down: ", status.message())};
}

}  // namespace

class OrderService::Claim {
 public:
  Claim(OrderService* service, std::string id)
      : service_(service), id_(std::move(id)) {
    std::lock_guard<std::mutex> lock(service_->mu_);
    is_mine_ = service_->claimed_.insert(id_).second;
  }
  ~Claim() {
    if (!is_mine_) return;
    std::lock_guard<std::mutex> lock(service_->mu_);
    service_->claimed_.erase(id_);
  }
  Claim(const Claim&) = delete;
  Claim& operator=(const Claim&) = delete;
  bool is_mine() const { return is_mine_; }

 private:
  OrderService* const service_;
  const std::string id_;
  bool is_mine_ = false;
};

OrderService::OrderService(WorkerPool* pool, OrderBook* book, OrderStubs stubs,
                           const Options& options)
    : pool_(pool),
      book_(book),
      stubs_(std::move(stubs)),
      options_(options),
      calls_(pool, options.plan) {
  for (int i = 0; i < options_.chargers; ++i) {
    threads_.emplace_back(
        [this, i] { Keep({State::kReserved}, i, options_.chargers); });
  }
  threads_.emplace_back([this] {
    Keep({State::kBegun, State::kPaid, State::kUndoing}, 0, 1);
  });
}

OrderService::~OrderService() { Stop(); }

void OrderService::Stop() {
  {
    std::lock_guard<std::mutex> lock(mu_);
    stopping_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

grpc::ServerUnaryReactor* OrderService::CreateOrder(
    grpc::CallbackServerContext* context, const v1::CreateOrderRequest* request,
    v1::CreateOrderReply* reply) {
  return InPool(pool_, context,
                [this, request, reply] { return Create(*request, reply); });
}

grpc::Status OrderService::Create(const v1::CreateOrderRequest& request,
                                  v1::CreateOrderReply* reply) {
  Order order;
  order.id = request.request_id().empty() ? NewId() : request.request_id();
  order.user = request.user();
  order.cents = request.cents();
  reply->set_order_id(order.id);
  if (order.id.find('\n') != std::string::npos || order.id.size() > 100) {
    return {grpc::StatusCode::INVALID_ARGUMENT,
            "request_id is not one line of at most 100 bytes"};
  }
  if (waiting_ >= options_.max_waiting) {
    return {grpc::StatusCode::RESOURCE_EXHAUSTED,
            "too many orders wait for payment"};
  }

  v1::VerifyUserRequest user;
  user.set_user(order.user);
  grpc::Status verified = calls_.Run([&](grpc::ClientContext* context) {
    v1::VerifyUserReply verify_reply;
    return stubs_.user->VerifyUser(context, user, &verify_reply);
  });
  if (!verified.ok()) return verified;

  const Claim claim(this, order.id);
  const absl::StatusOr<Order> known = book_->Begin(order);
  if (!known.ok()) return CannotWrite(known.status());
  if (!claim.is_mine() || known->state != State::kBegun) {
    return Tell(*known, reply);
  }

  grpc::Status reserved = Reserve(order.id);
  if (!reserved.ok()) {
    // The stock may be reserved nevertheless, so it is to be released. If this
    // write fails, the order is found later in kBegun.
    book_->Move(order.id, State::kBegun, State::kUndoing).IgnoreError();
    if (!IsDeclined(reserved)) return reserved;
    order.state = State::kUndoing;
    reply->set_note(reserved.error_message());
    return Tell(order, reply);
  }
  if (auto s = book_->Move(order.id, State::kBegun, State::kReserved);
      !s.ok()) {
    return CannotWrite(s);  // the order is undone later
  }
  order.state = State::kReserved;

  const grpc::Status charged = Charge(order, /*is_waiting=*/false);
  const State next = charged.ok()          ? State::kPaid
                     : IsDeclined(charged) ? State::kUndoing
                                           : State::kReserved;
  if (next == State::kReserved ||
      !book_->Move(order.id, State::kReserved, next).ok()) {
    // The book has it as an order to be charged, as the answer QUEUED promises.
    ++waiting_;
    reply->set_note(charged.error_message());
    return Tell(order, reply);
  }
  order.state = next;
  reply->set_note(charged.error_message());
  if (next == State::kPaid) Finish(order);
  return Tell(order, reply);
}

grpc::Status OrderService::Tell(const Order& order,
                                v1::CreateOrderReply* reply) {
  switch (order.state) {
    case State::kBegun:
      return {grpc::StatusCode::ABORTED, "this order is being placed already"};
    case State::kReserved:
      reply->set_state(v1::CreateOrderReply::QUEUED);
      break;
    case State::kPaid:
    case State::kConfirmed:
      reply->set_state(v1::CreateOrderReply::PAID);
      break;
    case State::kUndoing:
    case State::kUndone:
      reply->set_state(v1::CreateOrderReply::CANCELLED);
      break;
  }
  return grpc::Status::OK;
}

grpc::Status OrderService::Reserve(const std::string& id) {
  v1::ReserveRequest request;
  request.set_order_id(id);
  return calls_.Run([&](grpc::ClientContext* context) {
    v1::ReserveReply reply;
    return stubs_.inventory->Reserve(context, request, &reply);
  });
}

grpc::Status OrderService::Release(const std::string& id) {
  v1::ReserveRequest request;
  request.set_order_id(id);
  return calls_.Run([&](grpc::ClientContext* context) {
    v1::ReserveReply reply;
    return stubs_.inventory->Release(context, request, &reply);
  });
}

grpc::Status OrderService::Charge(const Order& order, bool is_waiting) {
  v1::ChargeRequest request;
  request.set_order_id(order.id);
  request.set_cents(order.cents);
  return calls_.Run([&](grpc::ClientContext* context) {
    ++charges_sent_;
    v1::ChargeReply reply;
    return is_waiting ? stubs_.payment->ChargeWaiting(context, request, &reply)
                      : stubs_.payment->Charge(context, request, &reply);
  });
}

bool OrderService::Finish(const Order& order) {
  v1::ReserveRequest confirm;
  confirm.set_order_id(order.id);
  const grpc::Status confirmed = calls_.Run([&](grpc::ClientContext* context) {
    v1::ReserveReply reply;
    return stubs_.inventory->Confirm(context, confirm, &reply);
  });
  if (!confirmed.ok() ||
      !book_->Move(order.id, State::kPaid, State::kConfirmed).ok()) {
    return false;  // the order is found later in kPaid
  }
  v1::NotifyRequest notify;
  notify.set_order_id(order.id);
  notify.set_user(order.user);
  const grpc::Status notified = calls_.Run([&](grpc::ClientContext* context) {
    v1::NotifyReply reply;
    return stubs_.notification->Notify(context, notify, &reply);
  });
  if (!notified.ok()) ++unnotified_;
  return true;
}

OrderService::Result OrderService::AdvanceOne(const Order& seen) {
  const Claim claim(this, seen.id);
  if (!claim.is_mine()) return Result::kNotMine;
  // Its state may have changed since it was read.
  const absl::StatusOr<Order> now = book_->Get(seen.id);
  if (!now.ok()) return Result::kFailed;
  if (now->state != seen.state) return Result::kNotMine;
  const auto move = [&](State to) {
    return book_->Move(seen.id, seen.state, to).ok() ? Result::kDone
                                                     : Result::kFailed;
  };
  switch (seen.state) {
    case State::kBegun:
      return move(State::kUndoing);
    case State::kReserved: {
      const grpc::Status charged = Charge(seen, /*is_waiting=*/true);
      if (IsDeclined(charged)) return move(State::kUndoing);
      if (!charged.ok() || move(State::kPaid) != Result::kDone) {
        return Result::kFailed;
      }
      return Finish(seen) ? Result::kDone : Result::kFailed;
    }
    case State::kPaid:
      return Finish(seen) ? Result::kDone : Result::kFailed;
    case State::kUndoing:
      return Release(seen.id).ok() ? move(State::kUndone) : Result::kFailed;
    case State::kConfirmed:
    case State::kUndone:
      break;
  }
  return Result::kNotMine;
}

bool OrderService::Advance(State state, int part, int parts) {
  const auto orders = book_->In(state, kBatch, part, parts);
  if (!orders.ok()) return false;
  if (state == State::kReserved && part == 0) {
    if (const auto counts = book_->Counts(); counts.ok()) {
      waiting_ = (*counts)[static_cast<size_t>(State::kReserved)];
    }
  }
  bool has_done = false;
  for (const Order& order : *orders) {
    {
      std::lock_guard<std::mutex> lock(mu_);
      if (stopping_) return false;
    }
    const Result result = AdvanceOne(order);
    has_done |= result == Result::kDone;
    // A service that failed for one order will most likely fail for the next.
    if (result == Result::kFailed) break;
  }
  return has_done;
}

void OrderService::Keep(const std::vector<State>& states, int part, int parts) {
  for (;;) {
    bool is_idle = true;
    for (const State state : states) {
      if (Advance(state, part, parts)) is_idle = false;
    }
    std::unique_lock<std::mutex> lock(mu_);
    if (stopping_) return;
    if (is_idle) changed_.wait_for(lock, kPause, [this] { return stopping_; });
    if (stopping_) return;
  }
}

grpc::ServerUnaryReactor* OrderService::GetOrderStats(
    grpc::CallbackServerContext* context, const v1::GetOrderStatsRequest*,
    v1::GetOrderStatsReply* reply) {
  const auto counts = book_->Counts();
  if (!counts.ok()) {
    return AtOnce(context, {grpc::StatusCode::UNAVAILABLE,
                            std::string(counts.status().message())});
  }
  const auto in = [&](State state) {
    return (*counts)[static_cast<size_t>(state)];
  };
  int64_t accepted = 0;
  for (const int64_t count : *counts) accepted += count;
  reply->set_accepted(accepted);
  reply->set_paid(in(State::kPaid) + in(State::kConfirmed));
  reply->set_queued(in(State::kReserved));
  reply->set_undoing(in(State::kUndoing));
  reply->set_undone(in(State::kUndone));
  reply->set_charges_sent(options_.charges_sent ? options_.charges_sent()
                                                : charges_sent_.load());
  reply->set_unnotified(unnotified_);
  return AtOnce(context);
}

}  // namespace shop
