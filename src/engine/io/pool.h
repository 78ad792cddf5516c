// A bounded queue of work for the threads that run the application's code.
//
//   Pool pool(1024);
//   ...                                // on each of its threads: pool.Run();
//   if (!pool.Submit(work)) ...        // no room
//   pool.Stop();                       // queued work is still done
//
// Thread safety: safe from any thread.
#ifndef FIREBREAK_SRC_ENGINE_IO_POOL_H_
#define FIREBREAK_SRC_ENGINE_IO_POOL_H_

#include <algorithm>
#include <cstddef>
#include <deque>
#include <functional>
#include <thread>
#include <utility>
#include <vector>

#include "src/core/base/mutex.h"

namespace firebreak::engine {

class Pool {
 public:
  explicit Pool(std::size_t capacity) : capacity_(capacity) {}

  bool Submit(std::function<void()> next) {
    core::MutexLock lock(&mu_);
    if (work_.size() >= capacity_) return false;
    work_.push_back(std::move(next));
    wake_.NotifyOne();
    return true;
  }

  void Stop() {
    core::MutexLock lock(&mu_);
    stop_ = true;
    wake_.NotifyAll();
  }

  void Run() {
    const std::thread::id self = std::this_thread::get_id();
    mu_.Lock();
    for (;;) {
      while (work_.empty() && !stop_) wake_.Wait(&mu_);
      if (work_.empty()) break;
      std::function<void()> next = std::move(work_.front());
      work_.pop_front();
      busy_.push_back(self);
      mu_.Unlock();
      next();
      next = nullptr;
      mu_.Lock();
      busy_.erase(std::find(busy_.begin(), busy_.end(), self));
    }
    mu_.Unlock();
  }

  // Whether this thread is running some work.
  bool IsBusy(std::thread::id id) {
    core::MutexLock lock(&mu_);
    return std::find(busy_.begin(), busy_.end(), id) != busy_.end();
  }

 private:
  const std::size_t capacity_;
  core::Mutex mu_;
  core::CondVar wake_;
  std::deque<std::function<void()>> work_ ABSL_GUARDED_BY(mu_);
  std::vector<std::thread::id> busy_ ABSL_GUARDED_BY(mu_);
  bool stop_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_IO_POOL_H_
