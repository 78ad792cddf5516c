// An engine whose breakers a test controls, its admin service on a real server,
// and a client of that.
//
//   AdminFixture f;
//   core::Breaker* breaker = f.Bind("payment", "", kCharge);
//   Trip(breaker);
//   v1::GetMethodResponse response;
//   ASSERT_TRUE(f.Get("Charge", &response).ok());
#ifndef FIREBREAK_TESTS_SUPPORT_ADMIN_FIXTURE_H_
#define FIREBREAK_TESTS_SUPPORT_ADMIN_FIXTURE_H_

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "firebreak/admin_service.h"
#include "firebreak/engine.h"
#include "firebreak/v1/admin.grpc.pb.h"
#include "src/engine/engine_core.h"
#include "src/engine/io/clock.h"
#include "tests/support/engine_fixture.h"

namespace firebreak::testing {

// A stream of the admin service, read by the test's own thread.
template <class Response>
class StreamReader {
 public:
  using Stream = std::unique_ptr<grpc::ClientReader<Response>>;

  bool Read() { return reader_->Read(&response_); }
  const Response& response() const { return response_; }
  void Cancel() { context_.TryCancel(); }
  // Reads the rest of the stream, and returns its status.
  grpc::Status Finish() {
    while (Read()) {
    }
    return reader_->Finish();
  }

 protected:
  // `open(context)` opens the stream. The deadline only ends a test that fails.
  template <class Open>
  StreamReader(std::chrono::seconds deadline, const Open& open) {
    context_.set_deadline(std::chrono::system_clock::now() + deadline);
    reader_ = open(&context_);
  }

 private:
  grpc::ClientContext context_;
  Stream reader_;
  Response response_;
};

inline constexpr char kCharge[] = "/shop.v1.PaymentService/Charge";
inline constexpr char kRefund[] = "/shop.v1.PaymentService/Refund";
// Two methods that share a breaker.
inline constexpr char kFind[] = "/shop.v1.CatalogService/Find";
inline constexpr char kList[] = "/shop.v1.CatalogService/List";
inline constexpr char kCreate[] = "/shop.v1.OrderService/CreateOrder";

// Breakers trip on two failures in a row, and stay open for exactly 10 s.
inline constexpr char kAdminPolicy[] = R"pb(
  method {
    name { service: "shop.v1.PaymentService" }
    id: "payment"
    idempotent: true
    timeout: "2s"
    breaker {
      consecutive_failures: 2
      failure_rate: 0
      open_duration: "10s"
      open_jitter: 0
    }
    retry {}
    hedging { delay: "20ms" }
  }
  method {
    name { service: "shop.v1.OrderService" }
    id: "order"
    idempotent: true
    retry { adaptive {} }
    hedging { quantile: 0.9 max_delay: "700ms" }
    deadline_gate { quantile: 0.25 }
  }
  method {
    name { service: "shop.v1.CatalogService" }
    id: "catalog"
    breaker {
      scope: CHANNEL
      consecutive_failures: 2
      open_duration: "10s"
      open_jitter: 0
    }
  }
  channel { budget { ratio: 0.25 floor: 2 burst: 20 } }
  channel {
    name: "bulky"
    bulkhead { max_concurrent: 1 max_queue: 0 }
    throttling { max_tokens: 8 token_ratio: 0.5 }
  }
)pb";

inline void Trip(core::Breaker* breaker) {
  for (int i = 0; i < 2; ++i) {
    core::Admission admission =
        breaker->Admit(engine::Now(), core::kInfiniteFuture);
    admission.permit.Settle(core::Verdict::kFailure, engine::Now());
  }
}

// An address that no other test on this machine uses.
inline std::string NewSocketAddress() {
  static int serial = 0;
  return absl::StrCat("unix:", ::testing::TempDir(), "firebreak-admin-",
                      getpid(), "-", ++serial, ".sock");
}

class AdminFixture {
 public:
  // `address` is as for AddListeningPort(): port 0 is any free port.
  explicit AdminFixture(AdminOptions options = {},
                        std::string address = NewSocketAddress(),
                        const EngineOptions& engine_options = {},
                        const std::shared_ptr<grpc::ServerCredentials>& creds =
                            grpc::InsecureServerCredentials())
      : engine_(*Engine::FromText(kAdminPolicy, engine_options)),
        service_(std::make_unique<AdminService>(engine_, std::move(options))) {
    KeepGrpc();
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort(address, creds, &port);
    builder.RegisterService(service_.get());
    server_ = builder.BuildAndStart();
    if (server_ == nullptr) return;
    const size_t zero = address.rfind(":0");
    if (zero != std::string::npos && zero + 2 == address.size()) {
      address = absl::StrCat(address.substr(0, zero), ":", port);
    }
    address_ = address;
    stub_ = v1::Admin::NewStub(
        grpc::CreateChannel(address, grpc::InsecureChannelCredentials()));
  }

  ~AdminFixture() {
    StopServer();
    if (address_.rfind("unix:", 0) == 0) unlink(address_.c_str() + 5);
  }

  // False if the server could not listen on the address.
  bool ok() const { return server_ != nullptr; }
  const std::string& address() const { return address_; }
  v1::Admin::Stub* stub() { return stub_.get(); }
  AdminService* service() { return service_.get(); }
  const std::shared_ptr<engine::EngineCore>& core() { return engine_->core(); }

  // The breaker of a method on one target, made as a first call would make it.
  core::Breaker* Bind(const std::string& channel, const std::string& target,
                      const std::string& method) {
    return Method(channel, target, method)->targets.front();
  }
  std::shared_ptr<const engine::MethodBinding> Method(
      const std::string& channel, const std::string& target,
      const std::string& method) {
    return core()->BindChannel(channel, {target})->Find(method);
  }

  grpc::Status Get(const std::string& method, v1::GetMethodResponse* response) {
    v1::GetMethodRequest request;
    request.mutable_selector()->set_method(method);
    return Call(&v1::Admin::Stub::GetMethod, request, response);
  }

  // Calls a unary method of the stub, with a deadline that no test reaches.
  template <class Request, class Response>
  grpc::Status Call(grpc::Status (v1::Admin::Stub::*rpc)(grpc::ClientContext*,
                                                         const Request&,
                                                         Response*),
                    const std::common_type_t<Request>& request,
                    Response* response) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() +
                         std::chrono::seconds(30));
    return (stub_.get()->*rpc)(&context, request, response);
  }

  // Stops it as an application should: first the streams, then the server.
  void StopServer() {
    if (server_ == nullptr) return;
    service_->Shutdown();
    server_->Shutdown();
    server_.reset();
  }
  // Stops only the server, which cancels the calls in progress.
  void KillServer() {
    server_->Shutdown(std::chrono::system_clock::now());
    server_.reset();
    service_.reset();
  }

 private:
  const std::shared_ptr<Engine> engine_;
  std::unique_ptr<AdminService> service_;
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
  std::unique_ptr<v1::Admin::Stub> stub_;
};

inline v1::SetOverrideRequest Override(const std::string& method,
                                       v1::BreakerState state) {
  v1::SetOverrideRequest request;
  request.mutable_selector()->set_method(method);
  request.set_state(state);
  return request;
}

}  // namespace firebreak::testing

#endif  // FIREBREAK_TESTS_SUPPORT_ADMIN_FIXTURE_H_
