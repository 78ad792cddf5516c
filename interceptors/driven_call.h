// A unary call that firebreak holds and answers from attempts of its own.
//
//   auto call = DrivenCall::Create(channel, method, codec, info);
//   call->Start(methods);                       // from the first Intercept()
//   if (!call->Park(methods)) ...               // later batches
//   call->answer()->Fill(methods, codec);       // when gRPC asks for results
//
// The caller's batches are held: the first until core::CallDriver decides, and
// every later one with it, or their ends would never come. At the decision the
// first batch is hijacked, the others proceed, and gRPC collects the Answer.
// Losers are cancelled and end later; they keep this object, and through it the
// engine, alive.
//
// Where attempts run: on the engine's completion queue; or, when the caller is
// a synchronous stub, on a lane that the calling thread polls inside Start(),
// since it has to wait anyway. Then that thread performs everything, and others
// ring it up.
//
// Before that it may have to wait to be let in (queued.h), held likewise; the
// calling thread then no longer helps.
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
#include <thread>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/types/optional.h"
#include "interceptors/answer.h"
#include "interceptors/attempt.h"
#include "interceptors/caller_context.h"
#include "interceptors/carried_options.h"
#include "interceptors/context_access.h"
#include "interceptors/queued.h"
#include "src/core/call_driver.h"
#include "src/core/mutex.h"
#include "src/engine/engine_core.h"

namespace firebreak::interceptors {

class DrivenCall final : public AttemptOwner,
                         public engine::TimerClient,
                         public std::enable_shared_from_this<DrivenCall> {
  struct Key {};  // only Create() has one

 public:
  using Methods = grpc::experimental::InterceptorBatchMethods;

  // `info` and what it points to live until the first batch is released.
  // `parent` is the context's server call, or empty.
  static std::shared_ptr<DrivenCall> Create(
      std::shared_ptr<engine::ChannelBinding> channel,
      std::shared_ptr<const engine::MethodBinding> method,
      grpc::experimental::ClientRpcInfo* info, ParentRef parent,
      const CallOptions& options);
  DrivenCall(Key, std::shared_ptr<engine::ChannelBinding> channel,
             std::shared_ptr<const engine::MethodBinding> method,
             grpc::experimental::ClientRpcInfo* info, ParentRef parent,
             const CallOptions& options);
  ~DrivenCall() override;

  // Holds the first batch; it has initial metadata and message to send. May be
  // the last that is done with this call on this thread.
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

  core::CallDriver::Plan MakePlan() const;
  // Asks the intake. True: the answer is there, and the call can run.
  bool PassIntake(Methods* first);
  void LetIn(Queued::End end);
  void Run(Methods* first, std::unique_ptr<engine::Lane> lane, core::Time at);
  // Tells the driver an event and performs what follows.
  template <class Event>
  void Drive(Event event, absl::optional<core::Time> at = absl::nullopt);
  // `lane`: where this thread polls, or null.
  void Perform(const Actions& actions, engine::Lane* lane);
  // What other threads, or later events, have asked for meanwhile.
  void PerformQueued(engine::Lane* lane);
  // Polls the lane until the call is delivered.
  void RunLane(std::unique_ptr<engine::Lane> lane);
  void Launch(const core::CallDriver::Launch& launch, engine::Lane* lane);
  void RunFallback(const Finish& failed);
  // What the caller gets for a `finish` that is no attempt's.
  Answer OwnAnswer(const Finish& finish) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Deliver(const Finish& finish);
  void AddReport(const Finish& finish) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // The metadata that attempt `launch` sends, as the listener wants it; empty
  // without one.
  CallerContext::Metadata Tell(const core::CallDriver::Launch& launch,
                               const grpc::ClientContext* context) const;
  void TellEnd(const Attempt& attempt, const core::AttemptEnd& end);
  // Not under the mutex: where there is no room it is settled at once.
  void Classify(const std::shared_ptr<const Classifier>& classifier,
                const Result& result,
                std::vector<core::CallDriver::Unjudged> unjudged) const;
  void ArmTimer() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void DisarmTimer() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const std::shared_ptr<engine::ChannelBinding> channel_;
  const std::shared_ptr<const engine::MethodBinding> method_;

  // Of the caller, valid while the first batch is held: so only in Perform().
  CallerContext caller_;
  grpc::ChannelInterface* const base_channel_;
  ParentRef parent_;
  const std::shared_ptr<const core::MethodOptions> options_;
  const bool wants_report_;
  const core::Time began_;
  const core::Time deadline_;  // the caller's own, or the policy's timeout
  const grpc::ByteBuffer* request_ = nullptr;
  absl::optional<grpc::GenericStub> stub_;
  const std::shared_ptr<const Fallback> fallback_;

  // Of the one thread that performs.
  bool delivered_on_lane_ = false;
  absl::InlinedVector<std::weak_ptr<Attempt>, 2> attempts_;

  core::Mutex mu_;
  core::CallDriver driver_ ABSL_GUARDED_BY(mu_);
  core::Visit visit_ ABSL_GUARDED_BY(mu_);
  core::Time let_in_ ABSL_GUARDED_BY(mu_);  // began_, if it need not wait
  std::shared_ptr<Queued> queued_ ABSL_GUARDED_BY(mu_);
  absl::optional<core::Intake::Refusal> turned_away_ ABSL_GUARDED_BY(mu_);
  engine::Timer timer_ ABSL_GUARDED_BY(mu_);
  // Infinite: the queue of timers does not know `timer_`, which may go.
  core::Time armed_ ABSL_GUARDED_BY(mu_) = core::kInfiniteFuture;
  // While the calling thread polls it: then that thread performs.
  engine::Lane* lane_ ABSL_GUARDED_BY(mu_) = nullptr;
  std::thread::id lane_thread_ ABSL_GUARDED_BY(mu_);
  bool cancel_requested_ ABSL_GUARDED_BY(mu_) = false;
  bool decided_ ABSL_GUARDED_BY(mu_) = false;    // by the driver
  bool delivered_ ABSL_GUARDED_BY(mu_) = false;  // to the caller
  bool performing_ ABSL_GUARDED_BY(mu_) = false;
  absl::InlinedVector<Actions, 1> queue_ ABSL_GUARDED_BY(mu_);
  absl::InlinedVector<Methods*, 2> held_ ABSL_GUARDED_BY(mu_);
  // Of the attempts, for the report.
  std::vector<std::string> peers_ ABSL_GUARDED_BY(mu_);
  grpc::ByteBuffer fallback_reply_ ABSL_GUARDED_BY(mu_);

  // Until the decision the result of the last attempt that ended: what the
  // caller gets, unless the driver has a word of its own. Written under the
  // mutex before delivery, read by the caller's batches from then on.
  Answer answer_;
};

}  // namespace firebreak::interceptors

#endif  // FIREBREAK_INTERCEPTORS_DRIVEN_CALL_H_
