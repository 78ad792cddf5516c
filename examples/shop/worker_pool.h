// A server's capacity: a number of workers, and a queue for the calls that find
// all of them busy.
//
//   shop::WorkerPool pool({.workers = 8, .queue = 1000});
//   if (!pool.Run([=] { ...; reactor->Finish(status); })) ...  // queue is full
//   {
//     const shop::WorkerPool::Blocked blocked(&pool);
//     stub->Charge(...);                     // waits for another service
//   }
//
// It makes a server overload like a real one: calls are served in order, even
// if the caller no longer waits.
//
// Thread safety: safe from any thread. The destructor waits for the calls in
// progress, and drops the queued ones.
#ifndef FIREBREAK_EXAMPLES_SHOP_WORKER_POOL_H_
#define FIREBREAK_EXAMPLES_SHOP_WORKER_POOL_H_

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "shop/v1/shop.pb.h"

namespace shop {

class WorkerPool {
 public:
  struct Capacity {
    int workers = 16;
    int queue = 100'000;
  };

  explicit WorkerPool(const Capacity& capacity);
  ~WorkerPool();

  bool Run(std::function<void()> work);
  v1::GetLoadReply Load() const;

  // As long as it exists, the calling worker counts as blocked.
  class Blocked {
   public:
    explicit Blocked(WorkerPool* pool);
    ~Blocked();
    Blocked(const Blocked&) = delete;
    Blocked& operator=(const Blocked&) = delete;

   private:
    WorkerPool* const pool_;
  };

 private:
  void Work();
  // Updates `blocked_seconds_`.
  void CountBlocked();

  const Capacity capacity_;
  mutable std::mutex mu_;
  std::condition_variable changed_;
  // All guarded by mu_.
  std::deque<std::function<void()>> queue_;
  bool stopping_ = false;
  int busy_ = 0;
  int blocked_ = 0;
  int64_t done_ = 0;
  int64_t refused_ = 0;
  double blocked_seconds_ = 0;
  std::chrono::steady_clock::time_point counted_;

  std::vector<std::thread> threads_;  // last: they use all of the above
};

}  // namespace shop

#endif  // FIREBREAK_EXAMPLES_SHOP_WORKER_POOL_H_
