// Plays ten outages, and prints what health and alerts say of each after 10, 30
// and 90 seconds.
//
//   outages_bench [--quick]
//
// Each outage stands for a small process: an engine with its admin service, ten
// callers without deadlines, and a dependency on the loopback interface. All
// run at the same time. They are well for 15 s. Then the event in the row's
// name happens to the dependency, and lasts 95 s (--quick: 35 s). Health and
// alerts are asked for over the wire, every half second.
//
// A total outage that is called healthy 10 s after its start or later is
// `missed`. A process that is called unhealthy before the event, or although
// everybody with a good request is served, is `false`. The first word is the
// time of the first alert, or of the first health other than healthy.
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "firebreak/admin_service.h"
#include "firebreak/engine.h"
#include "firebreak/testing/echo.grpc.pb.h"
#include "firebreak/v1/admin.grpc.pb.h"

namespace firebreak::bench {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

constexpr int kCallers = 10;
constexpr milliseconds kPause{200};  // of each caller, between two calls
constexpr milliseconds kUsual{5};    // how long an answer takes
constexpr seconds kWell{15};

enum class Kind {
  kFrozen,
  kRefused,
  kSlow,
  kCode,
  kForcedClosed,
  kHalfDead,
  kOneBadClient,
};

struct Outage {
  const char* name;
  Kind kind;
  grpc::StatusCode code;
  const char* policy;
  bool is_total;  // nobody is served
  bool is_well;   // everybody with a good request is served
};

constexpr char kBreaker[] = "breaker {}";
constexpr char kRetry[] =
    "idempotent: true breaker {} retry { codes: UNAVAILABLE backoff { initial: "
    "\"1ms\" max: \"5ms\" } }";

constexpr Outage kOutages[] = {
    {"frozen", Kind::kFrozen, grpc::StatusCode::OK, kBreaker, true, false},
    {"refused", Kind::kRefused, grpc::StatusCode::OK, kBreaker, true, false},
    {"slow x 200", Kind::kSlow, grpc::StatusCode::OK, kBreaker, false, false},
    {"UNAVAILABLE", Kind::kCode, grpc::StatusCode::UNAVAILABLE, kBreaker, true,
     false},
    {"PERMISSION_DENIED", Kind::kCode, grpc::StatusCode::PERMISSION_DENIED,
     kBreaker, true, false},
    {"UNIMPLEMENTED", Kind::kCode, grpc::StatusCode::UNIMPLEMENTED, kBreaker,
     true, false},
    {"RESOURCE_EXHAUSTED", Kind::kCode, grpc::StatusCode::RESOURCE_EXHAUSTED,
     kBreaker, true, false},
    {"forced closed", Kind::kForcedClosed, grpc::StatusCode::INTERNAL, kBreaker,
     true, false},
    {"half of replicas dead", Kind::kHalfDead, grpc::StatusCode::OK, kRetry,
     false, true},
    {"one bad client", Kind::kOneBadClient, grpc::StatusCode::INVALID_ARGUMENT,
     kBreaker, false, true},
};

// A dependency that is well until Become().
class Dependency final : public testing::Echo::Service {
 public:
  Dependency() {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                             &port);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
    address_ = absl::StrCat("127.0.0.1:", port);
  }
  ~Dependency() override { Stop(); }

  const std::string& address() const { return address_; }
  void Become(Kind kind, grpc::StatusCode code) {
    code_ = code;
    kind_ = kind;
    happened_ = true;
    if (kind == Kind::kRefused || kind == Kind::kHalfDead) Stop();
  }
  void Stop() {
    over_ = true;
    // The deadline has passed already, so that it does not wait for calls.
    if (server_ != nullptr) server_->Shutdown(std::chrono::system_clock::now());
  }

  grpc::Status Unary(grpc::ServerContext* context,
                     const testing::EchoRequest* request,
                     testing::EchoReply* /*reply*/) override {
    std::this_thread::sleep_for(kUsual);
    if (!happened_) return grpc::Status::OK;
    switch (kind_) {
      case Kind::kFrozen:
        while (!over_ && !context->IsCancelled()) {
          std::this_thread::sleep_for(milliseconds(50));
        }
        return grpc::Status::OK;
      case Kind::kSlow:
        std::this_thread::sleep_for(kUsual * 199);
        return grpc::Status::OK;
      case Kind::kOneBadClient:
        return request->text() == "bad" ? grpc::Status(code_, "bad request")
                                        : grpc::Status::OK;
      default:
        return grpc::Status(code_, "an outage");
    }
  }

 private:
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
  std::atomic<bool> happened_{false};
  std::atomic<bool> over_{false};
  std::atomic<Kind> kind_{Kind::kFrozen};
  std::atomic<grpc::StatusCode> code_{grpc::StatusCode::OK};
};

struct Word {
  std::string health;
  std::string alert;  // the worst, or "none"
  std::vector<std::string> causes;
};

class Process {
 public:
  explicit Process(const Outage& outage) : outage_(outage) {
    EngineOptions options;
    options.log_sink = nullptr;
    engine_ = *Engine::FromText(
        absl::StrCat("method { name {} ", outage.policy, " }"), options);
    AdminOptions admin;
    admin.allow_loopback = true;
    admin_ = std::make_unique<AdminService>(engine_, admin);
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                             &port);
    builder.RegisterService(admin_.get());
    server_ = builder.BuildAndStart();
    stub_ = v1::Admin::NewStub(grpc::CreateChannel(
        absl::StrCat("127.0.0.1:", port), grpc::InsecureChannelCredentials()));
    ChannelOptions channel;
    channel.args.SetInt("grpc.use_local_subchannel_pool", 1);
    if (outage.kind == Kind::kHalfDead) {
      channel.replicas.push_back(replica_.address());
    }
    channel_ = engine_->CreateChannel("dep", dependency_.address(),
                                      grpc::InsecureChannelCredentials(),
                                      std::move(channel));
    for (int i = 0; i < kCallers; ++i) {
      callers_.emplace_back([this, i] { CallOnAndOn(i); });
    }
  }
  ~Process() {
    stop_ = true;
    dependency_.Stop();
    for (std::thread& each : callers_) each.join();
    admin_->Shutdown();
    server_->Shutdown();
  }

  void Happen() {
    if (outage_.kind == Kind::kForcedClosed) {
      grpc::ClientContext context;
      v1::SetOverrideRequest request;
      request.mutable_selector()->set_method("Unary");
      request.set_state(v1::BREAKER_STATE_FORCED_CLOSED);
      v1::SetOverrideResponse response;
      stub_->SetOverride(&context, request, &response);
    }
    dependency_.Become(outage_.kind, outage_.code);
  }

  Word Ask() {
    Word word;
    {
      grpc::ClientContext context;
      v1::GetHealthResponse response;
      stub_->GetHealth(&context, {}, &response);
      word.health = absl::AsciiStrToLower(absl::StripPrefix(
          v1::HealthLevel_Name(response.level()), "HEALTH_LEVEL_"));
    }
    grpc::ClientContext context;
    v1::ListAlertsResponse response;
    stub_->ListAlerts(&context, {}, &response);
    word.alert = "none";
    for (const v1::Alert& each : response.alerts()) {
      word.causes.push_back(
          absl::StrCat(v1::AlertKind_Name(each.kind()), ": ", each.cause()));
    }
    if (response.alerts_size() > 0) {
      word.alert = absl::AsciiStrToLower(absl::StripPrefix(
          v1::AlertKind_Name(response.alerts(0).kind()), "ALERT_KIND_"));
      if (response.alerts_size() > 1) {
        absl::StrAppend(&word.alert, " +", response.alerts_size() - 1);
      }
    }
    return word;
  }

  const Outage& outage() const { return outage_; }

 private:
  void CallOnAndOn(int caller) {
    const auto stub = testing::Echo::NewStub(channel_);
    while (!stop_) {
      grpc::ClientContext context;
      testing::EchoRequest request;
      testing::EchoReply reply;
      const bool is_bad =
          outage_.kind == Kind::kOneBadClient && caller < kCallers / 3;
      if (is_bad) request.set_text("bad");
      stub->Unary(&context, request, &reply);
      std::this_thread::sleep_for(kPause);
    }
  }

  const Outage& outage_;
  Dependency dependency_;
  Dependency replica_;
  std::shared_ptr<Engine> engine_;
  std::unique_ptr<AdminService> admin_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<v1::Admin::Stub> stub_;
  std::shared_ptr<grpc::Channel> channel_;
  std::atomic<bool> stop_{false};
  std::vector<std::thread> callers_;
};

// What health and alerts said of one outage.
struct Row {
  double first_word_s = -1;
  bool missed = false;
  bool is_false = false;
  std::vector<Word> words;  // after 10, 30 and 90 s
};

int Run(bool quick) {
  std::vector<std::unique_ptr<Process>> processes;
  for (const Outage& each : kOutages) {
    processes.push_back(std::make_unique<Process>(each));
  }
  std::vector<Row> rows(processes.size());
  std::vector<int> looks = {10, 30};
  if (!quick) looks.push_back(90);
  const auto look_at_all = [&](double age) {
    for (size_t i = 0; i < processes.size(); ++i) {
      const Word word = processes[i]->Ask();
      const Outage& outage = processes[i]->outage();
      Row& row = rows[i];
      const bool is_silent = word.health == "healthy" && word.alert == "none";
      if ((age < 0 || outage.is_well) && word.health == "unhealthy") {
        row.is_false = true;
      }
      if (age < 0) continue;
      if (!is_silent && row.first_word_s < 0) row.first_word_s = age;
      if (row.words.size() < looks.size() && age >= looks[row.words.size()]) {
        row.words.push_back(word);
      }
      if (outage.is_total && age >= 10 && word.health == "healthy") {
        row.missed = true;
      }
    }
  };
  const Clock::time_point begin = Clock::now() + kWell;
  const auto age = [&] {
    return std::chrono::duration<double>(Clock::now() - begin).count();
  };
  // Health is not asked for yet: a process's first calls are no incident.
  std::this_thread::sleep_for(seconds(2));
  while (age() < 0) {
    look_at_all(-1);
    std::this_thread::sleep_for(milliseconds(500));
  }
  const Clock::time_point happened = Clock::now();
  for (const auto& each : processes) each->Happen();
  const auto since = [&] {
    return std::chrono::duration<double>(Clock::now() - happened).count();
  };
  while (since() < looks.back() + 5) {
    look_at_all(since());
    std::this_thread::sleep_for(milliseconds(500));
  }
  int missed = 0;
  int is_false = 0;
  double first_word = 0;
  std::printf("%-22s %-7s", "outage", "word s");
  for (int each : looks)
    std::printf(" %-38s", absl::StrCat(each, " s").c_str());
  std::printf("\n");
  for (size_t i = 0; i < rows.size(); ++i) {
    const Outage& outage = processes[i]->outage();
    std::printf("%-22s %-7s", outage.name,
                rows[i].first_word_s < 0
                    ? "-"
                    : absl::StrCat(rows[i].first_word_s).substr(0, 4).c_str());
    for (const Word& each : rows[i].words) {
      std::printf(" %-38s",
                  absl::StrCat(each.health, ", ", each.alert).c_str());
    }
    std::printf("%s%s\n", rows[i].missed ? " MISSED" : "",
                rows[i].is_false ? " FALSE" : "");
    if (rows[i].missed || outage.is_well) {
      for (const std::string& each : rows[i].words.back().causes) {
        std::printf("  %s\n", each.c_str());
      }
    }
    missed += rows[i].missed ? 1 : 0;
    is_false += rows[i].is_false ? 1 : 0;
    if (outage.is_total) {
      first_word =
          std::max(first_word, rows[i].first_word_s < 0 ? looks.back() + 5.0
                                                        : rows[i].first_word_s);
    }
  }
  std::printf("outages: missed=%d false=%d first_word_s_max=%.1f\n", missed,
              is_false, first_word);
  std::fflush(stdout);
  return missed + is_false == 0 ? 0 : 1;
}

}  // namespace
}  // namespace firebreak::bench

int main(int argc, char** argv) {
  const bool quick = argc == 2 && std::strcmp(argv[1], "--quick") == 0;
  if (argc > 1 && !quick) {
    std::fprintf(stderr, "usage: outages_bench [--quick]\n");
    return 2;
  }
  return firebreak::bench::Run(quick);
}
