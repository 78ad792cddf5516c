// A unary call that firebreak holds and answers from attempts of its own.
//
//   auto call = DrivenCall::Create(channel, method, codec, info);
//   call->Start(methods);                       // from the first Intercept()
//   if (!call->Park(methods)) ...               // later batches
//   call->answer()->Fill(methods, codec);       // when gRPC asks for results
//
// The caller's batches are held: the first until core::CallDriver decides, and
// every later one with it, or their ends would never come. Attempts run on the
// engine's completion queue. At the decision the first batch is hijacked, the
// others proceed, and gRPC collects the Answer. Losers are cancelled and end
// later; they keep this object, and through it the engine, alive.
//
// Decide under the lock, act after it: the driver's actions go into a queue and
// one thread at a time performs them, in order. So an attempt is launched
// before it is cancelled, and never after the call has been answered, when the
// caller's context that it is copied from may be gone.
//
// Thread safety: safe from any thread. Ownership: shared by the interceptor,
// the attempts in flight, the fallback in flight; timers hold it weakly.
#ifndef FIREBREAK_INTERCEPTORS_DRIVEN_CALL_H_
#define FIREBREAK_INTERCEPTORS_DRIVEN_CALL_H_

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/client_interceptor.h>

#include <memory>

#include "absl/container/inlined_vector.h"
#include "interceptors/answer.h"
#include "interceptors/attempt.h"
#include "interceptors/context_access.h"
#include "src/core/call_driver.h"
#include "src/core/mutex.h"
#include "src/engine/engine_core.h"

namespace firebreak::interceptors {

class DrivenCall final : public AttemptOwner,
                         public engine::TimerClient,
                         public std::enable_shared_from_this<DrivenCall> {
 public:
  using Methods = grpc::experimental::InterceptorBatchMethods;

  // `info` and what it points to live until the first batch is released.
  static std::shared_ptr<DrivenCall> Create(
      std::shared_ptr<engine::ChannelBinding> channel,
      std::shared_ptr<const engine::MethodBinding> method,
      grpc::experimental::ClientRpcInfo* info);
  ~DrivenCall() override;

  // Holds the first batch; it has initial metadata and message to send.
  void Start(Methods* first);
  // Holds a later batch too. False once the call is decided: proceed.
  bool Park(Methods* batch);
  // From PRE_SEND_CANCEL, under the lock of the caller's context: so nothing is
  // done here, the timer thread does it.
  void RequestCancel();
  // Valid once the call is decided.
  Answer* answer() { return &answer_; }

  void OnAttemptDone(Attempt* attempt) override;
  void OnTimer() override;

 private:
  using Actions = core::CallDriver::Actions;
  using Finish = core::CallDriver::Finish;

  DrivenCall(std::shared_ptr<engine::ChannelBinding> channel,
             std::shared_ptr<const engine::MethodBinding> method,
             grpc::experimental::ClientRpcInfo* info);

  core::CallDriver::Plan MakePlan() const;
  // Tells the driver an event and performs what follows.
  template <class Event>
  void Drive(Event event);
  void Perform(const Actions& actions);
  void Launch(const core::CallDriver::Launch& launch);
  void RunFallback(const Finish& failed);
  // What the caller would get for `finish`, without a fallback.
  Answer AnswerFor(const Finish& finish);
  void Deliver(const Finish& finish);
  void ArmTimer() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const std::shared_ptr<engine::ChannelBinding> channel_;
  const std::shared_ptr<const engine::MethodBinding> method_;

  // Of the caller, valid while the first batch is held: so only in Perform().
  grpc::ClientContext* const caller_;
  grpc::ChannelInterface* const base_channel_;
  const ContextFields fields_;
  ParentRef parent_;
  const core::Time granted_;   // the caller's own deadline
  const core::Time deadline_;  // and the policy's timeout
  std::multimap<std::string, std::string>* metadata_ = nullptr;
  grpc::ByteBuffer request_;
  std::unique_ptr<grpc::GenericStub> stub_;
  const std::shared_ptr<const Fallback> fallback_;

  core::Mutex mu_;
  core::CallDriver driver_ ABSL_GUARDED_BY(mu_);
  engine::Timer timer_ ABSL_GUARDED_BY(mu_);
  core::Time armed_ ABSL_GUARDED_BY(mu_) = core::kInfiniteFuture;
  bool cancel_requested_ ABSL_GUARDED_BY(mu_) = false;
  bool decided_ ABSL_GUARDED_BY(mu_) = false;    // by the driver
  bool delivered_ ABSL_GUARDED_BY(mu_) = false;  // to the caller
  bool performing_ ABSL_GUARDED_BY(mu_) = false;
  absl::InlinedVector<Actions, 1> queue_ ABSL_GUARDED_BY(mu_);
  absl::InlinedVector<Methods*, 2> held_ ABSL_GUARDED_BY(mu_);
  absl::InlinedVector<std::weak_ptr<Attempt>, 2> attempts_ ABSL_GUARDED_BY(mu_);
  // The last attempt that ended before the decision: its result is what the
  // caller gets, unless the driver has a word of its own.
  Answer last_ ABSL_GUARDED_BY(mu_);
  grpc::ByteBuffer fallback_reply_ ABSL_GUARDED_BY(mu_);

  // Written before delivered_, read after it.
  Answer answer_;
};

}  // namespace firebreak::interceptors

#endif  // FIREBREAK_INTERCEPTORS_DRIVEN_CALL_H_
