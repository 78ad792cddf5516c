// The payment service of the example. It charges each order once, and declines
// amounts that are too large. It does not use firebreak, which is a library for
// clients.
//
//   payment_server --address 127.0.0.1:50052 --workers 16 --latency-ms 5
#include <atomic>
#include <cstring>
#include <iostream>
#include <string>

#include "absl/strings/str_cat.h"
#include "examples/shop/flags.h"
#include "examples/shop/ledger.h"
#include "examples/shop/serving.h"
#include "shop/v1/shop.grpc.pb.h"

namespace shop {
namespace {

class PaymentService final : public v1::PaymentService::CallbackService {
 public:
  PaymentService(WorkerPool* pool, int service_ms, int64_t limit,
                 Ledger* ledger)
      : pool_(pool), service_ms_(service_ms), limit_(limit), ledger_(ledger) {}

  grpc::ServerUnaryReactor* Charge(grpc::CallbackServerContext* context,
                                   const v1::ChargeRequest* request,
                                   v1::ChargeReply* reply) override {
    ++calls_;
    return InPool(pool_, context, service_ms_,
                  [this, request, reply] { return Book(*request, reply); });
  }
  grpc::ServerUnaryReactor* ChargeWaiting(grpc::CallbackServerContext* context,
                                          const v1::ChargeRequest* request,
                                          v1::ChargeReply* reply) override {
    return Charge(context, request, reply);
  }

  grpc::ServerUnaryReactor* GetStats(grpc::CallbackServerContext* context,
                                     const v1::GetStatsRequest*,
                                     v1::GetStatsReply* reply) override {
    reply->set_charges(ledger_->size());
    reply->set_calls(calls_);
    return AtOnce(context);
  }

 private:
  grpc::Status Book(const v1::ChargeRequest& request, v1::ChargeReply* reply) {
    const std::string& id = request.order_id();
    if (id.empty() || id.find('\n') != std::string::npos) {
      return {grpc::StatusCode::INVALID_ARGUMENT,
              "order_id is empty or not one line"};
    }
    if (request.cents() > limit_) {
      return {grpc::StatusCode::FAILED_PRECONDITION, "the card is declined"};
    }
    ledger_->Charge(id);
    reply->set_receipt(absl::StrCat("receipt for ", id));
    return grpc::Status::OK;
  }

  WorkerPool* const pool_;
  const int service_ms_;
  const int64_t limit_;
  Ledger* const ledger_;
  std::atomic<int64_t> calls_{0};
};

int Main(int argc, char** argv) {
  CLI::App app("The payment service of the shop example.", "payment_server");
  ServerFlags flags("127.0.0.1:50052");
  flags.service_ms = 2;
  flags.AddTo(&app);
  int64_t limit = 100'000;
  app.add_option("--limit", limit, "cents; orders of more are declined")
      ->capture_default_str();
  std::string ledger_path;
  app.add_option("--ledger", ledger_path,
                 "file that keeps the charged orders; without it they are lost "
                 "when the process ends");
  if (const auto exit = ParseFlags(&app, argc, argv)) return *exit;

  BlockShutdownSignals();
  Ledger ledger;
  if (!ledger_path.empty() && !ledger.Open(ledger_path)) {
    std::cerr << ledger_path << ": " << std::strerror(errno) << "\n";
    return 1;
  }
  WorkerPool pool(flags.capacity);
  PaymentService service(&pool, flags.service_ms, limit, &ledger);
  return Serve(flags, &pool, {&service});
}

}  // namespace
}  // namespace shop

int main(int argc, char** argv) { return shop::Main(argc, argv); }
