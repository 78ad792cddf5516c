// Makes processes for the page to look at: admin services whose breakers obey
// the lines on standard input.
//
//   page_scene 2 3 [NAME...]     two processes with three methods each, and
//                                methods of these names (%XX means a byte)
//
// First it prints the address of each process, one on each line, and "ready".
// Then it answers each line with "ok", or ends if it does not understand it:
//
//   trip 0 1      the breaker of method 1 of process 0 sees two failures
//   probe 0 1     ... starts a probe
//   heal 0 1      ... sees this probe succeed, and the rest that it needs
//   refuse 0 1    ... refuses a call
//   reset 0 1     ... is closed again
//   stop 0        process 0 is gone; start 0: it is back
//   bare 0        ... is replaced by another server (odd_server.h); so with
//                 garbage, mute and newer
//   churn         from now on all methods of all processes have calls
#include <grpcpp/server_builder.h>

#include <atomic>
#include <cstdlib>
#include <iostream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "firebreak/admin_service.h"
#include "firebreak/engine.h"
#include "src/engine/engine_core.h"
#include "src/engine/io/clock.h"
#include "tests/page/odd_server.h"

namespace firebreak::testing {
namespace {

constexpr char kPolicy[] = R"pb(
  method {
    name {}
    id: "scene"
    timeout: "2s"
    breaker {
      consecutive_failures: 2
      failure_rate: 0
      open_duration: "1500ms"
      max_open_duration: "1500ms"
      probe_timeout: "60s"
      open_jitter: 0
      probes: 3
    }
  }
)pb";

std::string Unescaped(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      out += static_cast<char>(
          std::strtol(text.substr(i + 1, 2).c_str(), nullptr, 16));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

class Process {
 public:
  Process(int methods, const std::vector<std::string>& names)
      : engine_(*Engine::FromText(kPolicy)) {
    for (int i = 0; i < methods; ++i) {
      Bind(absl::StrCat("/shop.v1.Service", i / 10, "/Method", i));
    }
    for (const std::string& name : names) Bind(name);
    Start("127.0.0.1:0");
  }
  ~Process() { Stop(); }

  void Start(const std::string& address) {
    Stop();
    AdminOptions options;
    options.allow_loopback = true;
    service_ = std::make_unique<AdminService>(engine_, options);
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(service_.get());
    server_ = builder.BuildAndStart();
    address_ = absl::StrCat("127.0.0.1:", port);
  }
  // Returns false if `what` is not the name of an odd server.
  bool StartOdd(const std::string& what) {
    using Kind = OddServer::Kind;
    const std::map<std::string, Kind> kinds = {{"bare", Kind::kBare},
                                               {"garbage", Kind::kGarbage},
                                               {"mute", Kind::kMute},
                                               {"newer", Kind::kNewer}};
    const auto kind = kinds.find(what);
    if (kind == kinds.end()) return false;
    Stop();
    odd_ = std::make_unique<OddServer>(address_, kind->second);
    return odd_->is_there();
  }
  void Stop() {
    odd_.reset();
    if (server_ == nullptr) return;
    service_->Shutdown();
    server_->Shutdown();
    server_.reset();
  }
  const std::string& address() const { return address_; }

  bool Do(const std::string& what, size_t method) {
    if (method >= methods_.size()) return false;
    core::Breaker* const breaker = methods_[method]->targets.front();
    engine::MethodRuntime& runtime = *methods_[method]->runtime;
    if (what == "trip") {
      for (int i = 0; i < 2; ++i) {
        breaker->Admit(engine::Now(), core::kInfiniteFuture)
            .permit.Settle(core::Verdict::kFailure, engine::Now());
      }
    } else if (what == "probe") {
      permit_ = breaker->Admit(engine::Now(), core::kInfiniteFuture).permit;
    } else if (what == "heal") {
      permit_.Settle(core::Verdict::kSuccess, engine::Now());
      for (int i = 0; i < 3; ++i) {
        auto probe = breaker->Admit(engine::Now(), core::kInfiniteFuture);
        if (probe.permit) {
          probe.permit.Settle(core::Verdict::kSuccess, engine::Now());
        }
      }
    } else if (what == "reset") {
      breaker->Reset(engine::Now());
    } else if (what == "refuse") {
      core::Decision decision;
      decision.reason = core::Reason::kBreakerOpen;
      runtime.stats.decisions.Note(decision, engine::Now(), [&] {
        return absl::StrCat(
            methods_[method]->method.find("Evil") != std::string::npos
                ? "<b>bold</b> "
                : "",
            "the breaker has been open for 12s: ", breaker->cause());
      });
      runtime.stats.OnCallStarted();
      runtime.stats.OnRejected(core::Reason::kBreakerOpen);
    } else {
      return false;
    }
    return true;
  }

  void Churn(int turn) {
    for (const auto& method : methods_) {
      core::MethodStats& stats = method->runtime->stats;
      const auto took = std::chrono::milliseconds(1 + turn % 50);
      for (int i = 0; i < 3 + turn % 3; ++i) {
        stats.OnCallStarted();
        stats.OnAttempt(core::AttemptKind::kFirst);
        stats.OnAttemptEnd(core::Attribution::kSuccess);
        method->runtime->latency.OnAttemptEnd(absl::StatusCode::kOk,
                                              core::Attribution::kSuccess, took,
                                              engine::Now());
        stats.OnCallEnded(core::CallEnd::kSuccess, absl::StatusCode::kOk, took);
      }
    }
  }

 private:
  void Bind(const std::string& method) {
    methods_.push_back(
        engine_->core()->BindChannel("shop", {"backend:1"})->Find(method));
  }

  const std::shared_ptr<Engine> engine_;
  std::vector<std::shared_ptr<const engine::MethodBinding>> methods_;
  core::Permit permit_;
  std::unique_ptr<AdminService> service_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<OddServer> odd_;
  std::string address_;
};

int Main(int argc, char** argv) {
  int processes = 0;
  int methods = 0;
  if (argc < 3 || !absl::SimpleAtoi(argv[1], &processes) ||
      !absl::SimpleAtoi(argv[2], &methods)) {
    std::cerr << "page_scene PROCESSES METHODS [NAME...]\n";
    return 2;
  }
  std::vector<std::string> names;
  for (int i = 3; i < argc; ++i) names.push_back(Unescaped(argv[i]));
  std::vector<std::unique_ptr<Process>> all;
  for (int i = 0; i < processes; ++i) {
    all.push_back(std::make_unique<Process>(methods, names));
    std::cout << all.back()->address() << "\n";
  }
  std::cout << "ready" << std::endl;
  std::atomic<bool> ends{false};
  std::thread churn;
  std::string line;
  while (std::getline(std::cin, line)) {
    std::istringstream words(line);
    std::string what;
    size_t process = 0;
    size_t method = 0;
    words >> what >> process >> method;
    if (process >= all.size()) break;
    Process& its = *all[process];
    if (what == "stop") {
      its.Stop();
    } else if (what == "start") {
      its.Start(its.address());
    } else if (what == "churn" && !churn.joinable()) {
      churn = std::thread([&] {
        for (int turn = 0; !ends; ++turn) {
          for (const auto& each : all) each->Churn(turn);
          std::this_thread::sleep_for(std::chrono::milliseconds(300));
        }
      });
    } else if (!its.StartOdd(what) && !its.Do(what, method)) {
      break;
    }
    std::cout << "ok" << std::endl;
  }
  ends = true;
  if (churn.joinable()) churn.join();
  return 0;
}

}  // namespace
}  // namespace firebreak::testing

int main(int argc, char** argv) { return firebreak::testing::Main(argc, argv); }
