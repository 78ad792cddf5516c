#include "tests/support/echo_server.h"

#include <grpcpp/security/server_credentials.h>

#include <algorithm>
#include <utility>

namespace firebreak::testing {
namespace {

constexpr auto kGenerous = std::chrono::seconds(30);

std::string ToString(grpc::string_ref ref) {
  return std::string(ref.data(), ref.size());
}

}  // namespace

Step Step::Fail(grpc::StatusCode code, const std::string& message,
                const std::string& details) {
  Step step;
  step.status = grpc::Status(code, message, details);
  return step;
}

Step Step::Hang() {
  Step step;
  step.hangs = true;
  return step;
}

class EchoServer::Service final : public Echo::Service {
 public:
  grpc::Status Unary(grpc::ServerContext* context, const EchoRequest* request,
                     EchoReply* reply) override {
    reply->set_text(request->text());
    return Run(context, request->text(), reply, [] {});
  }

  grpc::Status ClientStream(grpc::ServerContext* context,
                            grpc::ServerReader<EchoRequest>* reader,
                            EchoReply* reply) override {
    return Run(context, "", reply, [&] {
      EchoRequest request;
      while (reader->Read(&request)) reply->set_text(request.text());
    });
  }

  grpc::Status ServerStream(grpc::ServerContext* context,
                            const EchoRequest* request,
                            grpc::ServerWriter<EchoReply>* writer) override {
    EchoReply reply;
    return Run(context, request->text(), &reply, [&] {
      reply.set_text(request->text());
      for (int i = 0; i < request->answers(); ++i) writer->Write(reply);
    });
  }

  grpc::Status BidiStream(
      grpc::ServerContext* context,
      grpc::ServerReaderWriter<EchoReply, EchoRequest>* stream) override {
    EchoReply reply;
    return Run(context, "", &reply, [&] {
      EchoRequest request;
      while (stream->Read(&request)) {
        reply.set_text(request.text());
        stream->Write(reply);
      }
    });
  }

  template <class Reply>
  grpc::Status Run(grpc::ServerContext* context, const std::string& text,
                   Reply* reply, const std::function<void()>& stream) {
    std::function<void(grpc::ServerContextBase*)> in_handler;
    Step step;
    size_t index = 0;
    {
      std::lock_guard<std::mutex> lock(mu);
      ++calls;
      reply->set_serial(calls);
      SeenCall call;
      call.text = text;
      call.begun = std::chrono::steady_clock::now();
      call.deadline = context->deadline();
      call.granted = call.deadline - std::chrono::system_clock::now();
      call.authority = ToString(context->ExperimentalGetAuthority());
      for (const auto& entry : context->client_metadata()) {
        call.metadata.emplace(ToString(entry.first), ToString(entry.second));
      }
      index = seen.size();
      seen.push_back(std::move(call));
      step = NextStep(seen.back());
      in_handler = handler;
      changed.notify_all();
    }
    if (in_handler) in_handler(context);
    for (const auto& entry : step.initial) {
      context->AddInitialMetadata(entry.first, entry.second);
    }
    for (const auto& entry : step.trailing) {
      context->AddTrailingMetadata(entry.first, entry.second);
    }
    if (!MayAnswer(step, index, context)) return grpc::Status::CANCELLED;
    if (step.status.ok()) stream();
    return step.status;
  }

  // The caller holds `mu`.
  Step NextStep(const SeenCall& call) {
    const auto own = scripts.find(call.text);
    if (!by_attempt.empty() && (own == scripts.end() || call.text.empty())) {
      const auto before = call.metadata.find("grpc-previous-rpc-attempts");
      const size_t n =
          before == call.metadata.end() ? 0 : std::stoul(before->second);
      return n < by_attempt.size() ? by_attempt[n] : Step{};
    }
    std::deque<Step>* const script =
        &(own != scripts.end() ? own : scripts.find(""))->second;
    if (script->empty()) return {};
    Step step = std::move(script->front());
    script->pop_front();
    return step;
  }

  // Returns the number of calls that take their steps from the same script as a
  // call with this text. The caller holds `mu`.
  int Begun(const std::string& text) const {
    if (text.empty() || scripts.count(text) == 0) return calls;
    return static_cast<int>(
        std::count_if(seen.begin(), seen.end(),
                      [&](const SeenCall& call) { return call.text == text; }));
  }

  // Waits as the step says. Returns false if the call was cancelled meanwhile.
  bool MayAnswer(const Step& step, size_t index, grpc::ServerContext* context) {
    std::unique_lock<std::mutex> lock(mu);
    const auto due = seen[index].begun + step.latency;
    // A synchronous handler gets no notice of a cancel, so it has to poll.
    while (!released && !context->IsCancelled() &&
           (step.hangs || std::chrono::steady_clock::now() < due ||
            Begun(seen[index].text) < step.waits_for)) {
      changed.wait_for(lock, std::chrono::milliseconds(1));
    }
    const bool waited =
        step.hangs || step.latency.count() > 0 || step.waits_for > 0;
    if (waited && context->IsCancelled()) {
      ++cancelled;
      changed.notify_all();
      return false;
    }
    seen[index].answered = std::chrono::steady_clock::now();
    return true;
  }

  bool WaitFor(const std::function<bool()>& condition) {
    std::unique_lock<std::mutex> lock(mu);
    return changed.wait_for(lock, kGenerous, condition);
  }

  std::mutex mu;
  std::condition_variable changed;
  // The scripts by text. The script under "" is for calls without their own.
  std::map<std::string, std::deque<Step>> scripts{{"", {}}};
  std::vector<Step> by_attempt;
  std::vector<SeenCall> seen;
  std::function<void(grpc::ServerContextBase*)> handler;
  bool released = false;
  int calls = 0;
  int cancelled = 0;
};

EchoServer::EchoServer(
    const std::string& address,
    const std::shared_ptr<grpc::ServerCredentials>& credentials,
    grpc::CallbackGenericService* others)
    : service_(std::make_unique<Service>()) {
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(address, credentials, &port);
  builder.RegisterService(service_.get());
  if (others != nullptr) builder.RegisterCallbackGenericService(others);
  server_ = builder.BuildAndStart();
  address_ = "127.0.0.1:" + std::to_string(port);
}

EchoServer::~EchoServer() { Stop(); }

void EchoServer::Stop() {
  if (server_ == nullptr) return;
  Release();
  server_->Shutdown(std::chrono::system_clock::now());
  server_.reset();
}

void EchoServer::Script(std::vector<Step> steps) {
  Script("", std::move(steps));
}

void EchoServer::Script(const std::string& text, std::vector<Step> steps) {
  std::lock_guard<std::mutex> lock(service_->mu);
  service_->scripts[text].assign(steps.begin(), steps.end());
}

void EchoServer::ScriptAttempts(std::vector<Step> steps) {
  std::lock_guard<std::mutex> lock(service_->mu);
  service_->by_attempt = std::move(steps);
}

void EchoServer::Release() {
  std::lock_guard<std::mutex> lock(service_->mu);
  service_->released = true;
  service_->changed.notify_all();
}

void EchoServer::SetHandler(
    std::function<void(grpc::ServerContextBase*)> handler) {
  std::lock_guard<std::mutex> lock(service_->mu);
  service_->handler = std::move(handler);
}

int EchoServer::calls() const {
  std::lock_guard<std::mutex> lock(service_->mu);
  return service_->calls;
}

int EchoServer::cancelled() const {
  std::lock_guard<std::mutex> lock(service_->mu);
  return service_->cancelled;
}

std::vector<SeenCall> EchoServer::seen() const {
  std::lock_guard<std::mutex> lock(service_->mu);
  return service_->seen;
}

std::vector<SeenCall> EchoServer::seen(const std::string& text) const {
  std::lock_guard<std::mutex> lock(service_->mu);
  std::vector<SeenCall> calls;
  for (const SeenCall& call : service_->seen) {
    if (call.text == text) calls.push_back(call);
  }
  return calls;
}

bool EchoServer::WaitForCalls(int n) const {
  return service_->WaitFor([&] { return service_->calls >= n; });
}

bool EchoServer::WaitForCancelled(int n) const {
  return service_->WaitFor([&] { return service_->cancelled >= n; });
}

}  // namespace firebreak::testing
