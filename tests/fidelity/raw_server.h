// A server that sends raw bytes, for cases that a generated server does not
// have: a reply that cannot be parsed, no reply, a reply with a failure, and
// initial metadata long before the end.
//
//   RawServer server({"not a message", grpc::Status::OK});
//   RawServer server({absl::nullopt, grpc::Status::OK, /*waits=*/true});
//   ... it has sent the initial metadata "x-early: 1", and nothing else ...
//   server.Release();
//
// Thread safety: safe from any thread.
#ifndef FIREBREAK_TESTS_FIDELITY_RAW_SERVER_H_
#define FIREBREAK_TESTS_FIDELITY_RAW_SERVER_H_

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/types/optional.h"

namespace firebreak::testing {

struct RawAnswer {
  absl::optional<std::string> reply;  // serialized
  grpc::Status status;
  bool waits = false;  // for Release(), once the initial metadata is sent
};

class RawServer {
 public:
  explicit RawServer(RawAnswer answer) : service_(std::move(answer)) {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                             &port);
    builder.RegisterCallbackGenericService(&service_);
    server_ = builder.BuildAndStart();
    address_ = "127.0.0.1:" + std::to_string(port);
  }
  ~RawServer() { Release(); }

  const std::string& address() const { return address_; }
  // Ends the calls that wait. Later calls wait again.
  void Release() { service_.Release(); }
  // Waits until the initial metadata of a waiting call has been sent. Returns
  // false after a generous time.
  bool WaitForSent() { return service_.WaitForSent(); }

 private:
  class Service final : public grpc::CallbackGenericService {
   public:
    explicit Service(RawAnswer answer) : answer_(std::move(answer)) {}

    grpc::ServerGenericBidiReactor* CreateReactor(
        grpc::GenericCallbackServerContext* context) override {
      return new Reactor(this, context);
    }

    bool WaitForSent() {
      std::unique_lock<std::mutex> lock(mu_);
      return sent_.wait_for(lock, std::chrono::seconds(30),
                            [this] { return !waiting_.empty(); });
    }
    void Release() {
      std::vector<Reactor*> waiting;
      {
        std::lock_guard<std::mutex> lock(mu_);
        waiting.swap(waiting_);
      }
      for (Reactor* reactor : waiting) reactor->Answer();
    }

   private:
    class Reactor final : public grpc::ServerGenericBidiReactor {
     public:
      Reactor(Service* service, grpc::GenericCallbackServerContext* context)
          : service_(service) {
        context->AddInitialMetadata("x-early", "1");
        StartRead(&request_);
      }
      void OnReadDone(bool /*ok*/) override {
        if (!service_->answer_.waits) {
          Answer();
          return;
        }
        StartSendInitialMetadata();
      }
      void OnSendInitialMetadataDone(bool /*ok*/) override {
        std::lock_guard<std::mutex> lock(service_->mu_);
        service_->waiting_.push_back(this);
        service_->sent_.notify_all();
      }
      void Answer() {
        const RawAnswer& answer = service_->answer_;
        if (!answer.reply.has_value()) {
          Finish(answer.status);
          return;
        }
        const grpc::Slice slice(*answer.reply);
        reply_ = grpc::ByteBuffer(&slice, 1);
        StartWriteAndFinish(&reply_, {}, answer.status);
      }
      void OnDone() override { delete this; }

     private:
      Service* const service_;
      grpc::ByteBuffer request_;
      grpc::ByteBuffer reply_;
    };

    const RawAnswer answer_;
    std::mutex mu_;
    std::condition_variable sent_;
    std::vector<Reactor*> waiting_;
  };

  Service service_;
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
};

}  // namespace firebreak::testing

#endif  // FIREBREAK_TESTS_FIDELITY_RAW_SERVER_H_
