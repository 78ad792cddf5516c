#include "examples/shop/servers.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <fstream>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace shop {
namespace {

constexpr absl::Duration kLimit = absl::Seconds(5);
constexpr char kAnyPort[] = "127.0.0.1:0";

// Calls `method` with an empty request.
template <class Reply, class Stub, class Request>
absl::StatusOr<Reply> Ask(Stub* stub,
                          grpc::Status (Stub::*method)(grpc::ClientContext*,
                                                       const Request&, Reply*),
                          const char* whom, absl::Duration limit = kLimit) {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + limit));
  Reply reply;
  const grpc::Status status = (stub->*method)(&context, Request(), &reply);
  if (status.ok()) return reply;
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()),
                      absl::StrCat(whom, ": ", status.error_message()));
}

}  // namespace

absl::StatusOr<Server> StartServer(const Folders& folders,
                                   const std::string& program,
                                   const std::string& log,
                                   const std::string& address,
                                   const std::vector<std::string>& flags) {
  std::vector<std::string> command = {folders.programs + "/" + program,
                                      "--address", address};
  command.insert(command.end(), flags.begin(), flags.end());
  absl::StatusOr<ChildProcess> process =
      ChildProcess::Start(command, folders.logs + "/" + log);
  if (!process.ok()) return process.status();
  absl::StatusOr<std::string> listens = process->WaitForAddress();
  if (!listens.ok()) return listens.status();
  return Server{*std::move(process), *std::move(listens)};
}

absl::StatusOr<Server> StartPayment(const Folders& folders,
                                    const std::string& log,
                                    const std::string& address,
                                    const std::string& ledger) {
  std::vector<std::string> flags;
  if (!ledger.empty()) flags = {"--ledger", folders.logs + "/" + ledger};
  return StartServer(folders, "payment_server", log, address, flags);
}

absl::StatusOr<Helpers> StartHelpers(const Folders& folders,
                                     const std::string& log_prefix,
                                     const std::vector<std::string>& flags) {
  Helpers helpers;
  for (const auto& [server, name] :
       {std::pair<Server*, const char*>{&helpers.user, "user"},
        {&helpers.inventory, "inventory"},
        {&helpers.notification, "notification"}}) {
    absl::StatusOr<Server> started =
        StartServer(folders, absl::StrCat(name, "_server"),
                    absl::StrCat(log_prefix, name, ".log"), kAnyPort, flags);
    if (!started.ok()) return started.status();
    *server = *std::move(started);
  }
  return helpers;
}

absl::StatusOr<Server> StartOrders(const Folders& folders,
                                   const std::string& log,
                                   const std::string& payment,
                                   const Helpers& helpers,
                                   const std::vector<std::string>& flags) {
  std::vector<std::string> all = {
      "--payment",      payment,
      "--user",         helpers.user.address,
      "--inventory",    helpers.inventory.address,
      "--notification", helpers.notification.address,
      "--database",     absl::StrCat(folders.logs, "/", log, ".sqlite")};
  all.insert(all.end(), flags.begin(), flags.end());
  return StartServer(folders, "order_server", log, kAnyPort, all);
}

absl::StatusOr<v1::GetStatsReply> PaymentStats(
    v1::PaymentService::Stub* payment) {
  return Ask(payment, &v1::PaymentService::Stub::GetStats, "payment");
}

absl::StatusOr<v1::GetOrderStatsReply> OrderStats(
    v1::OrderService::Stub* orders) {
  return Ask(orders, &v1::OrderService::Stub::GetOrderStats, "orders");
}

absl::StatusOr<v1::GetStockReply> StockOf(const Server& inventory) {
  v1::InventoryService::Stub stub(grpc::CreateChannel(
      inventory.address, grpc::InsecureChannelCredentials()));
  return Ask(&stub, &v1::InventoryService::Stub::GetStock, "inventory");
}

absl::StatusOr<v1::GetLoadReply> LoadOf(v1::LoadService::Stub* server) {
  return Ask(server, &v1::LoadService::Stub::GetLoad, "load",
             absl::Milliseconds(100));
}

int64_t ChargedTwice(const std::string& ledger_path) {
  std::ifstream ledger(ledger_path);
  std::set<std::string> orders;
  int64_t twice = 0;
  for (std::string line; std::getline(ledger, line);) {
    if (!orders.insert(line).second) ++twice;
  }
  return twice;
}

}  // namespace shop
