// Makes many unary calls of all stub styles at once, each planned by its id.
//
//   Load::Hooks hooks;
//   hooks.plan = [](size_t id) { return CallPlan{...}; };
//   hooks.channel = [&](int lane) { return channels[lane]; };
//   hooks.ended = [&](const LoadCall& call) { ...tally... };
//   Load(0, 1000, hooks).Run();    // returns when all have ended
//
// Synchronous calls are made by threads of their own, one at a time. Each of
// the other styles has one thread that keeps a window of calls in flight. A
// planned cancel comes from a further thread, at its time, whatever the call is
// doing then. These threads also destroy the contexts, and with them maybe the
// last reference to a channel, as gRPC requires.
//
// Thread safety: the hooks are called from several threads at once; `plan` is
// a pure function of the id.
#ifndef FIREBREAK_TESTS_SUPPORT_LOAD_H_
#define FIREBREAK_TESTS_SUPPORT_LOAD_H_

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "absl/types/optional.h"
#include "tests/support/stub_styles.h"

namespace firebreak::testing {

struct CallPlan {
  int lane = 0;  // chosen by the test; see Hooks::channel
  std::string text;
  absl::optional<std::chrono::milliseconds> deadline;
  absl::optional<std::chrono::milliseconds> cancel;  // 0: before it starts
};

struct LoadCall {
  LoadCall(size_t id_in, CallPlan plan_in)
      : id(id_in), plan(std::move(plan_in)), call(plan.text) {}

  const size_t id;
  const CallPlan plan;
  UnaryCall call;
  std::atomic<bool> cancel_sent{false};
  std::atomic<int> ends{0};

  // Only used by the completion queue styles.
  struct Tag {
    LoadCall* owner = nullptr;
    bool is_finish = false;
  };
  Tag finish_tag{this, true};
  Tag metadata_tag{this, false};
  int tags_left = 0;
  std::unique_ptr<grpc::ClientAsyncResponseReader<EchoReply>> reader;
};

class Load {
 public:
  struct Hooks {
    std::function<CallPlan(size_t id)> plan;
    std::function<std::shared_ptr<grpc::Channel>(int lane)> channel;
    std::function<void(const LoadCall& call)> ended;
  };

  // Makes calls with the ids [first, first + calls).
  Load(size_t first, size_t calls, Hooks hooks)
      : next_(first), end_(first + calls), hooks_(std::move(hooks)) {}

  void Run();
  // The number of calls that have ended.
  int64_t ended() const { return ended_; }
  // The number of ends after a call's end, which must be zero.
  int64_t ended_twice() const { return ended_twice_; }

 private:
  using Clock = std::chrono::steady_clock;

  // The next call, ready to start; null if all have been taken.
  std::shared_ptr<LoadCall> Take();
  std::unique_ptr<Echo::Stub> StubFor(const LoadCall& call) const;
  void SendCancel(LoadCall* call);
  void End(LoadCall* call);

  void RunSync();
  void RunCallback();
  void RunQueue(bool split);
  void RunCancels();

  static constexpr int kSyncThreads = 4;
  static constexpr int kWindow = 48;

  std::atomic<size_t> next_;
  const size_t end_;
  const Hooks hooks_;
  std::atomic<int64_t> ended_{0};
  std::atomic<int64_t> ended_twice_{0};

  std::mutex cancels_mu_;
  std::condition_variable cancels_changed_;
  std::multimap<Clock::time_point, std::shared_ptr<LoadCall>> cancels_;
  bool cancels_stop_ = false;
};

}  // namespace firebreak::testing

#endif  // FIREBREAK_TESTS_SUPPORT_LOAD_H_
