#include "src/engine/io/threads.h"

#include <unistd.h>

#include <system_error>

#include "absl/strings/str_cat.h"

namespace firebreak::engine {

absl::StatusOr<std::thread> StartThread(const char* what,
                                        std::function<void()> run) {
  // Our own code throws no exceptions, but the standard library does.
  try {
    return std::thread(std::move(run));
  } catch (const std::system_error& error) {
    return absl::ResourceExhaustedError(
        absl::StrCat("firebreak: ", what,
                     " thread cannot be started: ", error.code().message()));
  }
}

Threads::Threads(ThreadStarter starter)
    : starter_(std::move(starter)), process_(getpid()) {}

absl::Status Threads::Start(const char* what, std::function<void()> run) {
  core::MutexLock lock(&mu_);
  if (is_ending_) return absl::CancelledError("the threads are being ended");
  absl::StatusOr<std::thread> thread = starter_(what, std::move(run));
  if (!thread.ok()) return thread.status();
  threads_.push_back(*std::move(thread));
  return absl::OkStatus();
}

void Threads::Join(const std::function<bool(std::thread::id)>& let_go) {
  std::vector<std::thread> threads;
  {
    core::MutexLock lock(&mu_);
    is_ending_ = true;
    threads.swap(threads_);
  }
  for (std::thread& thread : threads) {
    if (thread.get_id() == std::this_thread::get_id() ||
        let_go(thread.get_id())) {
      thread.detach();
    } else {
      thread.join();
    }
  }
}

bool Threads::IsForked() const { return getpid() != process_; }

}  // namespace firebreak::engine
