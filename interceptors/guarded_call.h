// A call, unary or any stream, that runs natively once the breaker has admitted
// it.
//
//   GuardedCall call(channel, method, info, wants_report);
//   AdmissionControl::Step step = call.Begin(options);  // kWait: see Queued
//   if (auto refused = call.Admit(refusals)) ... // hijack, and answer it
//   call.Observe(methods, cancelled);            // every later batch
//
// It is judged by its final status and not by its opening: a stream that opens
// well and breaks in the middle is a failure. A call that is destroyed without
// a status counts as abandoned: its permit is returned without a verdict.
//
// Thread safety: Observe() may run on two threads at once, since a read and the
// status of a stream may end together. gRPC calls the rest from one thread at a
// time. Ownership: the interceptor owns it.
#ifndef FIREBREAK_INTERCEPTORS_GUARDED_CALL_H_
#define FIREBREAK_INTERCEPTORS_GUARDED_CALL_H_

#include <grpcpp/support/client_interceptor.h>

#include <memory>
#include <utility>

#include "interceptors/context/carried_options.h"
#include "interceptors/reply/answer.h"
#include "interceptors/reply/refusals.h"
#include "src/core/admission/admission_control.h"
#include "src/core/attempts/call_driver.h"
#include "src/core/base/mutex.h"
#include "src/core/breaker/breaker.h"
#include "src/core/measure/call_ages.h"
#include "src/core/measure/call_tape.h"
#include "src/engine/candidate/candidate_call.h"
#include "src/engine/engine_core.h"

namespace firebreak::interceptors {

class GuardedCall {
 public:
  GuardedCall(std::shared_ptr<engine::ChannelBinding> channel,
              std::shared_ptr<const engine::MethodBinding> method,
              grpc::experimental::ClientRpcInfo* info, bool wants_report);
  ~GuardedCall();
  GuardedCall(const GuardedCall&) = delete;
  GuardedCall& operator=(const GuardedCall&) = delete;

  const std::shared_ptr<engine::ChannelBinding>& channel() const {
    return channel_;
  }
  const std::shared_ptr<const engine::MethodBinding>& method() const {
    return method_;
  }

  // Called once, before anything is sent.
  core::AdmissionControl::Step Begin(const CallOptions& options);
  // Takes the permit out when Begin() has to wait. OnAdmitted() brings it back
  // when the wait is over.
  core::AdmissionPermit TakeAdmissionPermit() {
    return std::move(admission_permit_);
  }
  void OnAdmitted(core::AdmissionPermit permit);
  // Return the answer when Begin(), or the wait after it, has ended in a
  // refusal or in a cancel by the caller.
  std::shared_ptr<const Answer> TurnAway(
      const core::AdmissionControl::Refusal& refusal);
  std::shared_ptr<const Answer> Cancel();
  // Called once admission control has admitted the call. Returns null if it may
  // run, and else the answer: the deadline is too close, or the breaker refuses
  // it.
  std::shared_ptr<const Answer> Admit(Refusals* refusals);
  // Called once, when the call may run. The listener may change the metadata
  // that is sent.
  void TellStart(std::multimap<std::string, std::string>* metadata);
  // Looks at the results that `methods` brings. `cancelled` is whether the
  // caller has cancelled.
  void Observe(grpc::experimental::InterceptorBatchMethods* methods,
               bool cancelled);

 private:
  core::Time Now() const { return channel_->core()->Now(); }
  // Only unary calls are timed: how long a stream lasts is up to its users.
  bool is_unary() const {
    return info_->type() == grpc::experimental::ClientRpcInfo::Type::UNARY;
  }
  core::CallKind kind() const {
    return is_unary() ? core::CallKind::kUnary : core::CallKind::kStream;
  }
  void OnProgress();
  std::shared_ptr<const Answer> WithReport(
      std::shared_ptr<const Answer> refusal, core::Reason reason) const;
  void OnStatus(grpc::experimental::InterceptorBatchMethods* methods,
                bool cancelled);
  void TellRefused(core::Reason reason) const;
  // Writes the call to the tape, if one is being recorded, and ends it for the
  // candidate policy, if there is one. `sent` is how its attempt was
  // attributed, or null if there was no attempt.
  void Write(core::CallEnd end, absl::StatusCode code, core::Reason reason,
             const core::Attribution* sent, core::Time now);
  void TellEnd(const grpc::Status& status, core::Attribution attribution) const;
  void Report(const core::CallDriver::Attempt& facts,
              std::multimap<grpc::string_ref, grpc::string_ref>* trailing);

  const std::shared_ptr<engine::ChannelBinding> channel_;
  const std::shared_ptr<const engine::MethodBinding> method_;
  grpc::experimental::ClientRpcInfo* const info_;
  const bool wants_report_;
  std::string report_;   // the caller's context refers to it
  core::Time started_;   // the call, its wait included
  core::Time admitted_;  // by admission control
  core::Time deadline_;
  core::Duration granted_ = core::Duration::zero();
  core::CallAges::Call age_;  // of a unary call, while it runs
  bool is_running_ = false;
  core::AdmissionPermit admission_permit_;
  bool channel_was_not_ready_ = false;
  // Reads and the status of a stream may end on two threads at once.
  core::Mutex mu_;
  core::Permit permit_ ABSL_GUARDED_BY(mu_);
  // The pointer is set before anything runs, if at all.
  std::unique_ptr<engine::CandidateCall> candidate_ ABSL_PT_GUARDED_BY(mu_);
};

}  // namespace firebreak::interceptors

#endif  // FIREBREAK_INTERCEPTORS_GUARDED_CALL_H_
