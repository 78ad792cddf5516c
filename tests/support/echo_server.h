// A real gRPC server on a real socket that follows a script of the test.
//
//   EchoServer server;
//   server.Script({Step::Fail(grpc::StatusCode::UNAVAILABLE),
//                  Step::Hang(), Step::Ok()});
//   ... calls ...
//   EXPECT_EQ(server.calls(), 3);
//
// Each call takes the next step of the script; after its end all answer OK. A
// step that hangs waits until the call is cancelled or Release() is called:
// tests never sleep, they wait for an event. If several scripts are used at
// once, the text of a request selects the script.
//
// Thread safety: all methods from any thread.
#ifndef FIREBREAK_TESTS_SUPPORT_ECHO_SERVER_H_
#define FIREBREAK_TESTS_SUPPORT_ECHO_SERVER_H_

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "firebreak/testing/echo.grpc.pb.h"

namespace firebreak::testing {

struct Step {
  grpc::Status status;
  bool hangs = false;
  // The answer waits for this time, and until so many calls with this text (or
  // of all, in a script for all) have begun. A cancel ends the wait.
  std::chrono::milliseconds latency{0};
  int waits_for = 0;
  std::multimap<std::string, std::string> initial;
  std::multimap<std::string, std::string> trailing;

  static Step Ok() { return {}; }
  static Step Fail(grpc::StatusCode code, const std::string& message = "",
                   const std::string& details = "");
  static Step Hang();
};

// One call as the server saw it.
struct SeenCall {
  std::string text;
  std::multimap<std::string, std::string> metadata;
  std::chrono::system_clock::time_point deadline;
  // The time until the deadline, at the start of the call.
  std::chrono::nanoseconds granted;
  std::string authority;
  std::chrono::steady_clock::time_point begun;
  std::chrono::steady_clock::time_point answered;  // zero: not yet
};

class EchoServer {
 public:
  // `address` may name a port, to listen there again after Stop(). `others`
  // answers all other methods, and outlives it.
  explicit EchoServer(const std::string& address = "127.0.0.1:0",
                      const std::shared_ptr<grpc::ServerCredentials>&
                          credentials = grpc::InsecureServerCredentials(),
                      grpc::CallbackGenericService* others = nullptr);
  ~EchoServer();

  const std::string& address() const { return address_; }

  void Script(std::vector<Step> steps);
  // A script for the calls with this text only. They take no steps from the
  // scripts for all.
  void Script(const std::string& text, std::vector<Step> steps);
  // A script for the attempts of each call, by the numbers that they carry on a
  // channel of EngineFixture::NewNumberingChannel(): a hedge may arrive before
  // the attempt that was sent earlier.
  void ScriptAttempts(std::vector<Step> steps);
  // Ends every hanging step, now and later, as OK.
  void Release();
  // Sets a function that runs in the handler before the step.
  void SetHandler(std::function<void(grpc::ServerContextBase*)> handler);

  int calls() const;      // calls that have begun
  int cancelled() const;  // calls cancelled while they hung
  std::vector<SeenCall> seen() const;
  std::vector<SeenCall> seen(const std::string& text) const;
  // Waits for so many calls; false after a long time.
  bool WaitForCalls(int n) const;
  bool WaitForCancelled(int n) const;

  void Stop();

 private:
  class Service;

  std::unique_ptr<Service> service_;
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
};

}  // namespace firebreak::testing

#endif  // FIREBREAK_TESTS_SUPPORT_ECHO_SERVER_H_
