// Makes a block of calls, and measures what it takes.
//
//   Load load(StubKind::kCallback, channel, /*size=*/64, /*in_flight=*/32);
//   Block block = load.Run(2000);
//   block.latencies_ns ...
//
// Thread safety: none; Run() starts and ends the threads it needs.
#ifndef FIREBREAK_TESTS_BENCH_OVERHEAD_LOAD_H_
#define FIREBREAK_TESTS_BENCH_OVERHEAD_LOAD_H_

#include <grpcpp/channel.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "firebreak/testing/echo.grpc.pb.h"
#include "tests/bench/overhead/variants.h"

namespace firebreak::bench {

struct Block {
  std::vector<int64_t> latencies_ns;  // of each call
  int64_t wall_ns = 0;
  int64_t cpu_ns = 0;  // of the whole process
  int ok = 0;
};

class Load {
 public:
  Load(StubKind stub, const std::shared_ptr<grpc::Channel>& channel, int size,
       int in_flight);

  Block Run(int calls);

 private:
  void RunSync(int calls, Block* block);
  void RunCallback(int calls, Block* block);
  void RunQueue(int calls, Block* block);

  const StubKind kind_;
  const int in_flight_;
  const std::unique_ptr<testing::Echo::Stub> stub_;
  testing::EchoRequest request_;
};

}  // namespace firebreak::bench

#endif  // FIREBREAK_TESTS_BENCH_OVERHEAD_LOAD_H_
