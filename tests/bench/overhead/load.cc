#include "tests/bench/overhead/load.h"

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <chrono>
#include <ctime>
#include <functional>
#include <future>
#include <thread>

namespace firebreak::bench {
namespace {

int64_t Nanos(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

int64_t WallNanos() { return Nanos(CLOCK_MONOTONIC); }

struct Call {
  grpc::ClientContext context;
  testing::EchoReply reply;
  grpc::Status status;
  std::unique_ptr<grpc::ClientAsyncResponseReader<testing::EchoReply>> reader;
  int64_t started = 0;
};

// Hands out the numbers of the calls of one block, and takes their ends.
class Tally {
 public:
  Tally(int calls, Block* block) : calls_(calls), block_(block) {
    block_->latencies_ns.resize(static_cast<size_t>(calls));
  }

  bool TakeNext() { return next_.fetch_add(1) < calls_; }
  // True for the last.
  bool End(const Call& call) {
    const int n = ended_.fetch_add(1);
    block_->latencies_ns[static_cast<size_t>(n)] = WallNanos() - call.started;
    if (call.status.ok()) ok_.fetch_add(1);
    return ends_.fetch_add(1) + 1 == calls_;
  }
  int ok() const { return ok_; }

 private:
  const int calls_;
  Block* const block_;
  std::atomic<int> next_{0};
  std::atomic<int> ended_{0};
  std::atomic<int> ends_{0};
  std::atomic<int> ok_{0};
};

}  // namespace

Load::Load(StubKind stub, const std::shared_ptr<grpc::Channel>& channel,
           int size, int in_flight)
    : kind_(stub),
      in_flight_(in_flight),
      stub_(testing::Echo::NewStub(channel)) {
  request_.set_text(std::string(static_cast<size_t>(size), 'x'));
}

Block Load::Run(int calls) {
  Block block;
  const int64_t cpu = Nanos(CLOCK_PROCESS_CPUTIME_ID);
  const int64_t wall = WallNanos();
  switch (kind_) {
    case StubKind::kSync:
      RunSync(calls, &block);
      break;
    case StubKind::kCallback:
      RunCallback(calls, &block);
      break;
    case StubKind::kQueue:
      RunQueue(calls, &block);
      break;
  }
  block.wall_ns = WallNanos() - wall;
  block.cpu_ns = Nanos(CLOCK_PROCESS_CPUTIME_ID) - cpu;
  return block;
}

void Load::RunSync(int calls, Block* block) {
  Tally tally(calls, block);
  auto work = [&] {
    while (tally.TakeNext()) {
      Call call;
      call.started = WallNanos();
      call.status = stub_->Unary(&call.context, request_, &call.reply);
      tally.End(call);
    }
  };
  std::vector<std::thread> others;
  for (int i = 1; i < in_flight_; ++i) others.emplace_back(work);
  work();
  for (std::thread& other : others) other.join();
  block->ok = tally.ok();
}

void Load::RunCallback(int calls, Block* block) {
  Tally tally(calls, block);
  std::promise<void> done;
  // A call starts the next one from its end.
  std::function<void()> start = [&] {
    if (!tally.TakeNext()) return;
    auto owned = std::make_shared<Call>();
    Call* const call = owned.get();
    call->started = WallNanos();
    stub_->async()->Unary(&call->context, &request_, &call->reply,
                          [&, owned](grpc::Status status) {
                            owned->status = std::move(status);
                            const bool last = tally.End(*owned);
                            if (last) {
                              done.set_value();
                            } else {
                              start();
                            }
                          });
  };
  for (int i = 0; i < in_flight_; ++i) start();
  done.get_future().wait();
  block->ok = tally.ok();
}

void Load::RunQueue(int calls, Block* block) {
  Tally tally(calls, block);
  grpc::CompletionQueue cq;
  auto start = [&] {
    if (!tally.TakeNext()) return;
    auto* const call = new Call;
    call->started = WallNanos();
    call->reader = stub_->AsyncUnary(&call->context, request_, &cq);
    call->reader->Finish(&call->reply, &call->status, call);
  };
  for (int i = 0; i < in_flight_; ++i) start();
  void* tag = nullptr;
  bool ok = false;
  while (cq.Next(&tag, &ok)) {
    const std::unique_ptr<Call> call(static_cast<Call*>(tag));
    if (tally.End(*call)) {
      cq.Shutdown();
    } else {
      start();
    }
  }
  block->ok = tally.ok();
}

}  // namespace firebreak::bench
