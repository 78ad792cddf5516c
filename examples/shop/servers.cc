#include "examples/shop/servers.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace shop {
namespace {

constexpr absl::Duration kLimit = absl::Seconds(5);

absl::StatusOr<Server> StartServer(const std::vector<std::string>& command,
                                   const std::string& log_path) {
  absl::StatusOr<ChildProcess> process = ChildProcess::Start(command, log_path);
  if (!process.ok()) return process.status();
  absl::StatusOr<std::string> address = process->WaitForAddress();
  if (!address.ok()) return address.status();
  return Server{*std::move(process), *std::move(address)};
}

// One call of `method` without an argument.
template <class Reply, class Stub, class Request>
absl::StatusOr<Reply> Ask(Stub* stub,
                          grpc::Status (Stub::*method)(grpc::ClientContext*,
                                                       const Request&, Reply*),
                          const char* whom) {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + kLimit));
  Reply reply;
  const grpc::Status status = (stub->*method)(&context, Request(), &reply);
  if (status.ok()) return reply;
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()),
                      absl::StrCat(whom, ": ", status.error_message()));
}

}  // namespace

absl::StatusOr<Server> StartPayment(const Folders& folders,
                                    const std::string& log,
                                    const std::string& address,
                                    const std::string& ledger) {
  std::vector<std::string> command = {folders.programs + "/payment_server",
                                      "--address", address};
  if (!ledger.empty()) {
    command.insert(command.end(), {"--ledger", folders.logs + "/" + ledger});
  }
  return StartServer(command, folders.logs + "/" + log);
}

absl::StatusOr<Server> StartOrders(const Folders& folders,
                                   const std::string& log,
                                   const std::string& payment, bool firebreak) {
  std::vector<std::string> command = {folders.programs + "/order_server",
                                      "--address", "127.0.0.1:0", "--payment",
                                      payment};
  if (!firebreak) command.push_back("--no-firebreak");
  return StartServer(command, folders.logs + "/" + log);
}

absl::StatusOr<v1::GetStatsReply> PaymentStats(
    v1::PaymentService::Stub* payment) {
  return Ask(payment, &v1::PaymentService::Stub::GetStats, "payment");
}

absl::StatusOr<v1::GetOrderStatsReply> OrderStats(
    v1::OrderService::Stub* orders) {
  return Ask(orders, &v1::OrderService::Stub::GetOrderStats, "orders");
}

}  // namespace shop
