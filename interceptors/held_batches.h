// The batches of a call that waits to be let in, in the order they came.
//
//   auto held = std::make_shared<HeldBatches>(first);
//   if (held->Park(batch)) return;            // later ones, on their way down
//   ... the first is hijacked, or proceeds ...
//   held->Release([&](Methods* batch) { batch->Proceed(); });
//
// docs/adr/0005-held-batches.md says why. Shared, since its call may be gone as
// soon as the last batch is released.
//
// Thread safety: safe from any thread.
#ifndef FIREBREAK_INTERCEPTORS_HELD_BATCHES_H_
#define FIREBREAK_INTERCEPTORS_HELD_BATCHES_H_

#include <grpcpp/support/client_interceptor.h>

#include <thread>

#include "absl/container/inlined_vector.h"
#include "src/core/mutex.h"

namespace firebreak::interceptors {

class HeldBatches {
 public:
  using Methods = grpc::experimental::InterceptorBatchMethods;

  explicit HeldBatches(Methods* first) : first_(first) {}

  Methods* first() const { return first_; }

  // False once all are released, or when it is the one that is being: proceed.
  bool Park(Methods* batch) {
    core::MutexLock lock(&mu_);
    if (is_released_ || TakeReturn(batch)) return false;
    later_.push_back(batch);
    return true;
  }

  // Before a batch of a refused call is hijacked, or proceeds: gRPC then brings
  // it back on this thread to ask for its results, and where it has none to ask
  // for it looks like a new one.
  void ExpectReturn(Methods* batch) {
    core::MutexLock lock(&mu_);
    returning_ = batch;
    returns_on_ = std::this_thread::get_id();
  }

  // After the first. No batch overtakes one that came before it.
  template <class Proceed>
  void Release(Proceed proceed) {
    absl::InlinedVector<Methods*, 2> batches;
    for (;;) {
      {
        core::MutexLock lock(&mu_);
        is_released_ = later_.empty();
        if (is_released_) return;
        batches.swap(later_);
      }
      for (Methods* batch : batches) proceed(batch);
      batches.clear();
    }
  }

 private:
  // Once: the same memory may be another batch by the next time.
  bool TakeReturn(Methods* batch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (returning_ != batch || returns_on_ != std::this_thread::get_id()) {
      return false;
    }
    returning_ = nullptr;
    return true;
  }

  Methods* const first_;
  core::Mutex mu_;
  absl::InlinedVector<Methods*, 2> later_ ABSL_GUARDED_BY(mu_);
  bool is_released_ ABSL_GUARDED_BY(mu_) = false;
  Methods* returning_ ABSL_GUARDED_BY(mu_) = nullptr;
  std::thread::id returns_on_ ABSL_GUARDED_BY(mu_);
};

}  // namespace firebreak::interceptors

#endif  // FIREBREAK_INTERCEPTORS_HELD_BATCHES_H_
