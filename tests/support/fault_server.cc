#include "tests/support/fault_server.h"

#include <grpcpp/alarm.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>

#include <array>
#include <atomic>
#include <chrono>
#include <mutex>
#include <unordered_set>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "firebreak/testing/echo.grpc.pb.h"

namespace firebreak::testing {
namespace {

class Hanging;

// The reactors that hang. The thread that removes a reactor from the set, at a
// cancel or at a release, ends its call.
struct HangingSet {
  std::mutex mu;
  std::unordered_set<Hanging*> all;

  bool Take(Hanging* reactor) {
    std::lock_guard<std::mutex> lock(mu);
    return all.erase(reactor) == 1;
  }
};

class Hanging final : public grpc::ServerUnaryReactor {
 public:
  explicit Hanging(HangingSet* set) : set_(set) {
    std::lock_guard<std::mutex> lock(set_->mu);
    set_->all.insert(this);
  }
  void OnCancel() override {
    if (set_->Take(this)) Finish(grpc::Status::CANCELLED);
  }
  void OnDone() override { delete this; }

 private:
  HangingSet* const set_;
};

class Slow final : public grpc::ServerUnaryReactor {
 public:
  explicit Slow(std::chrono::milliseconds delay) {
    alarm_.Set(std::chrono::system_clock::now() + delay, [this](bool ok) {
      Finish(ok ? grpc::Status::OK : grpc::Status::CANCELLED);
    });
  }
  void OnCancel() override { alarm_.Cancel(); }
  void OnDone() override { delete this; }

 private:
  grpc::Alarm alarm_;
};

}  // namespace

class FaultServer::Service final : public Echo::CallbackService {
 public:
  explicit Service(CallLog* log) : log_(log) {}

  grpc::ServerUnaryReactor* Unary(grpc::CallbackServerContext* context,
                                  const EchoRequest* request,
                                  EchoReply* reply) override {
    const int attempt = log_->See(*context);
    const std::vector<absl::string_view> words =
        absl::StrSplit(request->text(), ' ');
    reply->set_text(std::string(words.front()));
    reply->set_serial(attempt + 1);
    const auto n = static_cast<size_t>(attempt) + 1;
    const absl::string_view step = n < words.size() ? words[n] : "o";
    ++served_[static_cast<unsigned char>(step[0])];
    if (step == "h") return new Hanging(&hanging_);
    if (step[0] == 's') {
      int ms = 0;
      (void)absl::SimpleAtoi(step.substr(1), &ms);
      return new Slow(std::chrono::milliseconds(ms));
    }
    if (step == "p" || step == "n") {
      context->AddTrailingMetadata("grpc-retry-pushback-ms",
                                   step == "p" ? "2" : "-1");
    }
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    reactor->Finish(StatusOf(step[0]));
    return reactor;
  }

  HangingSet* hanging() { return &hanging_; }
  int64_t served(char step) const {
    return served_[static_cast<unsigned char>(step)];
  }

 private:
  static grpc::Status StatusOf(char step) {
    switch (step) {
      case 'u':
      case 'p':
      case 'n':
        return {grpc::StatusCode::UNAVAILABLE, "as told"};
      case 'i':
        return {grpc::StatusCode::INTERNAL, "as told"};
      case 'f':
        return {grpc::StatusCode::NOT_FOUND, "as told"};
      default:
        return grpc::Status::OK;
    }
  }

  CallLog* const log_;
  std::array<std::atomic<int64_t>, 256> served_{};
  HangingSet hanging_;
};

FaultServer::FaultServer(CallLog* log, const std::string& address)
    : service_(std::make_unique<Service>(log)) {
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(service_.get());
  server_ = builder.BuildAndStart();
  address_ = absl::StrCat("127.0.0.1:", port);
}

FaultServer::~FaultServer() { Stop(); }

int64_t FaultServer::served(char step) const { return service_->served(step); }

int FaultServer::hanging() const {
  HangingSet* const set = service_->hanging();
  std::lock_guard<std::mutex> lock(set->mu);
  return static_cast<int>(set->all.size());
}

void FaultServer::ReleaseHanging() {
  HangingSet* const set = service_->hanging();
  std::unordered_set<Hanging*> released;
  {
    std::lock_guard<std::mutex> lock(set->mu);
    released.swap(set->all);
  }
  for (Hanging* reactor : released) reactor->Finish(grpc::Status::OK);
}

void FaultServer::Stop() {
  if (server_ == nullptr) return;
  server_->Shutdown(std::chrono::system_clock::now());
  server_.reset();
}

}  // namespace firebreak::testing
