// The payment service of the example: slow on request, and knows what it has
// charged. It has nothing of firebreak: that is for those who call.
//
//   payment_server --address 127.0.0.1:50052 --latency-ms 5
#include <grpcpp/grpcpp.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <iostream>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "examples/shop/ledger.h"
#include "examples/shop/serving.h"
#include "shop/v1/shop.grpc.pb.h"

namespace shop {
namespace {

class PaymentService final : public v1::PaymentService::Service {
 public:
  PaymentService(std::chrono::milliseconds latency, Ledger* ledger)
      : latency_(latency), ledger_(ledger) {}

  grpc::Status Charge(grpc::ServerContext*, const v1::ChargeRequest* request,
                      v1::ChargeReply* reply) override {
    ++calls_;
    if (request->order_id().empty() ||
        request->order_id().find('\n') != std::string::npos) {
      return {grpc::StatusCode::INVALID_ARGUMENT,
              "order_id is empty or not one line"};
    }
    std::this_thread::sleep_for(latency_);
    ledger_->Charge(request->order_id());
    reply->set_receipt(absl::StrCat("receipt for ", request->order_id()));
    return grpc::Status::OK;
  }

  grpc::Status GetStats(grpc::ServerContext*, const v1::GetStatsRequest*,
                        v1::GetStatsReply* reply) override {
    reply->set_charges(ledger_->size());
    reply->set_calls(calls_);
    return grpc::Status::OK;
  }

 private:
  const std::chrono::milliseconds latency_;
  Ledger* const ledger_;
  std::atomic<int64_t> calls_{0};
};

int Main(int argc, char** argv) {
  CLI::App app("The payment service of the shop example.", "payment_server");
  std::string address = "127.0.0.1:50052";
  app.add_option("--address", address,
                 "HOST:PORT to listen on; port 0 means any "
                 "free port")
      ->capture_default_str();
  int latency_ms = 2;
  app.add_option("--latency-ms", latency_ms,
                 "how long a charge takes, in milliseconds")
      ->check(CLI::Range(0, 600'000))
      ->capture_default_str();
  std::string ledger_path;
  app.add_option("--ledger", ledger_path,
                 "file that keeps the charged orders; without it they are lost "
                 "when the process ends");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return ExitFor(app, error);
  }

  BlockShutdownSignals();
  Ledger ledger;
  if (!ledger_path.empty() && !ledger.Open(ledger_path)) {
    std::cerr << ledger_path << ": " << std::strerror(errno) << "\n";
    return 1;
  }
  PaymentService service(std::chrono::milliseconds(latency_ms), &ledger);
  grpc::ServerBuilder builder;
  builder.RegisterService(&service);
  const auto server = Listen(address, &builder);
  if (server == nullptr) return 1;
  WaitForShutdownSignal();
  Shutdown(server.get());
  return 0;
}

}  // namespace
}  // namespace shop

int main(int argc, char** argv) { return shop::Main(argc, argv); }
