// Starts the servers of the example as processes, and asks them for their
// counts.
#ifndef FIREBREAK_EXAMPLES_SHOP_SERVERS_H_
#define FIREBREAK_EXAMPLES_SHOP_SERVERS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "examples/shop/process.h"
#include "shop/v1/shop.grpc.pb.h"

namespace shop {

struct Server {
  ChildProcess process;
  std::string address;  // HOST:PORT
};

// The folder with the programs, and the folder for output files.
struct Folders {
  std::string programs;
  std::string logs;
};

// Starts `program` ("user_server") with `flags` on `address`, whose port may be
// 0, and returns once it listens. `log` is the name of its log file.
absl::StatusOr<Server> StartServer(const Folders& folders,
                                   const std::string& program,
                                   const std::string& log,
                                   const std::string& address,
                                   const std::vector<std::string>& flags = {});
// `ledger` is the name of its ledger file; empty: it has none.
absl::StatusOr<Server> StartPayment(const Folders& folders,
                                    const std::string& log,
                                    const std::string& address,
                                    const std::string& ledger);

// The services that an order needs beside payment.
struct Helpers {
  Server user;
  Server inventory;
  Server notification;
};
absl::StatusOr<Helpers> StartHelpers(
    const Folders& folders, const std::string& log_prefix,
    const std::vector<std::string>& flags = {});
// Its database is the file `log` + ".sqlite". It listens on any free port.
absl::StatusOr<Server> StartOrders(const Folders& folders,
                                   const std::string& log,
                                   const std::string& payment,
                                   const Helpers& helpers,
                                   const std::vector<std::string>& flags);

absl::StatusOr<v1::GetStatsReply> PaymentStats(
    v1::PaymentService::Stub* payment);
absl::StatusOr<v1::GetOrderStatsReply> OrderStats(
    v1::OrderService::Stub* orders);
absl::StatusOr<v1::GetStockReply> StockOf(const Server& inventory);
// Fails if the server does not answer at once.
absl::StatusOr<v1::GetLoadReply> LoadOf(v1::LoadService::Stub* server);

// The number of repeated orders in a ledger file.
int64_t ChargedTwice(const std::string& ledger_path);

}  // namespace shop

#endif  // FIREBREAK_EXAMPLES_SHOP_SERVERS_H_
