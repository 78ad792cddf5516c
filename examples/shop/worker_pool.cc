#include "examples/shop/worker_pool.h"

#include <utility>

namespace shop {

WorkerPool::WorkerPool(const Capacity& capacity)
    : capacity_(capacity), counted_(std::chrono::steady_clock::now()) {
  for (int i = 0; i < capacity.workers; ++i) {
    threads_.emplace_back([this] { Work(); });
  }
}

WorkerPool::~WorkerPool() {
  {
    std::lock_guard<std::mutex> lock(mu_);
    stopping_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

bool WorkerPool::Run(std::function<void()> work) {
  {
    std::lock_guard<std::mutex> lock(mu_);
    if (queue_.size() >= static_cast<size_t>(capacity_.queue) &&
        busy_ >= capacity_.workers) {
      ++refused_;
      return false;
    }
    queue_.push_back(std::move(work));
  }
  changed_.notify_one();
  return true;
}

void WorkerPool::Work() {
  std::unique_lock<std::mutex> lock(mu_);
  for (;;) {
    changed_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (stopping_) return;
    const std::function<void()> work = std::move(queue_.front());
    queue_.pop_front();
    ++busy_;
    lock.unlock();
    work();
    lock.lock();
    --busy_;
    ++done_;
  }
}

void WorkerPool::CountBlocked() {
  const auto now = std::chrono::steady_clock::now();
  blocked_seconds_ +=
      blocked_ * std::chrono::duration<double>(now - counted_).count();
  counted_ = now;
}

v1::GetLoadReply WorkerPool::Load() const {
  std::lock_guard<std::mutex> lock(mu_);
  v1::GetLoadReply load;
  load.set_workers(capacity_.workers);
  load.set_busy(busy_);
  load.set_blocked(blocked_);
  load.set_queued(static_cast<int64_t>(queue_.size()));
  load.set_done(done_);
  load.set_refused(refused_);
  load.set_blocked_seconds(blocked_seconds_ +
                           blocked_ *
                               std::chrono::duration<double>(
                                   std::chrono::steady_clock::now() - counted_)
                                   .count());
  return load;
}

WorkerPool::Blocked::Blocked(WorkerPool* pool) : pool_(pool) {
  std::lock_guard<std::mutex> lock(pool_->mu_);
  pool_->CountBlocked();
  ++pool_->blocked_;
}

WorkerPool::Blocked::~Blocked() {
  std::lock_guard<std::mutex> lock(pool_->mu_);
  pool_->CountBlocked();
  --pool_->blocked_;
}

}  // namespace shop
