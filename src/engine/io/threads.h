// The threads of one engine. They are started if the system allows it, and are
// joined together at the end.
//
//   Threads threads(StartThread);
//   absl::Status status =
//       threads.Start("a poller", [state] { state->Poll(); });
//   ...                          // tell them all to stop, and then
//   threads.Join([](std::thread::id id) { return IsStuck(id); });
//
// The system may refuse a thread (RLIMIT_NPROC, a cgroup's pids.max, no memory
// for its stack). The standard library reports that by an exception, which
// becomes RESOURCE_EXHAUSTED here.
//
// Thread safety: safe from any thread. Ownership: what `run` captures is
// destroyed with its thread.
#ifndef FIREBREAK_SRC_ENGINE_IO_THREADS_H_
#define FIREBREAK_SRC_ENGINE_IO_THREADS_H_

#include <sys/types.h>

#include <functional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "src/core/base/mutex.h"

namespace firebreak::engine {

// `what` is for the error: "a poller".
using ThreadStarter = std::function<absl::StatusOr<std::thread>(
    const char* what, std::function<void()> run)>;
absl::StatusOr<std::thread> StartThread(const char* what,
                                        std::function<void()> run);

class Threads {
 public:
  explicit Threads(ThreadStarter starter);
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

  // Returns CANCELLED once Join() has begun.
  absl::Status Start(const char* what, std::function<void()> run);
  // Waits for the end of all threads, except the one that calls and those that
  // `let_go` names, which end by themselves. After this no thread can be
  // started.
  void Join(const std::function<bool(std::thread::id)>& let_go);

  // Whether this is a forked process, in which these threads do not exist.
  // Locks that they held stay locked there.
  bool IsForked() const;

 private:
  const ThreadStarter starter_;
  const pid_t process_;
  core::Mutex mu_;
  bool is_ending_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<std::thread> threads_ ABSL_GUARDED_BY(mu_);
};

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_IO_THREADS_H_
