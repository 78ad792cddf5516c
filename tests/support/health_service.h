// A service with scripted answers to health checks, for servers that lack the
// health service. It also answers every other method that the server does not
// have.
//
//   HealthService health;
//   EchoServer server("127.0.0.1:0", grpc::InsecureServerCredentials(),
//                     &health);
//   health.Answer(kServing);                       // the bytes of a reply
//   health.Fail(grpc::StatusCode::UNIMPLEMENTED);
//   health.Hang();                                 // until it is cancelled
//   EXPECT_EQ(health.asked(), 3);
//
// A method that is not grpc.health.v1.Health/Check fails as UNAVAILABLE.
//
// Thread safety: all methods from any thread. Ownership: it outlives its
// server, and is used by one only.
#ifndef FIREBREAK_TESTS_SUPPORT_HEALTH_SERVICE_H_
#define FIREBREAK_TESTS_SUPPORT_HEALTH_SERVICE_H_

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>

#include <mutex>
#include <string>
#include <vector>

namespace firebreak::testing {

inline constexpr char kServing[] = "\x08\x01";
inline constexpr char kNotServing[] = "\x08\x02";
inline constexpr char kServiceUnknown[] = "\x08\x03";

class HealthService final : public grpc::CallbackGenericService {
 public:
  void Answer(const std::string& bytes) {
    std::lock_guard<std::mutex> lock(mu_);
    bytes_ = bytes;
    status_ = grpc::Status::OK;
    hangs_ = false;
  }
  void Fail(grpc::StatusCode code) {
    std::lock_guard<std::mutex> lock(mu_);
    status_ = grpc::Status(code, "scripted");
    hangs_ = false;
  }
  void Hang() {
    std::lock_guard<std::mutex> lock(mu_);
    hangs_ = true;
  }

  int asked() const {
    std::lock_guard<std::mutex> lock(mu_);
    return static_cast<int>(requests_.size());
  }
  int cancelled() const {
    std::lock_guard<std::mutex> lock(mu_);
    return cancelled_;
  }
  std::vector<std::string> requests() const {
    std::lock_guard<std::mutex> lock(mu_);
    return requests_;
  }

  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* context) override {
    return new Reactor(this, context->method());
  }

 private:
  class Reactor final : public grpc::ServerGenericBidiReactor {
   public:
    Reactor(HealthService* service, const std::string& method)
        : service_(service) {
      if (method == "/grpc.health.v1.Health/Check") {
        StartRead(&request_);
      } else {
        Finish({grpc::StatusCode::UNAVAILABLE, "no such method here"});
      }
    }
    void OnReadDone(bool ok) override {
      if (!ok) {
        Finish({grpc::StatusCode::INTERNAL, "no request"});
        return;
      }
      grpc::Slice bytes;
      request_.DumpToSingleSlice(&bytes);
      bool hangs = false;
      {
        std::lock_guard<std::mutex> lock(service_->mu_);
        service_->requests_.emplace_back(
            reinterpret_cast<const char*>(bytes.begin()), bytes.size());
        status_ = service_->status_;
        hangs = service_->hangs_;
        grpc::Slice reply(service_->bytes_);
        reply_ = grpc::ByteBuffer(&reply, 1);
        if (hangs && !was_cancelled_) waits_ = true;
      }
      if (waits_) return;
      if (hangs || !status_.ok()) {
        Finish(status_.ok() ? grpc::Status::CANCELLED : status_);
      } else {
        StartWriteAndFinish(&reply_, {}, grpc::Status::OK);
      }
    }
    void OnCancel() override {
      bool ends = false;
      {
        std::lock_guard<std::mutex> lock(service_->mu_);
        ++service_->cancelled_;
        was_cancelled_ = true;
        ends = waits_;
      }
      if (ends) Finish(grpc::Status::CANCELLED);
    }
    void OnDone() override { delete this; }

   private:
    HealthService* const service_;
    grpc::ByteBuffer request_;
    grpc::ByteBuffer reply_;
    grpc::Status status_;
    bool waits_ = false;  // both under the service's lock
    bool was_cancelled_ = false;
  };

  mutable std::mutex mu_;
  std::string bytes_ = kServing;
  grpc::Status status_;
  bool hangs_ = false;
  int cancelled_ = 0;
  std::vector<std::string> requests_;
};

}  // namespace firebreak::testing

#endif  // FIREBREAK_TESTS_SUPPORT_HEALTH_SERVICE_H_
