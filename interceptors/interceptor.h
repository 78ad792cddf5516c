// The one interceptor of a call: decides its mode, then follows it.
//
// One composite, because two interceptors in a row that take calls over recurse
// for ever in gRPC C++. The mode is decided when the batch comes that sends the
// initial metadata; until then a gate keeps everything, see gate.h:
//   guarded   runs natively, or is refused as a whole; may be held before, in
//             the queue of its bulkhead
//   driven    may be answered from attempts of our own: unary calls with retry,
//             hedging, a timeout, wait_for_ready or a fallback
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
#include "interceptors/caller_stack.h"
#include "interceptors/driven_call.h"
#include "interceptors/gate.h"
#include "interceptors/guarded_call.h"
#include "interceptors/parent_watch.h"
#include "interceptors/queued.h"
#include "interceptors/recycled.h"
#include "interceptors/reply_kind.h"
#include "src/engine/engine_core.h"

namespace firebreak::interceptors {

class Interceptor final : public grpc::experimental::Interceptor,
                          public Recycled<Interceptor> {
 public:
  Interceptor(std::shared_ptr<engine::ChannelBinding> channel,
              std::shared_ptr<const engine::MethodBinding> method, Codec codec,
              Refusals* refusals, ReplyKinds* kinds,
              grpc::experimental::ClientRpcInfo* info);
  ~Interceptor() override;

  void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override;

 private:
  using Methods = grpc::experimental::InterceptorBatchMethods;
  enum class Mode { kUndecided, kGuarded, kRefused, kDriven };

  // A batch that comes before the gate is open. True: it is taken care of.
  bool Admit(Methods* methods);
  // Whatever decides the call may be the last that is done with `this`.
  void Begin(Methods* first);
  void Wait(Methods* first);
  void EndWait(Queued::End end, Methods* first);
  // Of a guarded call: it goes out natively, or is refused.
  void Decide(Methods* first, const core::AdmissionControl::Step& step);
  void Refuse(Methods* first, std::shared_ptr<const Answer> refusal);
  // For what is wrong with the call itself, or its channel.
  void RefuseInvalid(Methods* first, const grpc::Status& wrong);
  void OnCancel();
  // Later batches, by what has become of the call.
  void Driven(Methods* methods);
  void Refused(Methods* methods);

  // Handed on to whichever the call becomes.
  std::shared_ptr<engine::ChannelBinding> channel_;
  std::shared_ptr<const engine::MethodBinding> method_;
  const Codec codec_;
  // The factory's, which outlives its calls.
  Refusals* const refusals_;
  ReplyKinds* const kinds_;
  grpc::experimental::ClientRpcInfo* const info_;
  const bool is_unary_;
  // Of the thread that makes the call.
  const CallerStack stack_;
  // Taken when the stub makes the call: with a completion queue its first batch
  // may come only when the server call it was made from is over.
  ParentRef parent_;

  Gate gate_;
  // Of a unary call, where it wants its reply.
  std::atomic<void*> reply_{nullptr};
  // Below: written before the gate opens, and read when it is open.
  Mode mode_ = Mode::kUndecided;
  absl::optional<GuardedCall> guarded_;
  std::shared_ptr<const Answer> refusal_;
  std::shared_ptr<DrivenCall> driven_;

  // A cancel on another thread and Begin() each write their own and then read
  // the other's, so at least one of them sees both.
  std::atomic<bool> cancelled_{false};
  std::atomic<DrivenCall*> cancellable_{nullptr};
  std::shared_ptr<Queued> queued_;
  std::atomic<Queued*> cancellable_queued_{nullptr};
  std::shared_ptr<ParentWatch> parent_watch_;
};

}  // namespace firebreak::interceptors

#endif  // FIREBREAK_INTERCEPTORS_INTERCEPTOR_H_
