// One replica of the catalog. It does not use firebreak.
//
//   catalog_server 127.0.0.1:50061
#include <grpcpp/grpcpp.h>

#include <atomic>
#include <chrono>
#include <iostream>
#include <memory>
#include <string>
#include <thread>

#include "catalog.grpc.pb.h"

namespace {

class CatalogService final : public catalog::v1::Catalog::Service {
 public:
  grpc::Status GetPrice(grpc::ServerContext*,
                        const catalog::v1::GetPriceRequest* request,
                        catalog::v1::Price* price) override {
    std::this_thread::sleep_for(std::chrono::milliseconds(delay_ms_));
    if (fails_) return {grpc::StatusCode::UNAVAILABLE, "told to fail"};
    price->set_cents(100 * static_cast<int64_t>(request->item().size()));
    return grpc::Status::OK;
  }

  grpc::Status Misbehave(grpc::ServerContext*,
                         const catalog::v1::MisbehaveRequest* request,
                         catalog::v1::MisbehaveReply*) override {
    delay_ms_ = request->delay_ms();
    fails_ = request->fail();
    return grpc::Status::OK;
  }

 private:
  std::atomic<int> delay_ms_{0};
  std::atomic<bool> fails_{false};
};

}  // namespace

int main(int argc, char** argv) {
  const std::string address = argc > 1 ? argv[1] : "127.0.0.1:50061";
  CatalogService service;
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr || port == 0) {
    std::cerr << "catalog_server: cannot listen on " << address << "\n";
    return 1;
  }
  std::cout << "listening on port " << port << std::endl;
  server->Wait();
}
