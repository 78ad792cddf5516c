// Callers that make one call after the other until they are stopped, and a
// record of how each call ended.
//
//   Load load(channel, options);             // starts the callers
//   server.Kill();
//   EXPECT_TRUE(load.WaitFor(10, IsCode(grpc::StatusCode::UNAVAILABLE)));
//   load.Stop();
//   load.ExpectSound();
//
// Thread safety: use it on one thread. Ownership: the callers end in Stop(), or
// in the destructor, and hold the channel until then.
#ifndef FIREBREAK_TESTS_CHAOS_LOAD_H_
#define FIREBREAK_TESTS_CHAOS_LOAD_H_

#include <grpcpp/channel.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/stub_styles.h"

namespace firebreak::testing {

struct CallEnd {
  grpc::StatusCode code = grpc::StatusCode::UNKNOWN;
  std::string reason;    // firebreak-reason of the trailing metadata
  std::string message;   // of the status
  bool refused = false;  // firebreak refused it before anything was sent
  bool own_answer = false;
  int server = 0;  // the process that answered, and its number of this call
  int serial = 0;
  std::chrono::steady_clock::duration took{};
};

using EndIs = std::function<bool(const CallEnd&)>;
inline EndIs IsCode(grpc::StatusCode code) {
  return [code](const CallEnd& end) { return end.code == code; };
}
inline EndIs IsOk() { return IsCode(grpc::StatusCode::OK); }
inline EndIs IsRefused() {
  return [](const CallEnd& end) { return end.refused; };
}
inline EndIs IsAnswerOf(int server) {
  return [server](const CallEnd& end) {
    return end.code == grpc::StatusCode::OK && end.server == server;
  };
}

class Load {
 public:
  struct Options {
    StubStyle style = StubStyle::kSync;
    int callers = 4;
    std::chrono::milliseconds deadline{300};
    int delay_ms = 2;     // the server's delay of each answer
    int reply_bytes = 0;  // the smallest size of an answer
  };

  Load(const std::shared_ptr<grpc::Channel>& channel, const Options& options);
  ~Load();
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  // Waits until `n` more calls have ended in this way. Returns false after a
  // generous time.
  bool WaitFor(int n, const EndIs& is) const;
  // Waits until the calls in flight have ended by themselves. If a call does
  // not end in a generous time, the program ends, since later results would be
  // meaningless.
  void Stop();

  // In the order in which the calls ended.
  std::vector<CallEnd> ends() const;
  int Count(const EndIs& is) const;
  // Checks after Stop(): every call ended once and in bounded time, each OK has
  // the answer to its own request, no answer was given to two calls, and calls
  // that firebreak refused have a reason.
  void ExpectSound() const;

 private:
  struct Call {
    int number = 0;
    std::atomic<int> ends{0};
  };
  class OneStyle;

  void RunCaller();
  void Note(const std::shared_ptr<Call>& call, const UnaryCall& unary,
            std::chrono::steady_clock::duration took);

  const Options options_;
  const std::shared_ptr<grpc::Channel> channel_;
  std::atomic<bool> stop_{false};
  std::atomic<int> running_{0};
  std::atomic<int> next_number_{0};
  mutable std::mutex mu_;
  std::vector<CallEnd> ends_;
  std::vector<std::shared_ptr<Call>> calls_;
  std::vector<std::thread> callers_;
};

// Returns "17 x OK, 3 x UNAVAILABLE breaker_open, ..." for messages of tests.
std::string Summary(const std::vector<CallEnd>& ends);

}  // namespace firebreak::testing

#endif  // FIREBREAK_TESTS_CHAOS_LOAD_H_
