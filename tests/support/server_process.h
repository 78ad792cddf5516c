// The echo service in a process of its own, for faults that only a process can
// have.
//
//   ServerProcess server;                    // on a port of its own
//   channel = engine->CreateChannel("x", server.address(), ...);
//   server.Freeze();                         // SIGSTOP: up, but silent
//   server.Thaw();
//   server.Kill();                           // SIGKILL
//   server.Restart();                        // on the same port
//   server.Drain();                          // SIGTERM: GOAWAY, and it ends
//
// Another program that behaves in the same way, and has the flags --parent and
// --port, is started by its path:
//
//   ServerProcess::Options options;
//   options.program = CHAIN_SERVER_PATH;
//   options.arguments = {"--next=4711"};
//
// A reply has the number of the call in this process and the process's id,
// which would show that a call was answered twice. A request says how long its
// answer takes and how long it is (echo.proto). A server stream stays open, and
// silent after the requested answers.
//
// Thread safety: none; use it on one thread, since the server ends with the
// thread that started it. Ownership: the destructor kills the process and waits
// for its end; no other process is ever sent a signal. The port stays reserved
// while no server uses it.
#ifndef FIREBREAK_TESTS_SUPPORT_SERVER_PROCESS_H_
#define FIREBREAK_TESTS_SUPPORT_SERVER_PROCESS_H_

#include <sys/types.h>

#include <string>
#include <vector>

namespace firebreak::testing {

class ServerProcess {
 public:
  struct Options {
    int delay_ms = 0;  // of each answer, besides what the request says
    // The server sends GOAWAY to every connection of this age. 0: never.
    int max_connection_age_ms = 0;
    // Runs it in a network namespace of its own, on all addresses.
    bool own_network = false;
    std::string program;  // empty: the echo server, with the options above
    std::vector<std::string> arguments;
  };

  ServerProcess() : ServerProcess(Options()) {}
  explicit ServerProcess(const Options& options);
  ~ServerProcess();
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  pid_t pid() const { return pid_; }
  int port() const { return port_; }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

  // Each returns once it is done.
  void Kill();
  void Freeze();
  void Thaw();
  // Kills the server if it runs, and starts it again.
  void Restart();
  // Requests a graceful end: GOAWAY to all connections at once, and the end of
  // the process after the last call. Returns at once.
  void Drain();
  // After Drain(): whether it ended by itself, with exit code 0, within a long
  // time.
  bool WaitForExit();

 private:
  void Start();

  const Options options_;
  pid_t pid_ = -1;
  int guard_;  // keeps the port while no server uses it
  int port_ = 0;
};

// Runs the program `argv` with this process's environment, standard input and
// output. Returns its exit code, or -1.
int RunProgram(const std::vector<std::string>& argv);

}  // namespace firebreak::testing

#endif  // FIREBREAK_TESTS_SUPPORT_SERVER_PROCESS_H_
