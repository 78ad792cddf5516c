// The one interceptor of a call: decides its mode, then follows it.
//
// One composite, because two interceptors in a row that take calls over recurse
// for ever in gRPC C++. The mode is decided when the first batch sends its
// initial metadata:
//   guarded   runs natively, or is refused as a whole; may be held before, in
//             the queue of its bulkhead
//   driven    held, and answered from attempts of our own: unary calls with
//             retry, hedging, a timeout, wait_for_ready or a fallback
// (A call without policy gets a Strip from the factory instead.)
//
// Facts of the hook API that shape the code, each with a test:
//   - a cancel may come before anything else, on any thread, and under the lock
//     of the caller's context;
//   - a batch may bring no hook at all and still must proceed;
//   - Hijack() comes back into Intercept() at once with the PRE_RECV_* hooks.
//
// Ownership: gRPC owns it, in the call's ClientContext.
#ifndef FIREBREAK_INTERCEPTORS_INTERCEPTOR_H_
#define FIREBREAK_INTERCEPTORS_INTERCEPTOR_H_

#include <grpcpp/support/client_interceptor.h>

#include <atomic>
#include <memory>

#include "absl/types/optional.h"
#include "interceptors/answer.h"
#include "interceptors/driven_call.h"
#include "interceptors/guarded_call.h"
#include "interceptors/held_batches.h"
#include "interceptors/queued.h"
#include "src/engine/engine_core.h"

namespace firebreak::interceptors {

class Interceptor final : public grpc::experimental::Interceptor {
 public:
  Interceptor(std::shared_ptr<engine::ChannelBinding> channel,
              std::shared_ptr<const engine::MethodBinding> method, Codec codec,
              Refusals* refusals, grpc::experimental::ClientRpcInfo* info);

  void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override;

 private:
  using Methods = grpc::experimental::InterceptorBatchMethods;
  enum class Mode { kUndecided, kGuarded, kRefused, kDriven };

  void Begin(Methods* methods);
  void Hold(Methods* methods);
  // May be the last that is done with `this`, on the engine's timer thread.
  void EndHold(Queued::End end, HeldBatches* held);
  // Of a guarded call: lets its first batch go, or refuses it. False: refused.
  bool Decide(Methods* first, const core::Intake::Step& step);
  void Refuse(Methods* methods, std::shared_ptr<const Answer> refusal);
  void OnCancel();
  void Answered(Methods* methods);

  // Handed on to whichever the call becomes.
  std::shared_ptr<engine::ChannelBinding> channel_;
  std::shared_ptr<const engine::MethodBinding> method_;
  const Codec codec_;
  Refusals* const refusals_;  // the factory's, which outlives its calls
  grpc::experimental::ClientRpcInfo* const info_;
  const bool is_unary_;
  // Taken when the stub makes the call: with a completion queue its first batch
  // may come only when the server call it was made from is over.
  ParentRef parent_;

  // Of a call that was held, written by the timer thread before its first batch
  // is released; until then no batch looks at it.
  std::atomic<Mode> mode_{Mode::kUndecided};
  // Set with the first batch, if it has to wait.
  std::shared_ptr<HeldBatches> held_;
  absl::optional<GuardedCall> guarded_;
  std::shared_ptr<const Answer> refusal_;
  std::shared_ptr<DrivenCall> driven_;
  // A cancel on another thread and Begin() each write their own and then read
  // the other's, so at least one of them sees both.
  std::atomic<bool> cancelled_{false};
  std::atomic<DrivenCall*> cancellable_{nullptr};
  std::shared_ptr<Queued> queued_;
  std::atomic<Queued*> cancellable_queued_{nullptr};
};

}  // namespace firebreak::interceptors

#endif  // FIREBREAK_INTERCEPTORS_INTERCEPTOR_H_
