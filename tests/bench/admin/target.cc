#include "tests/bench/admin/target.h"

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <time.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <future>
#include <iostream>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "firebreak/admin_service.h"
#include "firebreak/engine.h"
#include "tests/bench/overhead/load.h"

namespace firebreak::bench {
namespace {

// Most of the policies that keep state for each method.
constexpr char kPolicy[] = R"pb(
  method {
    name {}
    timeout: "10s"
    breaker { slow_call_duration: "1s" slow_call_rate: 0.5 }
    retry {}
    deadline_gate {}
    bulkhead { max_concurrent: 100 max_queue: 10 }
  }
)pb";

// Makes the engine know the method. The server need not know it.
void CallOnce(grpc::GenericStub* stub, const std::string& method) {
  grpc::ClientContext context;
  const grpc::ByteBuffer request;
  grpc::ByteBuffer reply;
  std::promise<void> done;
  stub->UnaryCall(&context, method, {}, &request, &reply,
                  [&done](const grpc::Status&) { done.set_value(); });
  done.get_future().wait();
}

// Returns the CPU time in nanoseconds of a process that makes no calls.
int64_t CpuOfRest(std::chrono::milliseconds rest) {
  const auto cpu = [] {
    timespec now{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return now.tv_sec * int64_t{1'000'000'000} + now.tv_nsec;
  };
  const int64_t begin = cpu();
  std::this_thread::sleep_for(rest);
  return cpu() - begin;
}

}  // namespace

int RunTarget(const std::string& echo, const std::string& admin) {
  EngineOptions options;
  options.log_sink = nullptr;
  const auto engine = Engine::FromText(kPolicy, options);
  if (!engine.ok()) {
    std::fprintf(stderr, "admin_bench: %s\n",
                 std::string(engine.status().message()).c_str());
    return 1;
  }
  ChannelOptions generic;
  generic.codec = Codec::kByteBuffer;
  grpc::GenericStub stub((*engine)->CreateChannel(
      "echo", echo, grpc::InsecureChannelCredentials(), std::move(generic)));
  for (int i = 1; i < kMethods; ++i) {
    CallOnce(&stub, absl::StrCat("/bench.v1.Service/Method", i));
  }
  // The last of the methods is the one that the blocks call.
  Load load(StubKind::kSync,
            (*engine)->CreateChannel("echo", echo,
                                     grpc::InsecureChannelCredentials()),
            /*size=*/64, /*in_flight=*/1);
  load.Run(200);

  AdminService service(*engine);
  grpc::ServerBuilder builder;
  builder.AddListeningPort(admin, grpc::InsecureServerCredentials());
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) return 1;
  std::cout << "ready" << std::endl;
  std::string what;
  int64_t number = 0;
  while (std::cin >> what >> number) {
    if (what == "rest") {
      std::cout << CpuOfRest(std::chrono::milliseconds(number)) << std::endl;
      continue;
    }
    const int calls = static_cast<int>(number);
    Block block = load.Run(calls);
    auto& all = block.latencies_ns;
    std::nth_element(all.begin(), all.begin() + calls / 2, all.end());
    std::cout << all[static_cast<size_t>(calls / 2)] << " " << block.wall_ns
              << " " << block.cpu_ns << " " << block.ok << std::endl;
  }
  service.Shutdown();
  server->Shutdown();
  return 0;
}

}  // namespace firebreak::bench
