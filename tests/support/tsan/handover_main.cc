// Hands one plain int from thread to thread, with or without a race.
// tsan_edges_test.cc runs it, and expects TSan to report nothing or the race:
//
//   handover_main WAY ordered      the int is written before it is handed over
//   handover_main WAY racy         it is written after that: a planted race
//   handover_main list             prints the ways, one on each line
//
// Threads wait for each other by relaxed atomics only, which order nothing.
#include <absl/synchronization/mutex.h>
#include <grpcpp/alarm.h>
#include <grpcpp/grpcpp.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "firebreak/engine.h"
#include "firebreak/testing/echo.grpc.pb.h"
#include "src/engine/io/clock.h"
#include "src/engine/io/io.h"
#include "tests/support/echo_server.h"

namespace firebreak::testing {
namespace {

class Handover {
 public:
  explicit Handover(bool racy) : racy_(racy) {}

  // Runs on the thread that gives. `begin` starts an operation that ends with
  // Take() on another thread.
  void Give(const std::function<void()>& begin) {
    if (!racy_) plain_ = 1;
    begin();
    if (racy_) plain_ = 1;
    while (!taken_.load(std::memory_order_relaxed)) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  // Runs on the thread that takes.
  void Take() {
    sum_ += plain_;
    taken_.store(true, std::memory_order_relaxed);
  }
  bool taken() const { return taken_.load(std::memory_order_relaxed); }

 private:
  const bool racy_;
  int plain_ = 0;
  int sum_ = 0;
  std::atomic<bool> taken_{false};
};

// A completion queue and the thread that takes one tag from it.
class Poller {
 public:
  explicit Poller(Handover* handover)
      : thread_([this, handover] {
          void* tag = nullptr;
          bool ok = false;
          queue_.Next(&tag, &ok);
          handover->Take();
        }) {}
  ~Poller() {
    thread_.join();
    queue_.Shutdown();
    void* tag = nullptr;
    bool ok = false;
    while (queue_.Next(&tag, &ok)) {
    }
  }

  grpc::CompletionQueue* queue() { return &queue_; }

 private:
  grpc::CompletionQueue queue_;
  std::thread thread_;
};

struct Call {
  explicit Call(const std::shared_ptr<grpc::Channel>& channel)
      : stub(Echo::NewStub(channel)) {}

  std::unique_ptr<Echo::Stub> stub;
  grpc::ClientContext context;
  EchoRequest request;
  EchoReply reply;
  grpc::Status status;
};

struct Plain {
  EchoServer server;
  std::shared_ptr<grpc::Channel> channel =
      grpc::CreateChannel(server.address(), grpc::InsecureChannelCredentials());
};

// An engine that drives calls: attempts run on its own queue and threads.
struct Driven {
  EchoServer server;
  std::shared_ptr<Engine> engine =
      Engine::FromText("method { name {} retry {} }").value();
  std::shared_ptr<grpc::Channel> channel = engine->CreateChannel(
      "test", server.address(), grpc::InsecureChannelCredentials());
};

// --- the ways ----------------------------------------------------------------

template <class Client>
void ByQueue(Handover* handover) {
  Client client;
  Call call(client.channel);
  Poller poller(handover);
  handover->Give([&] {
    auto reader =
        call.stub->AsyncUnary(&call.context, call.request, poller.queue());
    reader->Finish(&call.reply, &call.status, &call);
  });
}

template <class Client>
void ByCallback(Handover* handover) {
  Client client;
  Call call(client.channel);
  handover->Give([&] {
    call.stub->async()->Unary(
        &call.context, &call.request, &call.reply,
        [handover](const grpc::Status& /*status*/) { handover->Take(); });
  });
}

template <class Client>
void ByReactor(Handover* handover) {
  class Reactor final : public grpc::ClientUnaryReactor {
   public:
    explicit Reactor(Handover* handover) : handover_(handover) {}
    void OnDone(const grpc::Status& /*status*/) override { handover_->Take(); }

   private:
    Handover* const handover_;
  };
  Client client;
  Call call(client.channel);
  Reactor reactor(handover);
  handover->Give([&] {
    call.stub->async()->Unary(&call.context, &call.request, &call.reply,
                              &reactor);
    reactor.StartCall();
  });
}

void ByAlarm(Handover* handover) {
  Poller poller(handover);
  grpc::Alarm alarm;
  handover->Give([&] {
    alarm.Set(poller.queue(), gpr_inf_past(GPR_CLOCK_MONOTONIC), &alarm);
  });
}

void ByWatch(Handover* handover) {
  Plain client;
  Poller poller(handover);
  const auto soon =
      std::chrono::system_clock::now() + std::chrono::milliseconds(20);
  handover->Give([&] {
    client.channel->NotifyOnStateChange(client.channel->GetState(false), soon,
                                        poller.queue(), handover);
  });
}

void ByShutdown(Handover* handover) {
  Poller poller(handover);
  handover->Give([&] { poller.queue()->Shutdown(); });
}

// The thread that gives unlocks the mutex, and the one that takes locks it.
void ByMutex(Handover* handover) {
  absl::Mutex mu;
  bool given = false;
  std::thread taker([&] {
    for (bool seen = false; !seen;) {
      absl::MutexLock lock(&mu);
      seen = given;
    }
    handover->Take();
  });
  handover->Give([&] {
    absl::MutexLock lock(&mu);
    given = true;
  });
  taker.join();
}

void ByCondVar(Handover* handover) {
  absl::Mutex mu;
  absl::CondVar wake;
  bool given = false;
  std::thread taker([&] {
    {
      absl::MutexLock lock(&mu);
      while (!given) wake.Wait(&mu);
    }
    handover->Take();
  });
  handover->Give([&] {
    absl::MutexLock lock(&mu);
    given = true;
    wake.Signal();
  });
  taker.join();
}

// Takes it on one of the engine's pollers, where attempts end.
void ByEngine(Handover* handover) {
  auto io = std::make_shared<engine::Io>(engine::Io::Options());
  handover->Give([&] { io->Dispose([=] { handover->Take(); }, io); });
}

struct Way {
  const char* name;
  void (*run)(Handover*);
};
constexpr Way kWays[] = {
    {"queue", ByQueue<Plain>},
    {"callback", ByCallback<Plain>},
    {"reactor", ByReactor<Plain>},
    {"alarm", ByAlarm},
    {"watch", ByWatch},
    {"shutdown", ByShutdown},
    {"mutex", ByMutex},
    {"condvar", ByCondVar},
    {"engine", ByEngine},
    {"driven_queue", ByQueue<Driven>},
    {"driven_callback", ByCallback<Driven>},
    {"driven_reactor", ByReactor<Driven>},
};

int Main(int argc, char** argv) {
  const std::string name = argc > 1 ? argv[1] : "";
  const std::string how = argc > 2 ? argv[2] : "";
  for (const Way& way : kWays) {
    if (name == "list") std::cout << way.name << "\n";
    if (name != way.name || (how != "ordered" && how != "racy")) continue;
    Handover handover(how == "racy");
    way.run(&handover);
    return handover.taken() ? 0 : 3;
  }
  return name == "list" ? 0 : 2;
}

}  // namespace
}  // namespace firebreak::testing

int main(int argc, char** argv) { return firebreak::testing::Main(argc, argv); }
