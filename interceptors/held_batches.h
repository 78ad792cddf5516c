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

#include "absl/algorithm/container.h"
#include "absl/container/inlined_vector.h"
#include "src/core/mutex.h"

namespace firebreak::interceptors {

class HeldBatches {
 public:
  using Methods = grpc::experimental::InterceptorBatchMethods;

  explicit HeldBatches(Methods* first) : first_(first) {}

  Methods* first() const { return first_; }

  // False once all are released, or if this one is: proceed.
  bool Park(Methods* batch) {
    core::MutexLock lock(&mu_);
    if (is_released_ || absl::c_linear_search(gone_, batch)) return false;
    later_.push_back(batch);
    return true;
  }

  // Before a batch goes on. It comes to the interceptor again, to be asked for
  // its results or on its way up, and may have no hook then, like a new one.
  // (What is new and has its place in memory need not wait: the first is gone.)
  void LetGo(Methods* batch) {
    core::MutexLock lock(&mu_);
    if (!absl::c_linear_search(gone_, batch)) gone_.push_back(batch);
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
      for (Methods* batch : batches) {
        LetGo(batch);
        proceed(batch);
      }
      batches.clear();
    }
  }

 private:
  Methods* const first_;
  core::Mutex mu_;
  absl::InlinedVector<Methods*, 2> later_ ABSL_GUARDED_BY(mu_);
  bool is_released_ ABSL_GUARDED_BY(mu_) = false;
  // One for each kind of operation, since those are used again.
  absl::InlinedVector<Methods*, 4> gone_ ABSL_GUARDED_BY(mu_);
};

}  // namespace firebreak::interceptors

#endif  // FIREBREAK_INTERCEPTORS_HELD_BATCHES_H_
