#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "firebreak/engine.h"
#include "src/engine/engine_core.h"
#include "src/sim/forecast.h"
#include "tests/bench/hedging/variants.h"
#include "tests/bench/replay/figures.h"
#include "tests/bench/replay/recorded_engine.h"
#include "tests/bench/replay/scenes.h"

namespace firebreak::bench {
namespace {

constexpr double kBudget = 0.15;
constexpr double kQuantile = 0.892;  // the hedging bench's
constexpr int64_t kWarmUp = 1000;
constexpr int64_t kWarmUpFrom = 10'000'000;
constexpr int kCallers = 6;
constexpr char kChannel[] = "bench";

// Calls that may be retried are driven, as those with hedges are. What that
// costs this process is not simulated (docs/cost.md), so it is in both.
constexpr char kBefore[] = R"(
    method { name {} timeout: "10s" idempotent: true
             retry { max_attempts: 2 } })";
constexpr char kWhatIf[] = R"(
    method { name {} timeout: "250ms" idempotent: true
             hedging { quantile: 0.95 min_delay: "1ms" max_delay: "200ms" } })";

struct Measured {
  std::vector<int64_t> latencies_ns;  // sorted
  double success = 0;
  double extra = 0;

  double Ms(double q) const {
    const auto last = static_cast<double>(latencies_ns.size() - 1);
    return static_cast<double>(latencies_ns[static_cast<size_t>(q * last)]) /
           1e6;
  }
};

Measured Measure(Subject* subject, int64_t first, int64_t calls) {
  const Counted before = subject->counted();
  Block block = subject->Run({0, first, calls, kCallers});
  Measured measured;
  measured.latencies_ns = std::move(block.latencies_ns);
  std::sort(measured.latencies_ns.begin(), measured.latencies_ns.end());
  const auto n = static_cast<double>(calls);
  measured.success = 1 - static_cast<double>(block.failed) / n;
  measured.extra =
      static_cast<double>(subject->counted().hedges - before.hedges) / n;
  return measured;
}

// The results of several runs.
struct Comparison {
  Runs p50, p90, p99, p999, extra, success;

  void Add(const Measured& measured, const sim::Forecast& f) {
    p50.Add(measured.Ms(0.5), Ms(f.Latency(0.5)));
    p90.Add(measured.Ms(0.9), Ms(f.Latency(0.9)));
    p99.Add(measured.Ms(0.99), Ms(f.Latency(0.99)));
    p999.Add(measured.Ms(0.999), Ms(f.Latency(0.999)));
    extra.Add(measured.extra, f.extra_load());
    success.Add(measured.success, f.success());
  }
  TailErrors Show(bool of_means = false) const {
    TailErrors errors;
    p50.Show("p50 (ms)");
    p90.Show("p90 (ms)");
    errors.p99 = p99.Show("p99 (ms)", of_means);
    p999.Show("p99.9 (ms)");
    errors.extra = extra.Show("extra load");
    success.Show("success");
    return errors;
  }
};

void ShowLateness(std::vector<core::Duration> late) {
  if (late.empty()) return;
  std::sort(late.begin(), late.end());
  const auto at = [&](double q) {
    return Ms(
        late[static_cast<size_t>(q * static_cast<double>(late.size() - 1))]);
  };
  std::printf("timers: late by %.3f ms (median), %.3f (p90), %.3f (p99)\n",
              at(0.5), at(0.9), at(0.99));
}

std::unique_ptr<Subject> SubjectWith(
    const char* policy, const std::vector<std::string>& addresses) {
  const auto engine = *Engine::FromText(policy);
  grpc::ChannelArguments args;
  args.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // gRPC's retry filter would drop the metadata that numbers the attempts.
  args.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  ChannelOptions options;
  options.args = args;
  options.replicas.assign(addresses.begin() + 1, addresses.end());
  auto channel = engine->CreateChannel(kChannel, addresses.front(),
                                       grpc::InsecureChannelCredentials(),
                                       std::move(options));
  auto subject =
      std::make_unique<Subject>(Variant(), engine, std::move(channel));
  // These calls make the connections.
  subject->Run({0, kWarmUpFrom, kCallers, kCallers});
  return subject;
}

}  // namespace

absl::optional<TailErrors> ReplayTail(const std::vector<std::string>& addresses,
                                      int runs, int64_t calls) {
  Variant variant;
  variant.name = "live_2";
  variant.hedges = 2;
  variant.quantile = kQuantile;
  const auto subject = MakeSubject(variant, kBudget, addresses);
  if (subject == nullptr) return absl::nullopt;
  subject->Run({0, kWarmUpFrom, kWarmUp, kCallers});
  Comparison comparison;
  for (int i = 0; i < runs; ++i) {
    RecordedEngine recorded(subject->engine());
    TimerWatch watch;
    const Measured measured = Measure(subject.get(), i * calls, calls);
    const std::vector<core::Duration> late = watch.Stop();
    const sim::Recording recording = recorded.Stop();
    ShowLateness(late);
    if (measured.success < 1) return absl::nullopt;
    comparison.Add(measured,
                   Simulate(recording, subject->engine()->core()->policy(),
                            kChannel, static_cast<uint64_t>(i) + 1, late));
  }
  std::printf(
      "the tail, hedged by live quantile: %d runs of %lld calls; medians, and "
      "from the least to the most\n",
      runs, static_cast<long long>(calls));
  return comparison.Show();
}

absl::optional<TailErrors> AnswerWhatIf(
    const std::vector<std::string>& addresses, int runs, int64_t calls) {
  const auto before = SubjectWith(kBefore, addresses);
  Comparison comparison;
  for (int i = 0; i < runs; ++i) {
    RecordedEngine recorded(before->engine());
    TimerWatch watch;
    const Measured as_it_was = Measure(before.get(), i * calls, calls);
    const std::vector<core::Duration> late = watch.Stop();
    const sim::Recording recording = recorded.Stop();
    if (as_it_was.success < 1) return absl::nullopt;
    const auto then = SubjectWith(kWhatIf, addresses);
    // By the measured calls the policy has been in force for a while, as in the
    // simulation, which also learns from the first calls.
    then->Run({0, i * calls, kWarmUp, kCallers});
    const sim::Forecast forecast =
        Simulate(recording, then->engine()->core()->policy(), kChannel,
                 static_cast<uint64_t>(i) + 1, late);
    // These are the same calls, whose first attempts take as long. By chance,
    // the p95 of other calls would lie elsewhere between the fast ones and the
    // stragglers.
    const Measured measured = Measure(then.get(), i * calls, calls);
    if (i == 0) std::printf("as it was: p99 %.3f ms\n", as_it_was.Ms(0.99));
    ShowLateness(late);
    comparison.Add(measured, forecast);
  }
  std::printf(
      "what if timeout: 250ms and a hedge at p95: %d runs of %lld calls; means "
      "of p99, medians of the others\n",
      runs, static_cast<long long>(calls));
  // One call in twenty is a straggler, so in one run the p95 is the slowest of
  // the fast calls, in another a straggler. A median would pick one of the two.
  return comparison.Show(/*of_means=*/true);
}

}  // namespace firebreak::bench
