// What a candidate policy would do with one call, told as the call goes on.
//
//   CandidateCall shadow(*binding->candidate, live.get(), arrival);
//   shadow.OnLaunch(launch, now);      // for each attempt that is really sent
//   shadow.OnAttemptEnd(n, end, now);  // before the live driver hears of it
//   shadow.OnTimer(now);               // after the live driver has heard of it
//   shadow.End(call, now);             // with the facts that CallTape takes
//
// Where the candidate would drive the call, a CallDriver of its own hears of
// the same events and launches an attempt only beside one that is really sent
// (CallDriver::Follow). Otherwise its breaker gives one permit, as for a call
// that runs natively. Both run on the candidate's own state. How long attempts
// take they know from the live method's LatencyModel, which both policies would
// have measured.
//
// What it can know only in part, since the call goes as the live policy wants:
//  - What the live policy refuses teaches the candidate nothing, and takes none
//    of its probes. Neither does an attempt that it would not have made.
//  - What the candidate would refuse teaches it nothing either, though its end
//    is seen: in force it would not have been.
//  - What the live policy ends by its timeout, or sends to a target that the
//    candidate would not have chosen, has no result for the candidate.
//  - A call that it would have ended by its timeout gives its place back when
//    it really ends.
//  - A wait is not waited. A call that would have to wait for a token counts as
//    let in. One that is still in the candidate's queue when it is really sent
//    teaches nothing, and counts as refused if it ends after `max_wait` without
//    a place.
//  - Only the first hedge and the next retry are told: what they would have
//    brought nobody knows.
//  - Its deadline gate stops what that of the live policy stops, if both have
//    one. Fallbacks and `fault` are not looked at.
//  - Nobody tells its breakers of connections, so a stream that probes and is
//    silent for two seconds decides nothing.
//
// One that is destroyed without an end was abandoned.
//
// Thread safety: none but what its call has. Ownership: the binding, and the
// live method, outlive it.
#ifndef FIREBREAK_SRC_ENGINE_CANDIDATE_CANDIDATE_CALL_H_
#define FIREBREAK_SRC_ENGINE_CANDIDATE_CANDIDATE_CALL_H_

#include <memory>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/types/optional.h"
#include "src/core/admission/admission_control.h"
#include "src/core/attempts/call_driver.h"
#include "src/core/base/reason.h"
#include "src/core/base/recycled.h"
#include "src/core/base/time.h"
#include "src/core/breaker/breaker.h"
#include "src/core/measure/call_tape.h"
#include "src/engine/candidate/candidate.h"

namespace firebreak::engine {

class CandidateCall final : public core::Recycled<CandidateCall> {
 public:
  struct Arrival {
    core::Time now;
    core::Time deadline = core::kInfiniteFuture;  // its caller's
    // That, or the one by the timeout of the live policy.
    core::Time live_deadline = core::kInfiniteFuture;
    core::CallKind kind = core::CallKind::kUnary;
    // The candidate's, with what the call itself changes. Null: as they are.
    std::shared_ptr<const core::MethodOptions> options;
    uint64_t seed = 0;  // of the live driver
  };
  using Call = core::CallTape::Call;
  using Launch = core::CallDriver::Launch;
  using Unjudged = core::CallDriver::Unjudged;

  CandidateCall(const CandidateBinding& candidate, MethodRuntime* live,
                Arrival arrival);
  ~CandidateCall();
  CandidateCall(const CandidateCall&) = delete;
  CandidateCall& operator=(const CandidateCall&) = delete;

  void OnLaunch(const Launch& launch, core::Time now);
  // Not of the attempts that the live policy ends itself. Returns what a
  // classifier has to judge: nothing, unless `end` says that one will.
  std::vector<Unjudged> OnAttemptEnd(int n, const core::AttemptEnd& end,
                                     core::Time now);
  void OnCommit(int n, core::Time now);
  void OnTimer(core::Time now);
  void OnProgress(core::Time now);  // of a stream
  // Once.
  void End(const Call& call, core::Time now);

 private:
  class Waiter;
  // An attempt of the live policy.
  struct Sent {
    core::Time deadline;
    int own = -1;  // the candidate's beside it, if it would have made one
  };

  bool is_unary() const { return kind_ == core::CallKind::kUnary; }
  bool is_refused() const { return refused_ != core::Reason::kNone; }
  Tally* tally() const { return &candidate_.method->tally; }
  core::CallDriver::Plan MakePlan() const;
  // The breakers that a call of its kind may use.
  absl::Span<core::Breaker* const> targets() const;
  void Enter(core::Time now);
  void Refuse(core::Reason reason, core::Time now);
  void Begin(const Launch& launch, core::Time now);
  void BeginDriven(const Launch& launch, core::Time now);
  core::Admission AskFirstTarget(int sent_to, core::Time now);
  // Makes the driver of a call that has begun without one.
  void NeedDriver() {
    if (is_driven_ && driver_ == nullptr && permit_) MakeDriver();
  }
  void MakeDriver();
  // Whether nothing has happened to it that a driver decides about, but this
  // end of its first attempt.
  bool IsPlain(int n, const core::AttemptEnd& end, core::Time now) const;
  static bool WasCutOff(const Sent& sent, const core::AttemptEnd& end,
                        core::Time own_deadline);
  std::vector<Unjudged> EndDriven(const Sent& sent, const core::AttemptEnd& end,
                                  core::Time now);
  std::vector<Unjudged> EndNative(const Sent& sent, const core::AttemptEnd& end,
                                  core::Time now);
  // What there is of it is not known from here on.
  void Lose();
  void Note(const core::CallDriver::Actions& actions);
  // Applies what was due before `now`.
  void Advance(core::Time now);
  void EndUnsent(const Call& call, Live live, core::Time now);
  void EndSent(const Call& call, Live live, bool live_timed_out,
               core::Time now);

  const CandidateBinding& candidate_;
  MethodRuntime* const live_;
  const std::shared_ptr<const core::MethodOptions> own_options_;
  const core::MethodOptions& options_;
  const core::CallKind kind_;
  const core::Time callers_deadline_;
  const core::Time live_deadline_;
  const core::Time deadline_;  // by the candidate
  const uint64_t seed_;
  const bool is_driven_;

  core::Reason refused_ = core::Reason::kNone;
  bool waits_ = false;
  bool has_begun_ = false;
  bool is_lost_ = false;
  bool has_ended_ = false;
  bool has_timed_out_ = false;  // by the candidate
  bool hedges_ = false;
  bool gives_up_ = false;
  bool live_retried_ = false;
  bool live_hedged_ = false;
  // Before the permit, which takes itself out of the queue by it.
  std::shared_ptr<core::Bulkhead::Waiter> waiter_;
  core::AdmissionPermit admission_;
  absl::InlinedVector<Sent, 2> sent_;
  // Where it would drive the call. With one target it is made when it has
  // something to decide: until then, the permit below is that of the first
  // attempt. Not inside of this object, which would be three times as large.
  std::unique_ptr<core::CallDriver> driver_;
  absl::optional<core::CallDriver::Finish> finish_;
  // Where it would not.
  core::Permit permit_;
  core::Time launched_;
  core::Time hedge_at_ = core::kInfiniteFuture;
  absl::optional<core::AdmissionControl::Verdict> verdict_;
};

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_CANDIDATE_CANDIDATE_CALL_H_
