#include "tests/bench/hedging/variants.h"

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "firebreak/testing/echo.grpc.pb.h"
#include "src/engine/engine_core.h"
#include "src/engine/io/clock.h"
#include "tests/bench/hedging/sleeping_host.h"

namespace firebreak::bench {
namespace {

constexpr char kChannel[] = "bench";

// This is far above what the leaf can take. A call that reaches it shows a
// fault, and fails instead of hanging the bench.
constexpr auto kDeadline = std::chrono::seconds(20);
// The budget's burst is twice the default callers: after a moment in which the
// machine stands still, the calls of all of them are due for a hedge at once.
constexpr int kBurst = 40;

int64_t CpuNanos() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

std::string Variant::Policy(double budget) const {
  if (hedges == 0) return "";
  const std::string when =
      delay_ms > 0 ? absl::StrCat("delay: \"", delay_ms, "ms\"")
                   : absl::StrCat("quantile: ", quantile,
                                  " min_delay: \"1ms\" max_delay: \"1s\"");
  return absl::StrCat(
      "method { name {} idempotent: true hedging { max_attempts: ", hedges + 1,
      " ", when, " } } channel { budget { ratio: ", budget, " burst: ", kBurst,
      " } }");
}

Ideal Variant::IdealAt(double extra) const {
  Ideal ideal;
  ideal.hedges = hedges;
  ideal.rho = rho;
  ideal.delay_ms = ideal.DelayFor(extra);
  return ideal;
}

Subject::Subject(Variant variant, std::shared_ptr<Engine> engine,
                 std::shared_ptr<grpc::Channel> channel)
    : variant_(std::move(variant)),
      engine_(std::move(engine)),
      channel_(std::move(channel)) {}

Block Subject::Run(const Work& work) {
  Block block;
  block.latencies_ns.resize(static_cast<size_t>(work.calls));
  std::atomic<int64_t> next{0};
  std::atomic<int64_t> failed{0};
  const auto stub = testing::Echo::NewStub(channel_);
  auto caller = [&] {
    SleepRequest of;
    of.variant = work.variant;
    of.rho = variant_.rho;
    testing::EchoRequest request;
    testing::EchoReply reply;
    for (int64_t n = next++; n < work.calls; n = next++) {
      of.call = work.first + n;
      request.set_text(of.ToText());
      const core::Time started = engine::Now();
      grpc::ClientContext context;
      context.set_deadline(std::chrono::system_clock::now() + kDeadline);
      const grpc::Status status = stub->Unary(&context, request, &reply);
      block.latencies_ns[static_cast<size_t>(n)] =
          (engine::Now() - started).count();
      if (!status.ok()) failed.fetch_add(1);
    }
  };
  const int64_t cpu = CpuNanos();
  const core::Time begun = engine::Now();
  std::vector<std::thread> threads;
  for (int i = 0; i < work.callers; ++i) threads.emplace_back(caller);
  for (std::thread& thread : threads) thread.join();
  block.wall_ns = (engine::Now() - begun).count();
  block.cpu_ns = CpuNanos() - cpu;
  block.failed = failed;
  return block;
}

Counted Subject::counted() const {
  Counted out;
  if (engine_ == nullptr) return out;
  for (const auto& method : engine_->core()->Methods()) {
    const core::MethodCounts counts = method->stats.counts();
    out.hedges += counts.attempts_of(core::AttemptKind::kHedge);
    out.wins += counts.hedge_wins;
    for (int64_t stops : counts.stops) out.refused += stops;
  }
  return out;
}

std::unique_ptr<Subject> MakeSubject(
    const Variant& variant, double budget,
    const std::vector<std::string>& addresses) {
  grpc::ChannelArguments args;
  args.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // gRPC's retry filter would drop the metadata that numbers the attempts.
  args.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  const auto credentials = grpc::InsecureChannelCredentials();
  if (variant.hedges == 0) {
    return std::make_unique<Subject>(
        variant, nullptr,
        grpc::CreateCustomChannel(addresses.front(), credentials, args));
  }
  auto engine = Engine::FromText(variant.Policy(budget));
  if (!engine.ok()) {
    std::fprintf(stderr, "hedging_bench: %s: %s\n", variant.name.c_str(),
                 engine.status().ToString().c_str());
    return nullptr;
  }
  ChannelOptions options;
  options.args = args;
  if (!variant.one_backend) {
    options.replicas.assign(addresses.begin() + 1, addresses.end());
  }
  auto channel = (*engine)->CreateChannel(kChannel, addresses.front(),
                                          credentials, std::move(options));
  return std::make_unique<Subject>(variant, *std::move(engine),
                                   std::move(channel));
}

}  // namespace firebreak::bench
