// The one interceptor of a call. It decides the call's mode and then follows
// it.
//
// There is only one, because in gRPC C++ two interceptors in a row that hijack
// calls recurse without end. The mode is decided when the batch arrives that
// sends the initial metadata. Until then a gate keeps everything
// (batch/gate.h):
//   guarded   runs natively, or is refused as a whole. It may first wait in the
//             queue of its bulkhead
//   driven    may be answered from attempts of our own: unary calls with retry,
//             hedging, a timeout, wait_for_ready or a fallback
// A call without policy gets a Strip from the factory instead.
//
// These facts about the hook API shape the code, and each has a test:
//   - a cancel may come before anything else, on any thread, and under the lock
//     of the caller's context;
//   - a batch may bring no hook at all and must still proceed;
//   - Hijack() calls Intercept() again at once, with the PRE_RECV_* hooks.
//
// Thread safety: gRPC may call Intercept() on several threads at once: a cancel
// at any time, and reads and writes of a stream. Ownership: gRPC owns it, in
// the call's ClientContext.
#ifndef FIREBREAK_INTERCEPTORS_INTERCEPTOR_H_
#define FIREBREAK_INTERCEPTORS_INTERCEPTOR_H_

#include <grpcpp/support/client_interceptor.h>

#include <atomic>
#include <memory>

#include "absl/types/optional.h"
#include "interceptors/batch/gate.h"
#include "interceptors/batch/queued.h"
#include "interceptors/context/caller_stack.h"
#include "interceptors/context/parent_watch.h"
#include "interceptors/driven/driven_call.h"
#include "interceptors/guarded_call.h"
#include "interceptors/reply/answer.h"
#include "interceptors/reply/reply_kind.h"
#include "src/core/base/recycled.h"
#include "src/engine/engine_core.h"

namespace firebreak::interceptors {

class Interceptor final : public grpc::experimental::Interceptor,
                          public core::Recycled<Interceptor> {
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

  // Takes a batch that comes before the gate is open. Returns true if nothing
  // more is to be done with it.
  bool Admit(Methods* methods);
  // The functions that decide the call may end it, and `this` with it, before
  // they return.
  void Begin(Methods* first);
  void Wait(Methods* first);
  void EndWait(Queued::End end, Methods* first);
  // Lets a guarded call go out natively, or refuses it.
  void Decide(Methods* first, const core::AdmissionControl::Step& step);
  void Refuse(Methods* first, std::shared_ptr<const Answer> refusal);
  // Refuses a call because of an error in the call itself or in its channel.
  void RefuseInvalid(Methods* first, const grpc::Status& wrong);
  void OnCancel();
  // Handle the later batches of a call in this mode.
  void Driven(Methods* methods);
  void Refused(Methods* methods);

  // Passed on to the GuardedCall or the DrivenCall.
  std::shared_ptr<engine::ChannelBinding> channel_;
  std::shared_ptr<const engine::MethodBinding> method_;
  const Codec codec_;
  // The factory owns these, and outlives its calls.
  Refusals* const refusals_;
  ReplyKinds* const kinds_;
  grpc::experimental::ClientRpcInfo* const info_;
  const bool is_unary_;
  // The stack of the thread that makes the call.
  const CallerStack stack_;
  // Taken when the stub makes the call. The first batch of a completion-queue
  // stub may come only after the server call that the context was made from is
  // over.
  ParentRef parent_;

  Gate gate_;
  // Where a unary call wants its reply. Null until that is known.
  std::atomic<void*> reply_{nullptr};
  // The members below are written before the gate opens, and read after that.
  Mode mode_ = Mode::kUndecided;
  absl::optional<GuardedCall> guarded_;
  std::shared_ptr<const Answer> refusal_;
  std::shared_ptr<DrivenCall> driven_;

  // OnCancel() and Begin() may run on two threads at once. Each writes its own
  // member and then reads the other's, so at least one of them sees both.
  std::atomic<bool> cancelled_{false};
  std::atomic<DrivenCall*> cancellable_{nullptr};
  std::shared_ptr<Queued> queued_;
  std::atomic<Queued*> cancellable_queued_{nullptr};
  std::shared_ptr<ParentWatch> parent_watch_;
};

}  // namespace firebreak::interceptors

#endif  // FIREBREAK_INTERCEPTORS_INTERCEPTOR_H_
