// A unary call that firebreak may answer from attempts of its own.
//
//   auto call = DrivenCall::Create(channel, method, {info, &gate, ...});
//   call->Start(methods);                  // with the first batch, undecided
//   if (call->KeepOnItsWayUp(batch)) ...   // when the gate opened natively
//   call->Fill(batch);                     // when it opened hijacked
//
// What is decided is core::CallDriver's; here it is acted out:
//
//   natively     Of a callback or completion-queue stub the caller's own call
//   is
//                the first attempt: see native_call.h. Others are made when the
//                driver wants more, and the deciding one is written over its
//                end.
//   taken over   Synchronous calls, and those whose first attempt has to differ
//                from what the caller would send: to another target, with a
//                tighter deadline than the caller's own, with another
//                wait_for_ready. All attempts are made here, the caller's
//                batches stay behind the gate, and are hijacked at the end.
//
// Where our attempts run: on the engine's completion queue; or, when the caller
// is a synchronous stub, on a caller queue that the calling thread polls inside
// Start(), since it has to wait anyway.
//
// One owner: everything that happens to a call is mail, and whoever finds the
// call free decides and acts, see mailbox.h. So an attempt is launched before
// it is cancelled, and none after the call has been answered, when the caller's
// context that it is copied from may be gone.
//
// Before all that it may have to wait to be admitted (queued.h); the calling
// thread then no longer helps.
//
// Thread safety: safe from any thread. Ownership: shared by the interceptor,
// the attempts in flight, the fallback in flight; timers hold it weakly.
#ifndef FIREBREAK_INTERCEPTORS_DRIVEN_CALL_H_
#define FIREBREAK_INTERCEPTORS_DRIVEN_CALL_H_

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/client_interceptor.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/types/optional.h"
#include "firebreak/v1/call_report.pb.h"
#include "interceptors/answer.h"
#include "interceptors/attempt.h"
#include "interceptors/caller_context.h"
#include "interceptors/carried_options.h"
#include "interceptors/context_access.h"
#include "interceptors/gate.h"
#include "interceptors/mailbox.h"
#include "interceptors/native_call.h"
#include "interceptors/parent_watch.h"
#include "interceptors/queued.h"
#include "interceptors/reply_kind.h"
#include "src/core/attempts/call_driver.h"
#include "src/engine/engine_core.h"

namespace firebreak::interceptors {

class DrivenCall final : public AttemptOwner,
                         public engine::TimerClient,
                         public std::enable_shared_from_this<DrivenCall> {
  struct Key {};  // only Create() has one

 public:
  using Methods = grpc::experimental::InterceptorBatchMethods;

  // Of the call as its caller made it; all of it lives until it is answered.
  struct Made {
    grpc::experimental::ClientRpcInfo* info = nullptr;
    Gate* gate = nullptr;
    // Where the caller wants its reply; null until that batch was seen.
    const std::atomic<void*>* reply = nullptr;
    Codec codec = Codec::kProtobuf;
    ReplyKinds* kinds = nullptr;  // of the channel
    // Certainly not by a synchronous stub.
    bool is_asynchronous = false;
    CallOptions options;
  };

  // `parent` is the context's server call, or empty.
  static std::shared_ptr<DrivenCall> Create(
      std::shared_ptr<engine::ChannelBinding> channel,
      std::shared_ptr<const engine::MethodBinding> method, const Made& made,
      ParentRef parent);
  DrivenCall(Key, std::shared_ptr<engine::ChannelBinding> channel,
             std::shared_ptr<const engine::MethodBinding> method,
             const Made& made, ParentRef parent);
  ~DrivenCall() override;

  // Once. `first` has initial metadata and message to send. The gate may be
  // open, and the call over, when this returns.
  void Start(Methods* first);
  // From PRE_SEND_CANCEL, under the lock of the caller's context: so nothing is
  // done here, the engine's timers do it.
  void RequestCancel();
  // A batch of a call that went out natively comes back. True: it is kept.
  bool KeepOnItsWayUp(Methods* batch);
  // Answers whichever PRE_RECV_* hooks a hijacked batch has.
  void Fill(Methods* batch);

  void OnAttemptDone(std::shared_ptr<Attempt> attempt) override;
  void OnTimer() override;

 private:
  core::Time Now() const { return channel_->core()->Now(); }

  using Actions = core::CallDriver::Actions;
  using Finish = core::CallDriver::Finish;
  enum MailKind {
    kTimer,
    kCancel,
    kAdmitted,
    kAttempt,
    kNativeInitial,
    kNativeEnd,
    kLink,
    kParent,
  };

  core::CallDriver::Plan MakePlan() const;

  // To the owner, which the poster may become.
  void Post(Mail* mail);
  // The owner's work, until there is none.
  void ServeUntilFree();
  // All below: the owner's.
  void Handle(Mail* mail);
  // Asks admission control. True: the answer is there, and the call can run.
  bool PassAdmission();
  void OnAdmitted(Queued::End end);
  void Run(core::Time now);
  void RunCallerQueue();
  bool LeaveCallerQueue();
  void HandleFetched();
  void HandleTimer();
  void HandleAttempt(Attempt* attempt);
  void HandleNativeInitial();
  void HandleNativeEnd();
  void HandleParentEnd();
  void HandleLink(Mail* mail);
  // What all ends of attempts have in common.
  void EndAttempt(int n, const grpc::ClientContext& context,
                  const core::AttemptEnd& end,
                  const std::shared_ptr<const Classifier>& classifier,
                  const Result& result);
  void TellEnd(int n, const grpc::ClientContext& context,
               const grpc::Status& status, const core::AttemptEnd& ended) const;
  void Classify(const std::shared_ptr<const Classifier>& classifier,
                const Result& result,
                std::vector<core::CallDriver::Unjudged> unjudged) const;
  // Of those that a deadline has ended.
  void ClassifyLate(const std::shared_ptr<const Classifier>& classifier);
  // Reads an OK reply while it can still turn out not to be one. False: it
  // cannot be read, and the attempt has failed.
  bool ReadReply(Attempt* attempt);
  // Of what could not be read into `reply`.
  grpc::Status ReplyFault(const void* reply) const;

  // Performs what the driver decided.
  void Act(const Actions& actions, core::Time now);
  void Launch(const core::CallDriver::Launch& launch);
  bool MayBeNative(const core::CallDriver::Launch& launch) const;
  void LaunchNatively(const core::CallDriver::Launch& launch);
  // One that is ours at the moment.
  Methods* KeptBatch() const;
  const grpc::ByteBuffer& Request();
  void TellStart(const core::CallDriver::Launch& launch,
                 const grpc::ClientContext* context,
                 CallerContext::Metadata* metadata) const;
  // Of the fallback; see driven_fallback.cc.
  struct LinkRun;
  void AskLink(int link, const Finish& failed);
  // True: the answer is there.
  bool AskHere(LinkRun* run);
  void AskOnPool(const std::shared_ptr<LinkRun>& run);
  void Refill(const std::shared_ptr<LinkRun>& run);
  void EndLink(LinkRun* run);
  Answer LinkAnswer();
  // When its time is over: before the driver gives up a link that has begun, it
  // is told that it has; one that has not never will.
  void NoteLinkBegun(core::Time now);
  void StopLink();
  void CountLinks() const;
  void AddLinks(v1::CallReport* report) const;
  // The caller gets the reply of a server: caches want it.
  void LearnReply(const Finish& finish);
  void WatchParent();
  // The decision is there: nothing is waited for any more but, perhaps, the
  // native call's end.
  void Conclude(const Finish& finish, core::Time now);
  void Deliver();
  // What the caller gets for a `finish` that is no attempt's.
  Answer OwnAnswer(const Finish& finish) const;
  void AddReport(const Finish& finish);
  // Of a call that is not sent.
  void NoteRefused(const Finish& finish, core::Time now) const;
  void ArmTimer();
  void DisarmTimer();
  bool IsOnCallerThread() const {
    return caller_thread_ == std::this_thread::get_id() &&
           !has_left_caller_queue_;
  }

  const std::shared_ptr<engine::ChannelBinding> channel_;
  const std::shared_ptr<const engine::MethodBinding> method_;

  // Of the caller, valid until it is answered.
  CallerContext caller_;
  grpc::ChannelInterface* const base_channel_;
  Gate* const gate_;
  const std::atomic<void*>* const caller_reply_;
  const Codec codec_;
  ReplyKinds* const kinds_;
  const bool is_asynchronous_;
  ParentRef parent_;
  const std::shared_ptr<const core::MethodOptions> options_;
  const bool wants_report_;
  const core::Time began_;
  const core::Time deadline_;  // the caller's own, or the policy's timeout
  Methods* first_ = nullptr;   // while nothing is decided on it
  Methods* opens_ = nullptr;   // the same, when it is to go out natively
  // What attempts on the caller's own channel are made on: it passes the
  // interceptors after ours only. Empty until the first.
  std::shared_ptr<grpc::ChannelInterface> attempt_channel_;
  const std::shared_ptr<const engine::FallbackLinks> fallback_;

  Mailbox box_;
  Mail timer_mail_{kTimer};
  Mail cancel_mail_{kCancel};
  std::atomic<bool> cancel_requested_{false};
  engine::Timer cancel_timer_;
  // Beside each mail, what it brings: written before it is posted.
  Mail admitted_mail_{kAdmitted};
  Queued::End admitted_;
  Mail native_initial_mail_{kNativeInitial};
  Methods* native_initial_ = nullptr;
  Mail native_end_mail_{kNativeEnd};
  Methods* native_end_ = nullptr;
  Mail parent_mail_{kParent};
  grpc::StatusCode parent_code_ = grpc::StatusCode::CANCELLED;

  // While the calling thread of a synchronous stub waits in Start(). Set before
  // others know this call.
  std::unique_ptr<engine::CallerQueue> caller_queue_;
  std::thread::id caller_thread_;
  // A thread that comes after may have the same id.
  std::atomic<bool> has_left_caller_queue_{false};

  // The owner's.
  core::CallDriver driver_;
  core::AdmissionPermit admission_permit_;
  core::Time admitted_at_;  // began_, if it need not wait
  std::shared_ptr<Queued> queued_;
  absl::optional<core::AdmissionControl::Refusal> admission_refusal_;
  engine::Timer timer_;
  // Infinite: the queue of timers does not know `timer_`, which may go.
  core::Time armed_ = core::kInfiniteFuture;
  std::shared_ptr<ParentWatch> parent_watch_;
  absl::InlinedVector<std::weak_ptr<Attempt>, 2> attempts_;
  NativeCall native_;
  bool is_native_ = false;  // set before the gate opens, read by all after it
  bool native_was_not_ready_ = false;
  // Once the caller's may be gone, or changed.
  grpc::ByteBuffer own_request_;
  CallerContext::Metadata own_metadata_;
  absl::optional<Finish> concluded_;
  bool is_delivered_ = false;
  std::vector<std::string> peers_;  // of the attempts, for the report
  // Each link that was asked, in their order, and what for.
  absl::InlinedVector<std::shared_ptr<LinkRun>, 1> links_;
  grpc::Status failure_;

  // Until the decision the result of the last attempt of ours that ended: what
  // the caller gets, unless the driver has a word of its own. Read by the
  // caller's batches once it is delivered.
  Answer answer_;
};

}  // namespace firebreak::interceptors

#endif  // FIREBREAK_INTERCEPTORS_DRIVEN_CALL_H_
