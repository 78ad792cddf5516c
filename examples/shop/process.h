// A server of the example as a child process.
//
//   absl::StatusOr<ChildProcess> child = ChildProcess::Start(
//       {"./payment_server", "--address", "127.0.0.1:0"}, "payment.log");
//   absl::StatusOr<std::string> address = child->WaitForAddress();
//   child->Freeze();
//
// Ownership: the child ends with this object, and also when the thread that
// started it ends, for any reason. Signals are only sent to children that were
// started here.
#ifndef FIREBREAK_EXAMPLES_SHOP_PROCESS_H_
#define FIREBREAK_EXAMPLES_SHOP_PROCESS_H_

#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace shop {

class ChildProcess {
 public:
  // `command[0]` is the path of the program. Its output goes to `log_path`.
  static absl::StatusOr<ChildProcess> Start(
      const std::vector<std::string>& command, const std::string& log_path);

  ChildProcess() = default;  // no child
  ChildProcess(ChildProcess&& other) noexcept { *this = std::move(other); }
  ChildProcess& operator=(ChildProcess&& other) noexcept;
  ~ChildProcess();

  // Waits until it prints the HOST:PORT that it listens on, and returns that.
  absl::StatusOr<std::string> WaitForAddress();

  // Sends SIGSTOP: its sockets stay open, but nothing answers.
  absl::Status Freeze();
  // Sends SIGKILL and waits for its end.
  void Kill();
  // Sends SIGTERM, and after a few seconds Kill(). True if its exit code was 0.
  bool Terminate();

  pid_t pid() const { return pid_; }

 private:
  // Whether it has ended; stores its status.
  bool HasEnded();

  pid_t pid_ = -1;  // -1 = none, or ended
  int end_status_ = 0;
  std::string log_path_;
};

}  // namespace shop

#endif  // FIREBREAK_EXAMPLES_SHOP_PROCESS_H_
