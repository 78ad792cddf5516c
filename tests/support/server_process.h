// The echo service in a process of its own, for what only a process can suffer.
//
//   ServerProcess server;                    // on a port of its own
//   channel = engine->CreateChannel("x", server.address(), ...);
//   server.Freeze();                         // SIGSTOP: up, and silent
//   server.Thaw();
//   server.Kill();                           // SIGKILL
//   server.Restart();                        // on the same port
//   server.Drain();                          // SIGTERM: GOAWAY, and an end
//
// Another program with the same manners, flags --parent and --port among them,
// is started by its path:
//
//   ServerProcess::Options options;
//   options.program = CHAIN_SERVER_PATH;
//   options.arguments = {"--next=4711"};
//
// A reply has the serial of the call on this process and the process's id, so
// that one that was answered twice would show. A request says how long its
// answer takes and how long it is (echo.proto). A server-stream stays open, and
// silent after the answers that were asked for.
//
// Thread safety: none, and all calls on one thread: the server dies with the
// thread that started it. Ownership: the destructor kills the process and waits
// for its end; no other process is ever sent a signal. The port stays reserved
// while no server has it.
#ifndef FIREBREAK_TESTS_SUPPORT_SERVER_PROCESS_H_
#define FIREBREAK_TESTS_SUPPORT_SERVER_PROCESS_H_

#include <sys/types.h>

#include <string>
#include <vector>

namespace firebreak::testing {

class ServerProcess {
 public:
  struct Options {
    int delay_ms = 0;  // of each answer, on top of what the request asks for
    // The server says GOAWAY to every connection of this age. 0: never.
    int max_connection_age_ms = 0;
    // In a network namespace of its own, on all its addresses.
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

  // Each returns when it is so.
  void Kill();
  void Freeze();
  void Thaw();
  // Kills what runs, if something does.
  void Restart();
  // Asks for a graceful end: GOAWAY to all connections at once, and an end of
  // the process when the last call has ended. Returns at once.
  void Drain();
  // After Drain(): whether it ended by itself, with exit code 0, in a generous
  // time.
  bool WaitForExit();

 private:
  void Start();

  const Options options_;
  pid_t pid_ = -1;
  int guard_;  // keeps the port while no server has it
  int port_ = 0;
};

// Runs a program of `argv` with this process's environment, standard input and
// output; its exit code, or -1.
int RunProgram(const std::vector<std::string>& argv);

}  // namespace firebreak::testing

#endif  // FIREBREAK_TESTS_SUPPORT_SERVER_PROCESS_H_
