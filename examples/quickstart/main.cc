// firebreak on one page: a payment service that first fails twice and later
// fails for good, and a caller whose code has nothing about failures.
//
//   build/release/examples/quickstart/quickstart [POLICY_FILE]
#include <firebreak/engine.h>
#include <grpcpp/grpcpp.h>

#include <atomic>
#include <iostream>
#include <memory>
#include <string>

#include "shop/v1/shop.grpc.pb.h"

// Stands for a payment server on another machine. It fails a given number of
// calls.
class FlakyPayment final : public shop::v1::PaymentService::Service {
 public:
  grpc::Status Charge(grpc::ServerContext*, const shop::v1::ChargeRequest* in,
                      shop::v1::ChargeReply* out) override {
    ++calls;
    if (calls <= failures) return {grpc::StatusCode::UNAVAILABLE, "warming up"};
    out->set_receipt("receipt for " + in->order_id());
    return grpc::Status::OK;
  }
  std::atomic<int> calls{0};
  std::atomic<int> failures{2};
};

// An ordinary call through an ordinary generated stub.
void Charge(shop::v1::PaymentService::Stub* stub, const std::string& order) {
  grpc::ClientContext context;
  shop::v1::ChargeRequest request;
  request.set_order_id(order);
  shop::v1::ChargeReply reply;
  const grpc::Status status = stub->Charge(&context, request, &reply);

  std::cout << "  the caller saw: "
            << (status.ok() ? "OK, " + reply.receipt()
                            : "UNAVAILABLE, " + status.error_message());
  // If firebreak decided the result, the trailing metadata has the reason.
  const auto& trailing = context.GetServerTrailingMetadata();
  const auto reason = trailing.find("firebreak-reason");
  if (reason != trailing.end()) {
    std::cout << "\n  firebreak-reason: " << reason->second;
  }
  std::cout << "\n";
}

int main(int argc, char** argv) {
  FlakyPayment payment;
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                           &port);
  builder.RegisterService(&payment);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();

  // Returns an error that names every fault of the policy, if there is one.
  // FromText() takes a string.
  auto engine = firebreak::Engine::FromFile(argc > 1 ? argv[1] : POLICY_FILE);
  if (!engine.ok()) {
    std::cerr << engine.status() << "\n";
    return 1;
  }
  // A channel with firebreak in it. The stub and the calls need no change.
  const auto channel =
      (*engine)->CreateChannel("payment", "127.0.0.1:" + std::to_string(port),
                               grpc::InsecureChannelCredentials());
  const auto stub = shop::v1::PaymentService::NewStub(channel);

  // Optional: add this to your own server, so that `firebreakctl` can use it.
  // firebreak::AdminService admin(*engine);   // <firebreak/admin_service.h>
  // builder.RegisterService(&admin);          // + link firebreak::admin

  std::cout << "1. The server fails twice, then answers.\n";
  Charge(stub.get(), "order-1");
  std::cout << "  the server saw: " << payment.calls << " calls\n";

  std::cout << "2. The server only fails: three attempts, then the breaker\n"
               "   opens, and the caller gets what the server said last.\n";
  payment.failures = 1000;
  Charge(stub.get(), "order-2");
  std::cout << "  the server saw: " << payment.calls << " calls\n";

  std::cout << "3. The breaker is open: refused at once, nothing is sent.\n";
  Charge(stub.get(), "order-3");
  std::cout << "  the server saw: " << payment.calls << " calls\n";
}
