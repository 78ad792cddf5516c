#include "tests/bench/overhead/worker.h"

#include <grpcpp/grpcpp.h>
#include <sys/resource.h>
#include <valgrind/callgrind.h>

#include <array>
#include <cstdio>
#include <iostream>

#include "tests/bench/overhead/allocations.h"
#include "tests/bench/overhead/echo_host.h"

namespace firebreak::bench {
namespace {

constexpr int kWarmUp = 300;
// Calls before each block: other processes have used the caches since the last.
constexpr int kWarmUpAgain = 10;

enum Header { kWall, kCpu, kOk, kSwitches, kHeader };

int64_t Switches() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_nvcsw + usage.ru_nivcsw;
}

int Serve(Load* load) {
  std::printf("ready\n");
  std::fflush(stdout);
  int calls = 0;
  while (std::cin >> calls) {
    load->Run(kWarmUpAgain);
    const int64_t before = Switches();
    const Block block = load->Run(calls);
    std::array<int64_t, kHeader> header{};
    header[kWall] = block.wall_ns;
    header[kCpu] = block.cpu_ns;
    header[kOk] = block.ok;
    header[kSwitches] = Switches() - before;
    std::fwrite(header.data(), sizeof(int64_t), header.size(), stdout);
    std::fwrite(block.latencies_ns.data(), sizeof(int64_t),
                block.latencies_ns.size(), stdout);
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace

int RunWorker(const WorkerOptions& options) {
  Where where;
  for (StubKind kind :
       {StubKind::kSync, StubKind::kCallback, StubKind::kQueue}) {
    if (StubName(kind) == options.stub) where.stub = kind;
  }
  std::unique_ptr<EchoHost> host;
  if (options.address.empty()) {
    host = std::make_unique<EchoHost>();
    where.server = host->server();
  } else {
    where.address = options.address;
  }
  std::unique_ptr<Subject> subject;
  for (Variant variant : AllVariants()) {
    if (VariantName(variant) == options.variant) {
      subject = MakeSubject(variant, where);
    }
  }
  if (subject == nullptr) return 0;
  Load load(where.stub, subject->channel, options.size, options.in_flight);
  load.Run(kWarmUp);
  if (options.mode == "time") return Serve(&load);
  if (options.mode == "instructions") {
    CALLGRIND_START_INSTRUMENTATION;
    load.Run(kCountedCalls);
    CALLGRIND_STOP_INSTRUMENTATION;
    return 0;
  }
  StartCounting();
  load.Run(kCountedCalls);
  const Allocations counted = StopCounting();
  std::printf("%lld %lld\n", static_cast<long long>(counted.all),
              static_cast<long long>(counted.ours));
  for (const std::string& line : counted.places) {
    std::printf("%s\n", line.c_str());
  }
  return 0;
}

absl::StatusOr<Measured> RunBlock(Child* worker, int calls) {
  worker->WriteLine(std::to_string(calls));
  Measured measured;
  const std::vector<int64_t> header = worker->ReadValues(kHeader);
  if (header.size() != kHeader) return worker->WhyGone();
  measured.block.wall_ns = header[kWall];
  measured.block.cpu_ns = header[kCpu];
  measured.block.ok = static_cast<int>(header[kOk]);
  measured.switches = header[kSwitches];
  const auto count = static_cast<size_t>(calls);
  measured.block.latencies_ns = worker->ReadValues(count);
  if (measured.block.latencies_ns.size() != count) return worker->WhyGone();
  return measured;
}

}  // namespace firebreak::bench
