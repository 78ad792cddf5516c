// Servers that take the place of a process with an admin service.
//
//   OddServer odd("127.0.0.1:4711", OddServer::Kind::kGarbage);
//
// kBare is a gRPC server without an admin service. kGarbage answers with bytes
// that are no message. kMute answers with an error that has no message. kNewer
// is an admin service of a future version: it sends fields and a breaker state
// that this version does not know, and lacks methods that this version has.
//
// Thread safety: all methods are safe from any thread.
#ifndef FIREBREAK_TESTS_PAGE_ODD_SERVER_H_
#define FIREBREAK_TESTS_PAGE_ODD_SERVER_H_

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "firebreak/v1/admin.pb.h"

namespace firebreak::testing {

class OddServer final : public grpc::CallbackGenericService {
 public:
  enum class Kind { kBare, kGarbage, kMute, kNewer };

  OddServer(const std::string& address, Kind kind) : kind_(kind) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort(address, grpc::InsecureServerCredentials());
    builder.RegisterCallbackGenericService(this);
    server_ = builder.BuildAndStart();
  }
  ~OddServer() override {
    if (server_ != nullptr) server_->Shutdown();
  }
  bool is_there() const { return server_ != nullptr; }

  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* context) override {
    return new Reactor(kind_, context->method());
  }

 private:
  class Reactor final : public grpc::ServerGenericBidiReactor {
   public:
    Reactor(Kind kind, const std::string& method) {
      std::string bytes;
      if (kind == Kind::kMute) {
        Finish({grpc::StatusCode::INTERNAL, ""});
        return;
      }
      if (kind == Kind::kGarbage) {
        bytes = "\xff\xff\xff";
      } else if (kind == Kind::kNewer) {
        bytes = Newer(method);
      }
      if (bytes.empty()) {
        Finish({grpc::StatusCode::UNIMPLEMENTED, ""});
        return;
      }
      const grpc::Slice slice(bytes);
      reply_ = grpc::ByteBuffer(&slice, 1);
      StartWriteAndFinish(&reply_, {}, grpc::Status::OK);
    }
    void OnDone() override { delete this; }

   private:
    static std::string Newer(const std::string& method) {
      v1::Method one;
      one.set_channel("shop");
      one.set_method("/shop.v1.Service0/Method0");
      one.mutable_health()->set_score(50);
      one.mutable_health()->set_level(static_cast<v1::HealthLevel>(77));
      v1::Breaker* const breaker = one.add_breakers();
      breaker->set_target("backend:1");
      breaker->set_state(static_cast<v1::BreakerState>(99));
      breaker->set_cause("of a version to come");
      // This is field 9999, a string.
      const std::string unknown = "\xfa\xf0\x04\x03new";
      if (method == "/firebreak.v1.Admin/ListMethods") {
        v1::ListMethodsResponse all;
        all.mutable_as_of()->set_seconds(1'800'000'000);
        *all.add_methods() = one;
        return all.SerializeAsString() + unknown;
      }
      if (method == "/firebreak.v1.Admin/GetMethod") {
        v1::GetMethodResponse answer;
        *answer.mutable_method() = one;
        return answer.SerializeAsString() + unknown;
      }
      return "";
    }

    grpc::ByteBuffer reply_;
  };

  const Kind kind_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace firebreak::testing

#endif  // FIREBREAK_TESTS_PAGE_ODD_SERVER_H_
