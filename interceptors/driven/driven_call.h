// A unary call that firebreak may answer from attempts of its own.
//
//   auto call = DrivenCall::Create(channel, method, made, std::move(parent));
//   call->Start(methods);                  // with the call's first batch
//   if (call->KeepOnItsWayUp(batch)) ...   // if the gate opened natively
//   call->Fill(batch);                     // if the gate opened hijacked
//
// core::CallDriver decides, and this class carries out its decisions:
//
//   natively     The call of a callback or completion-queue stub goes out as it
//                is and is the first attempt (native_call.h). Further attempts
//                are made when the driver asks for them, and the result of the
//                deciding one is written over the end of the native call.
//   taken over   Synchronous calls, and calls whose first attempt has to differ
//                from what the caller would send: another target, a tighter
//                deadline than the caller's own, another wait_for_ready. All
//                attempts are made here. The caller's batches stay behind the
//                gate, and are hijacked at the end.
//
// Our attempts run on the engine's completion queue. If the caller is a
// synchronous stub, they run on a caller queue, which the calling thread polls
// inside Start(), since it has to wait anyway.
//
// The call has one owner at a time. Every event is posted as mail, and a thread
// that finds the call unowned handles its mail; see mailbox.h. So an attempt is
// always launched before it is cancelled, and none is launched after the call
// has been answered, when the caller's context that it is copied from may be
// gone.
//
// A call may first have to wait to be admitted (queued.h). The calling thread
// then does not poll for it.
//
// Thread safety: safe from any thread. Ownership: shared by the interceptor,
// the attempts in flight and the fallback in flight. Timers hold it weakly.
#ifndef FIREBREAK_INTERCEPTORS_DRIVEN_DRIVEN_CALL_H_
#define FIREBREAK_INTERCEPTORS_DRIVEN_DRIVEN_CALL_H_

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
#include "interceptors/batch/gate.h"
#include "interceptors/batch/queued.h"
#include "interceptors/context/caller_context.h"
#include "interceptors/context/carried_options.h"
#include "interceptors/context/context_access.h"
#include "interceptors/context/parent_watch.h"
#include "interceptors/driven/attempt.h"
#include "interceptors/driven/mailbox.h"
#include "interceptors/driven/native_call.h"
#include "interceptors/reply/answer.h"
#include "interceptors/reply/reply_kind.h"
#include "src/core/attempts/call_driver.h"
#include "src/engine/candidate/candidate_call.h"
#include "src/engine/engine_core.h"

namespace firebreak::interceptors {

class DrivenCall final : public AttemptOwner,
                         public engine::TimerClient,
                         public std::enable_shared_from_this<DrivenCall> {
  struct Key {};  // only Create() has one

 public:
  using Methods = grpc::experimental::InterceptorBatchMethods;

  // The call as its caller made it. All that this points to lives until the
  // call is answered.
  struct Made {
    grpc::experimental::ClientRpcInfo* info = nullptr;
    Gate* gate = nullptr;
    // Where the caller wants its reply. The pointer inside is null until the
    // batch that receives the reply has been seen.
    const std::atomic<void*>* reply = nullptr;
    Codec codec = Codec::kProtobuf;
    ReplyKinds* kinds = nullptr;  // of the channel
    // True if the caller certainly is not a synchronous stub.
    bool is_asynchronous = false;
    CallOptions options;
  };

  // `parent` is the server call that the context was made from, or empty.
  static std::shared_ptr<DrivenCall> Create(
      std::shared_ptr<engine::ChannelBinding> channel,
      std::shared_ptr<const engine::MethodBinding> method, const Made& made,
      ParentRef parent);
  DrivenCall(Key, std::shared_ptr<engine::ChannelBinding> channel,
             std::shared_ptr<const engine::MethodBinding> method,
             const Made& made, ParentRef parent);
  ~DrivenCall() override;

  // Called once. `first` sends the initial metadata and the message. The gate
  // may be open, and the call over, when this returns.
  void Start(Methods* first);
  // Called from PRE_SEND_CANCEL, which holds the lock of the caller's context.
  // It only arms a timer, and a timer thread of the engine does the work.
  void RequestCancel();
  // Called for a batch of a native call that comes back. Returns true if this
  // keeps the batch and lets it go later.
  bool KeepOnItsWayUp(Methods* batch);
  // Fills in the results for the PRE_RECV_* hooks of a hijacked batch.
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

  // Sends mail to the owner. The calling thread becomes the owner if there is
  // none.
  void Post(Mail* mail);
  // Handles mail as the owner until there is no more, and then gives the call
  // up.
  void ServeUntilFree();
  // Only the owner calls the functions below.
  void Handle(Mail* mail);
  // Asks admission control. Returns true if it has admitted or refused the call
  // at once, so that Run() can follow.
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
  // Passes the end of an attempt, native or ours, to the driver and acts on it.
  void EndAttempt(int n, const grpc::ClientContext& context,
                  const core::AttemptEnd& end,
                  const std::shared_ptr<const Classifier>& classifier,
                  const Result& result);
  void TellEnd(int n, const grpc::ClientContext& context,
               const grpc::Status& status, const core::AttemptEnd& ended) const;
  // `candidates` are the permits of the candidate policy for the same attempt.
  void Classify(const std::shared_ptr<const Classifier>& classifier,
                const Result& result,
                std::vector<core::CallDriver::Unjudged> unjudged,
                std::vector<core::CallDriver::Unjudged> candidates = {}) const;
  // Classifies the attempts that a deadline has ended.
  void ClassifyLate(const std::shared_ptr<const Classifier>& classifier);
  // Reads the reply of an OK, before that OK is final. Returns false if the
  // reply cannot be read: the attempt then counts as failed.
  bool ReadReply(Attempt* attempt);
  // Returns the status for a reply that could not be read into `reply`.
  grpc::Status ReplyFault(const void* reply) const;

  // Carries out what the driver decided.
  void Act(const Actions& actions, core::Time now);
  void Launch(const core::CallDriver::Launch& launch);
  bool MayBeNative(const core::CallDriver::Launch& launch) const;
  void LaunchNatively(const core::CallDriver::Launch& launch);
  // Returns a batch of the caller that this holds at the moment.
  Methods* KeptBatch() const;
  const grpc::ByteBuffer& Request();
  void TellStart(const core::CallDriver::Launch& launch,
                 const grpc::ClientContext* context,
                 CallerContext::Metadata* metadata) const;
  // Asks a link of the fallback; see driven_fallback.cc.
  struct LinkRun;
  void AskLink(int link, const Finish& failed);
  // Returns true if the link has answered at once, on this thread.
  bool AskHere(LinkRun* run);
  void AskOnPool(const std::shared_ptr<LinkRun>& run);
  void Refill(const std::shared_ptr<LinkRun>& run);
  void EndLink(LinkRun* run);
  Answer LinkAnswer();
  // Called when the time of a link may be over, before the driver gives it up.
  // Reports to the driver that the link has begun, or else stops it from ever
  // beginning.
  void NoteLinkBegun(core::Time now);
  void StopLink();
  void CountLinks() const;
  void AddLinks(v1::CallReport* report) const;
  // Gives the caches the reply of a server that the caller gets.
  void LearnReply(const Finish& finish);
  void WatchParent();
  // Takes the final decision. From here on the call waits for nothing but,
  // perhaps, the end of its native call.
  void Conclude(const Finish& finish, core::Time now);
  void Deliver();
  // Returns the answer for a `finish` that is not the end of an attempt.
  Answer OwnAnswer(const Finish& finish) const;
  void AddReport(const Finish& finish);
  // Records why a call is not sent.
  void NoteRefused(const Finish& finish, core::Time now) const;
  void ArmTimer();
  void DisarmTimer();
  bool IsOnCallerThread() const {
    return caller_thread_ == std::this_thread::get_id() &&
           !has_left_caller_queue_;
  }

  const std::shared_ptr<engine::ChannelBinding> channel_;
  const std::shared_ptr<const engine::MethodBinding> method_;

  // These belong to the caller and are valid until the call is answered.
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
  const core::Time deadline_;  // the caller's or, if earlier, the timeout's
  Methods* first_ = nullptr;   // until it is decided on
  Methods* opens_ = nullptr;   // decided: it goes out natively
  // The channel on which attempts to the caller's own target are made. They
  // pass only the interceptors after ours. Empty until it is needed.
  std::shared_ptr<grpc::ChannelInterface> attempt_channel_;
  const std::shared_ptr<const engine::FallbackLinks> fallback_;

  Mailbox box_;
  Mail timer_mail_{kTimer};
  Mail cancel_mail_{kCancel};
  std::atomic<bool> cancel_requested_{false};
  engine::Timer cancel_timer_;
  // Each mail is followed by what it brings, which is written before it is
  // posted.
  Mail admitted_mail_{kAdmitted};
  Queued::End admitted_;
  Mail native_initial_mail_{kNativeInitial};
  Methods* native_initial_ = nullptr;
  Mail native_end_mail_{kNativeEnd};
  Methods* native_end_ = nullptr;
  Mail parent_mail_{kParent};
  grpc::StatusCode parent_code_ = grpc::StatusCode::CANCELLED;

  // Set while the calling thread of a synchronous stub waits in Start().
  // Written before other threads know this call.
  std::unique_ptr<engine::CallerQueue> caller_queue_;
  std::thread::id caller_thread_;
  // Whether that thread has stopped polling. The id alone does not say so,
  // since a later thread may have the same id.
  std::atomic<bool> has_left_caller_queue_{false};

  // Only the owner reads or writes these.
  core::CallDriver driver_;
  // Null if there is no candidate policy.
  std::unique_ptr<engine::CandidateCall> candidate_;
  core::AdmissionPermit admission_permit_;
  core::Time admitted_at_;  // `began_` if it does not wait
  std::shared_ptr<Queued> queued_;
  absl::optional<core::AdmissionControl::Refusal> admission_refusal_;
  engine::Timer timer_;
  // When `timer_` is due. If infinite, the timer queue does not hold `timer_`,
  // which may then be destroyed.
  core::Time armed_ = core::kInfiniteFuture;
  std::shared_ptr<ParentWatch> parent_watch_;
  absl::InlinedVector<std::weak_ptr<Attempt>, 2> attempts_;
  NativeCall native_;
  bool is_native_ = false;  // set before the gate opens, read by all after it
  bool native_was_not_ready_ = false;
  // Copies for later attempts, made where the caller's own may be gone or
  // changed.
  grpc::ByteBuffer own_request_;
  CallerContext::Metadata own_metadata_;
  absl::optional<Finish> concluded_;
  bool is_delivered_ = false;
  std::vector<std::string> peers_;  // of the attempts, for the report
  // Every fallback link that was asked, in order, and the failure that they
  // were asked about.
  absl::InlinedVector<std::shared_ptr<LinkRun>, 1> links_;
  grpc::Status failure_;

  // Until the decision, the result of our last attempt that ended: the caller
  // gets it unless the driver decides on an answer of its own. The caller's
  // batches read it once it is delivered.
  Answer answer_;
};

}  // namespace firebreak::interceptors

#endif  // FIREBREAK_INTERCEPTORS_DRIVEN_DRIVEN_CALL_H_
