#include "tests/bench/overhead/load.h"

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <chrono>
#include <ctime>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace firebreak::bench {
namespace {

int64_t Nanos(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

int64_t WallNanos() { return Nanos(CLOCK_MONOTONIC); }

}  // namespace

// This namespace has a name, since allocations.cc needs the names to see that
// these functions are not firebreak's.
namespace load {

struct Call {
  grpc::ClientContext context;
  testing::EchoReply reply;
  grpc::Status status;
  std::unique_ptr<grpc::ClientAsyncResponseReader<testing::EchoReply>> reader;
  int64_t started = 0;
};

// Gives out the calls of one block, and records how they end.
class Tally {
 public:
  Tally(int calls, Block* block) : calls_(calls), block_(block) {
    block_->latencies_ns.resize(static_cast<size_t>(calls));
  }

  bool TakeNext() { return next_.fetch_add(1) < calls_; }
  // Returns true for the last call to end.
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

// The end of a call starts the next one. The callbacks share ownership: when
// the last call ends, others may still be about to find that there is no next.
class CallbackCalls : public std::enable_shared_from_this<CallbackCalls> {
 public:
  CallbackCalls(testing::Echo::Stub* stub, const testing::EchoRequest* request,
                int calls, Block* block)
      : stub_(stub), request_(request), tally_(calls, block) {}

  // Touches stub and request only while there is a call that has not ended.
  void StartNext() {
    if (!tally_.TakeNext()) return;
    auto owned = std::make_shared<Call>();
    Call* const call = owned.get();
    call->started = WallNanos();
    stub_->async()->Unary(
        &call->context, request_, &call->reply,
        [self = shared_from_this(), owned](grpc::Status status) {
          owned->status = std::move(status);
          if (self->tally_.End(*owned)) {
            self->done_.set_value();
          } else {
            self->StartNext();
          }
        });
  }
  void Wait() { done_.get_future().wait(); }
  const Tally& tally() const { return tally_; }

 private:
  testing::Echo::Stub* const stub_;
  const testing::EchoRequest* const request_;
  Tally tally_;
  std::promise<void> done_;
};

}  // namespace load

using load::Call;
using load::CallbackCalls;
using load::Tally;

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
  const auto calling =
      std::make_shared<CallbackCalls>(stub_.get(), &request_, calls, block);
  for (int i = 0; i < in_flight_; ++i) calling->StartNext();
  calling->Wait();
  block->ok = calling->tally().ok();
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
