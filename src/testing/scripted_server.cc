#include "firebreak/testing/scripted_server.h"

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/support/byte_buffer.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"

namespace firebreak {
namespace testing {
namespace {

constexpr std::chrono::seconds kServerPatience(10);
// How many requests of each method are kept.
constexpr size_t kMaxSeen = 10'000;

std::string BytesOf(const grpc::ByteBuffer& buffer) {
  std::string bytes;
  std::vector<grpc::Slice> slices;
  if (!buffer.Valid() || !buffer.Dump(&slices).ok()) return bytes;
  for (const grpc::Slice& slice : slices) {
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return bytes;
}

grpc::ByteBuffer BufferOf(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  return grpc::ByteBuffer(&slice, 1);
}

}  // namespace

Reply Reply::Ok() { return Stream({""}); }

Reply Reply::Ok(const google::protobuf::MessageLite& message) {
  return Stream({message.SerializePartialAsString()});
}

Reply Reply::Stream(std::vector<std::string> messages,
                    const grpc::Status& status) {
  Reply reply;
  reply.messages = std::move(messages);
  reply.status = status;
  return reply;
}

Reply Reply::Fail(grpc::StatusCode code, const std::string& message) {
  return Stream({}, grpc::Status(code, message));
}

Reply Reply::Hang() {
  Reply reply;
  reply.hangs = true;
  return reply;
}

Reply Reply::WithPushback(const std::string& milliseconds) const {
  Reply reply = *this;
  reply.trailing["grpc-retry-pushback-ms"] = milliseconds;
  return reply;
}

class ScriptedServer::Service final : public grpc::CallbackGenericService {
 public:
  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* context) override {
    return new Attempt(this, context);
  }

  // Returns the target, or "" if no port is available.
  std::string Start() {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                             &port);
    builder.RegisterCallbackGenericService(this);
    server_ = builder.BuildAndStart();
    return server_ == nullptr ? "" : absl::StrCat("dns:///127.0.0.1:", port);
  }
  void Stop() {
    if (server_ == nullptr) return;
    server_->Shutdown(std::chrono::system_clock::now());
    server_->Wait();
  }

  void SetScript(const std::string& method, std::vector<Reply> replies) {
    std::lock_guard<std::mutex> lock(mu_);
    Method& of = methods_[method];
    of.script_size = replies.size();
    of.script.assign(std::make_move_iterator(replies.begin()),
                     std::make_move_iterator(replies.end()));
  }
  void SetAlways(const std::string& method, const Reply& reply) {
    std::lock_guard<std::mutex> lock(mu_);
    methods_[method].always = {reply};
  }

  int64_t attempts(const std::string& method) const {
    std::lock_guard<std::mutex> lock(mu_);
    const auto found = methods_.find(method);
    return found == methods_.end() ? 0 : found->second.attempts;
  }
  std::vector<SeenAttempt> seen(const std::string& method) const {
    std::lock_guard<std::mutex> lock(mu_);
    const auto found = methods_.find(method);
    if (found == methods_.end()) return {};
    return found->second.seen;
  }
  int64_t overruns() const {
    std::lock_guard<std::mutex> lock(mu_);
    return overruns_;
  }
  int64_t hanging() const {
    std::lock_guard<std::mutex> lock(mu_);
    return static_cast<int64_t>(hanging_.size());
  }
  bool WaitForAttempts(const std::string& method, int64_t n) const {
    std::unique_lock<std::mutex> lock(mu_);
    return changed_.wait_for(lock, kServerPatience, [&] {
      const auto found = methods_.find(method);
      return found != methods_.end() && found->second.attempts >= n;
    });
  }
  bool WaitForHanging(int64_t n) const {
    std::unique_lock<std::mutex> lock(mu_);
    return changed_.wait_for(lock, kServerPatience, [&] {
      return static_cast<int64_t>(hanging_.size()) >= n;
    });
  }
  void Release(const Reply& reply) {
    std::set<Attempt*> hanging;
    {
      std::lock_guard<std::mutex> lock(mu_);
      hanging.swap(hanging_);
      changed_.notify_all();
    }
    for (Attempt* attempt : hanging) attempt->Answer(reply);
  }

 private:
  class Attempt final : public grpc::ServerGenericBidiReactor {
   public:
    Attempt(Service* service, grpc::GenericCallbackServerContext* context)
        : service_(service), context_(context) {
      StartRead(&request_);
    }

    void OnReadDone(bool /*ok*/) override {
      service_->Arrived(this, *context_, BytesOf(request_));
    }
    void OnWriteDone(bool ok) override { ok ? Next() : End(); }
    void OnCancel() override {
      if (service_->TakeHanging(this)) Finish(grpc::Status::CANCELLED);
    }
    void OnDone() override { delete this; }

    // Called once.
    void Answer(const Reply& reply) {
      reply_ = reply;
      for (const auto& [key, value] : reply_.trailing) {
        context_->AddTrailingMetadata(key, value);
      }
      Next();
    }

   private:
    void Next() {
      if (written_ == reply_.messages.size()) {
        End();
        return;
      }
      message_ = BufferOf(reply_.messages[written_++]);
      StartWrite(&message_);
    }
    void End() { Finish(reply_.status); }

    Service* const service_;
    grpc::GenericCallbackServerContext* const context_;
    grpc::ByteBuffer request_;
    Reply reply_;
    size_t written_ = 0;
    grpc::ByteBuffer message_;
  };

  struct Method {
    std::deque<Reply> script;
    size_t script_size = 0;
    std::vector<Reply> always;  // or none
    int64_t attempts = 0;
    std::vector<SeenAttempt> seen;
  };

  void Arrived(Attempt* attempt,
               const grpc::GenericCallbackServerContext& context,
               std::string request) {
    SeenAttempt seen;
    seen.request = std::move(request);
    for (const auto& [key, value] : context.client_metadata()) {
      seen.metadata.emplace(std::string(key.data(), key.size()),
                            std::string(value.data(), value.size()));
    }
    Reply reply;
    {
      std::lock_guard<std::mutex> lock(mu_);
      Method& method = methods_[context.method()];
      ++method.attempts;
      if (method.seen.size() < kMaxSeen) method.seen.push_back(std::move(seen));
      reply = TakeReply(context.method(), &method);
      changed_.notify_all();
      if (reply.hangs) {
        // If OnCancel() runs later it finds the attempt in `hanging_`. If it
        // has run already, IsCancelled() is true.
        hanging_.insert(attempt);
        if (!context.IsCancelled()) return;
        hanging_.erase(attempt);
        reply = Reply::Fail(grpc::StatusCode::CANCELLED);
      }
    }
    attempt->Answer(reply);
  }

  Reply TakeReply(const std::string& name, Method* method) {
    if (!method->script.empty()) {
      Reply reply = std::move(method->script.front());
      method->script.pop_front();
      return reply;
    }
    if (!method->always.empty()) return method->always.front();
    ++overruns_;
    return Reply::Fail(grpc::StatusCode::FAILED_PRECONDITION,
                       absl::StrCat("the script of ", name, " has ended after ",
                                    method->script_size, " replies"));
  }

  // Returns true to only one of the threads that want to end the attempt.
  bool TakeHanging(Attempt* attempt) {
    std::lock_guard<std::mutex> lock(mu_);
    const bool is_mine = hanging_.erase(attempt) == 1;
    if (is_mine) changed_.notify_all();
    return is_mine;
  }

  std::unique_ptr<grpc::Server> server_;
  mutable std::mutex mu_;
  mutable std::condition_variable changed_;
  std::map<std::string, Method> methods_;
  std::set<Attempt*> hanging_;
  int64_t overruns_ = 0;
};

ScriptedServer::ScriptedServer()
    : service_(std::make_unique<Service>()), target_(service_->Start()) {}

ScriptedServer::~ScriptedServer() { service_->Stop(); }

void ScriptedServer::Script(const std::string& method,
                            std::vector<Reply> replies) {
  service_->SetScript(method, std::move(replies));
}

void ScriptedServer::Always(const std::string& method, const Reply& reply) {
  service_->SetAlways(method, reply);
}

int64_t ScriptedServer::attempts(const std::string& method) const {
  return service_->attempts(method);
}

std::vector<SeenAttempt> ScriptedServer::seen(const std::string& method) const {
  return service_->seen(method);
}

int64_t ScriptedServer::overruns() const { return service_->overruns(); }

int64_t ScriptedServer::hanging() const { return service_->hanging(); }

bool ScriptedServer::WaitForAttempts(const std::string& method,
                                     int64_t n) const {
  return service_->WaitForAttempts(method, n);
}

bool ScriptedServer::WaitForHanging(int64_t n) const {
  return service_->WaitForHanging(n);
}

void ScriptedServer::Release(const Reply& reply) { service_->Release(reply); }

}  // namespace testing
}  // namespace firebreak
