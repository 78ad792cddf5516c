// How far the simulator is from what happens over real sockets.
//
//   scripts/bench replay                about a minute and a half
//   scripts/bench replay --quick        half a minute, for a look
//
// Two scenes, each recorded through RecordCalls into a .fbr file, and then
// simulated from that file, with the policy that was in force:
//
//   the tail     the hedging bench's servers (leaf.h) and its hedges by live
//                quantile, two at most, to three replicas, by 20 callers
//   the outage   a server that freezes for a while, as payment does in the
//                demo; breaker, retry and timeout
//
// The last line has what was simulated beside what was measured, as a share of
// what was measured: the 99th percentile and the extra load of the tail; how
// long the breaker was not closed in the outage, and how long after its end it
// was closed for good.
#include <grpcpp/grpcpp.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/optional.h"
#include "firebreak/admin_service.h"
#include "firebreak/engine.h"
#include "firebreak/testing/echo.grpc.pb.h"
#include "firebreak/v1/admin.grpc.pb.h"
#include "src/engine/engine_core.h"
#include "src/sim/forecast.h"
#include "tests/bench/hedging/leaf.h"
#include "tests/bench/hedging/sleeping_host.h"
#include "tests/bench/hedging/variants.h"
#include "tests/bench/overhead/child.h"
#include "tools/firebreakctl/recording_file.h"

namespace firebreak::bench {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr char kQuick[] = "--quick";
constexpr char kServe[] = "--serve";
constexpr uint64_t kSeed = 1;
constexpr double kBudget = 0.15;
constexpr double kQuantile = 0.892;  // the hedging bench's
constexpr int64_t kWarmUp = 1000;
constexpr int64_t kWarmUpFrom = 10'000'000;
constexpr int kCallers = 8;
constexpr milliseconds kPause{20};

constexpr char kOutagePolicy[] = R"(
    method { name {} timeout: "250ms" idempotent: true breaker {}
             retry { max_attempts: 2 } })";

// What becomes of an engine's calls, in a file.
class RecordedEngine {
 public:
  explicit RecordedEngine(std::shared_ptr<Engine> engine)
      : engine_(std::move(engine)),
        stem_(absl::StrCat(std::filesystem::temp_directory_path().string(),
                           "/replay-", getpid())),
        admin_(engine_) {
    for (const char* ext : {".sock", ".fbr"}) unlink((stem_ + ext).c_str());
    grpc::ServerBuilder builder;
    const std::string address = absl::StrCat("unix:", stem_, ".sock");
    builder.AddListeningPort(address, grpc::InsecureServerCredentials());
    builder.RegisterService(&admin_);
    server_ = builder.BuildAndStart();
    stub_ = v1::Admin::NewStub(
        grpc::CreateChannel(address, grpc::InsecureChannelCredentials()));
    file_ = *ctl::RecordingFile::Create(stem_ + ".fbr");
    v1::RecordCallsRequest request;
    request.mutable_duration()->set_seconds(3600);
    reader_ = stub_->RecordCalls(&context_, request);
    // It has begun.
    v1::RecordCallsResponse response;
    if (!reader_->Read(&response)) std::abort();
    thread_ = std::thread([this] {
      v1::RecordCallsResponse next;
      while (reader_->Read(&next)) {
        if (!file_->Append(next.calls()).ok()) std::abort();
      }
      reader_->Finish();
    });
  }
  ~RecordedEngine() {
    admin_.Shutdown();
    server_->Shutdown();
    for (const char* ext : {".sock", ".fbr"}) unlink((stem_ + ext).c_str());
  }

  sim::Recording Stop() {
    // Longer than a block waits for calls.
    std::this_thread::sleep_for(seconds(1));
    context_.TryCancel();
    thread_.join();
    std::ifstream in(stem_ + ".fbr", std::ios::binary);
    ctl::RecordedNotes notes;
    auto recording = ctl::ReadRecordedCalls(&in, &notes);
    if (!recording.ok()) {
      std::fprintf(stderr, "replay_bench: %s\n",
                   recording.status().ToString().c_str());
      std::abort();
    }
    std::printf(
        "recorded: %zu calls, %lld lost, %lld given up, %lld refused, "
        "%lld kB\n",
        recording->calls.size(), static_cast<long long>(notes.lost),
        static_cast<long long>(recording->given_up),
        static_cast<long long>(recording->of_nobody),
        static_cast<long long>(file_->bytes() / 1024));
    return *std::move(recording);
  }

 private:
  const std::shared_ptr<Engine> engine_;
  const std::string stem_;
  AdminService admin_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<v1::Admin::Stub> stub_;
  std::unique_ptr<ctl::RecordingFile> file_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<v1::RecordCallsResponse>> reader_;
  std::thread thread_;
};

sim::Forecast Simulate(const sim::Recording& recording, const Engine& engine,
                       const std::string& channel) {
  const engine::PolicyTable table = engine.core()->policy();
  sim::Policy policy;
  policy.channel = channel;
  policy.find = [table, channel](const std::string& method) {
    return table.FindForCall(channel, method);
  };
  policy.budget = table.BudgetFor(channel);
  policy.admission = table.AdmissionFor(channel);
  sim::Workload workload;
  workload.recording = &recording;
  return sim::RunForecast(workload, policy);
}

double ErrorOf(double simulated, double measured) {
  return measured > 0 ? std::abs(simulated - measured) / measured
                      : (simulated > 0 ? 1 : 0);
}

double Show(const char* what, double simulated, double measured) {
  const double error = ErrorOf(simulated, measured);
  std::printf("  %-28s measured %10.3f  simulated %10.3f  error %5.1f%%\n",
              what, measured, simulated, error * 100);
  return error;
}

double Ms(core::Duration d) { return core::ToSeconds(d) * 1e3; }

// --- the tail
// ------------------------------------------------------------------

struct TailErrors {
  double p99 = 0;
  double extra = 0;
};

absl::optional<TailErrors> ReplayTail(const std::string& program,
                                      int64_t calls) {
  Child server({program, kServe});
  std::istringstream line(server.ReadLine());
  std::vector<std::string> addresses;
  for (std::string address; line >> address;) addresses.push_back(address);
  Variant variant;
  variant.name = "live_2";
  variant.hedges = 2;
  variant.quantile = kQuantile;
  const auto subject =
      addresses.empty() ? nullptr : MakeSubject(variant, kBudget, addresses);
  if (subject == nullptr) return absl::nullopt;
  subject->Run({0, kWarmUpFrom, kWarmUp, 20});
  const Counted before = subject->counted();
  RecordedEngine recorded(subject->engine());
  Block block = subject->Run({0, 0, calls, 20});
  const Counted after = subject->counted();
  const sim::Recording recording = recorded.Stop();
  if (block.failed > 0) return absl::nullopt;
  std::sort(block.latencies_ns.begin(), block.latencies_ns.end());
  const auto measured = [&](double q) {
    return static_cast<double>(block.latencies_ns[static_cast<size_t>(
               q * static_cast<double>(calls - 1))]) /
           1e6;
  };
  const sim::Forecast f = Simulate(recording, *subject->engine(), "bench");
  std::printf("the tail: %lld calls, hedged by live quantile\n",
              static_cast<long long>(calls));
  Show("p50 (ms)", Ms(f.Latency(0.5)), measured(0.5));
  Show("p90 (ms)", Ms(f.Latency(0.9)), measured(0.9));
  TailErrors errors;
  errors.p99 = Show("p99 (ms)", Ms(f.Latency(0.99)), measured(0.99));
  Show("p99.9 (ms)", Ms(f.Latency(0.999)), measured(0.999));
  errors.extra = Show("extra load", f.extra_load(),
                      static_cast<double>(after.hedges - before.hedges) /
                          static_cast<double>(calls));
  return errors;
}

// --- the outage
// ----------------------------------------------------------------

class Freezer final : public testing::Echo::Service {
 public:
  Freezer() {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                             &port);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
    address_ = absl::StrCat("127.0.0.1:", port);
  }
  ~Freezer() override {
    is_frozen_ = false;
    server_->Shutdown();
  }
  const std::string& address() const { return address_; }
  void Freeze(bool frozen) { is_frozen_ = frozen; }

  grpc::Status Unary(grpc::ServerContext* context,
                     const testing::EchoRequest* /*request*/,
                     testing::EchoReply* /*reply*/) override {
    std::this_thread::sleep_for(milliseconds(5));
    while (is_frozen_ && !context->IsCancelled()) {
      std::this_thread::sleep_for(milliseconds(5));
    }
    return grpc::Status::OK;
  }

 private:
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
  std::atomic<bool> is_frozen_{false};
};

// What a breaker's changes come to.
struct BreakerStory {
  core::Duration open{};      // not closed, all together
  core::Duration recovery{};  // from the end of the outage to the last close

  BreakerStory(const std::vector<core::Event>& events, core::Time outage_end) {
    absl::optional<core::Time> since;
    for (const core::Event& event : events) {
      if (event.kind != core::Event::Kind::kTransition) continue;
      if (event.from == "closed") since = event.at;
      if (event.to == "closed" && since) {
        open += event.at - *since;
        recovery = std::max(core::Duration(0), event.at - outage_end);
        since.reset();
      }
    }
  }
};

struct OutageErrors {
  double open = 0;
  double recovery = 0;
};

OutageErrors ReplayOutage(seconds well, seconds frozen) {
  Freezer server;
  const auto engine = *Engine::FromText(kOutagePolicy);
  const auto channel = engine->CreateChannel(
      "shop", server.address(), grpc::InsecureChannelCredentials());
  RecordedEngine recorded(engine);
  std::atomic<bool> stop{false};
  std::vector<std::thread> callers;
  const core::Time begun = engine::Now();
  for (int i = 0; i < kCallers; ++i) {
    callers.emplace_back([&] {
      const auto stub = testing::Echo::NewStub(channel);
      while (!stop) {
        grpc::ClientContext context;
        testing::EchoRequest request;
        testing::EchoReply reply;
        stub->Unary(&context, request, &reply);
        std::this_thread::sleep_for(kPause);
      }
    });
  }
  std::this_thread::sleep_for(well);
  server.Freeze(true);
  std::this_thread::sleep_for(frozen);
  const core::Time end = engine::Now();
  server.Freeze(false);
  std::this_thread::sleep_for(well);
  stop = true;
  for (std::thread& caller : callers) caller.join();
  const sim::Recording recording = recorded.Stop();
  core::MethodCounts counts;
  for (const auto& method : engine->core()->Methods()) {
    counts = method->stats.counts();
  }
  const BreakerStory measured(engine->core()->events().Since(0, 1000).events,
                              end);
  const sim::Forecast f = Simulate(recording, *engine, "shop");
  // The first call began at `begun`, or as good as.
  const BreakerStory simulated(f.events, core::Time(end - begun));
  std::printf("the outage: frozen for %lld s\n",
              static_cast<long long>(frozen.count()));
  Show("success", f.success(),
       static_cast<double>(counts.end(core::CallEnd::kSuccess)) /
           static_cast<double>(counts.calls));
  Show("refused", static_cast<double>(f.refused()),
       static_cast<double>(counts.end(core::CallEnd::kRejected)));
  Show("retries", static_cast<double>(f.retries),
       static_cast<double>(counts.attempts_of(core::AttemptKind::kRetry)));
  OutageErrors errors;
  errors.open = Show("not closed (s)", core::ToSeconds(simulated.open),
                     core::ToSeconds(measured.open));
  errors.recovery = Show("recovery (s)", core::ToSeconds(simulated.recovery),
                         core::ToSeconds(measured.recovery));
  return errors;
}

int Main(int argc, char** argv) {
  const bool is_quick = argc == 2 && std::strcmp(argv[1], kQuick) == 0;
  if (argc == 2 && std::strcmp(argv[1], kServe) == 0) {
    return ServeSleepsUntilOrphaned(kSeed);
  }
  if (argc > 1 && !is_quick) {
    std::fprintf(stderr, "usage: replay_bench [%s]\n", kQuick);
    return 2;
  }
  const auto tail = ReplayTail(std::filesystem::read_symlink("/proc/self/exe"),
                               is_quick ? 10'000 : 50'000);
  if (!tail) {
    std::fprintf(stderr, "replay_bench: the tail could not be measured\n");
    return 1;
  }
  const OutageErrors outage =
      ReplayOutage(seconds(is_quick ? 5 : 15), seconds(is_quick ? 10 : 30));
  std::printf(
      "\nreplay: p99_error=%.3f extra_error=%.3f open_error=%.3f "
      "recovery_error=%.3f\n",
      tail->p99, tail->extra, outage.open, outage.recovery);
  return 0;
}

}  // namespace
}  // namespace firebreak::bench

int main(int argc, char** argv) { return firebreak::bench::Main(argc, argv); }
