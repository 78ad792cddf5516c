// Callers that make one call after the other until they are stopped, and a note
// of how each call ended.
//
//   Load load(channel, options);             // runs from here on
//   server.Kill();
//   EXPECT_TRUE(load.WaitFor(10, IsCode(grpc::StatusCode::UNAVAILABLE)));
//   load.Stop();
//   load.ExpectSound();
//
// Thread safety: one thread for the methods. Ownership: the callers end in
// Stop(), or in the destructor; they hold the channel until then.
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
  bool refused = false;  // by firebreak, before anything was sent
  bool own_answer = false;
  int server = 0;  // who answered, and which of its calls this was
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
    int delay_ms = 2;     // that the server takes for each answer
    int reply_bytes = 0;  // of each answer, at least
  };

  Load(const std::shared_ptr<grpc::Channel>& channel, const Options& options);
  ~Load();
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  // Until `n` calls that end from now on are such; false after a generous time.
  bool WaitFor(int n, const EndIs& is) const;
  // Lets the calls that run end by themselves. A call that does not end in a
  // generous time ends the program: nothing after it could be believed.
  void Stop();

  // In the order of their ends.
  std::vector<CallEnd> ends() const;
  int Count(const EndIs& is) const;
  // After Stop(): every call ended once and in bounded time, OK always came
  // with the answer to this very request, no answer was given to two calls,
  // and what firebreak refused says why.
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

// Prints "17 x OK, 3 x UNAVAILABLE breaker_open, ..." for messages of tests.
std::string Summary(const std::vector<CallEnd>& ends);

}  // namespace firebreak::testing

#endif  // FIREBREAK_TESTS_CHAOS_LOAD_H_
