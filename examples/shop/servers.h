// The servers of the example, started as processes of their own, and what they
// say about themselves.
#ifndef FIREBREAK_EXAMPLES_SHOP_SERVERS_H_
#define FIREBREAK_EXAMPLES_SHOP_SERVERS_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "examples/shop/process.h"
#include "shop/v1/shop.grpc.pb.h"

namespace shop {

struct Server {
  ChildProcess process;
  std::string address;  // HOST:PORT
};

// Where programs are taken from, and files put.
struct Folders {
  std::string programs;
  std::string logs;
};

// `address` may have port 0. `log` is the name of its log file, and of its
// ledger when `ledger` is not empty. They return when the server listens.
absl::StatusOr<Server> StartPayment(const Folders& folders,
                                    const std::string& log,
                                    const std::string& address,
                                    const std::string& ledger);
absl::StatusOr<Server> StartOrders(const Folders& folders,
                                   const std::string& log,
                                   const std::string& payment, bool firebreak);

absl::StatusOr<v1::GetStatsReply> PaymentStats(
    v1::PaymentService::Stub* payment);
absl::StatusOr<v1::GetOrderStatsReply> OrderStats(
    v1::OrderService::Stub* orders);

}  // namespace shop

#endif  // FIREBREAK_EXAMPLES_SHOP_SERVERS_H_
