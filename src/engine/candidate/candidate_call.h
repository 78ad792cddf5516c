// Works out, while a call runs, what a candidate policy would have done with
// it.
//
//   CandidateCall shadow(*binding->candidate, runtime.get(), arrival);
//   shadow.OnLaunch(launch, now);      // for each attempt that is really sent
//   shadow.OnAttemptEnd(n, end, now);  // before the live driver hears of it
//   shadow.OnTimer(now);               // after the live driver has heard of it
//   shadow.End(call, now);             // with the facts that CallTape takes
//
// Where the candidate would drive the call, a CallDriver of its own is told the
// same events, and launches an attempt only beside one that is really sent
// (CallDriver::Follow). Otherwise its breaker gives one permit, as for a call
// that runs natively. Both use the candidate's own state, except that they take
// the usual time of an attempt from the live method's LatencyModel: it would be
// the same under both policies.
//
// The call runs as the live policy wants, so some things are known only in
// part:
//  - A call that the live policy refuses gives the candidate no result, and
//    takes none of its probes. The same holds for an attempt that the candidate
//    would not have made.
//  - A call that the candidate would refuse gives it no result either, although
//    the end of the call is seen: if the candidate were in force, there would
//    be no such end.
//  - A call that the live policy ends by its timeout, or sends to a target that
//    the candidate would not have chosen, has no result for the candidate.
//  - A call that the candidate would have ended by its timeout keeps its
//    bulkhead slot until it really ends.
//  - No call is made to wait. A call that would have to wait for a token counts
//    as admitted. A call that is still in the candidate's queue when it is
//    really sent gives no result, and counts as refused if it ends after
//    `max_wait` without having got a slot.
//  - Only that it would have sent a first hedge or one more retry is counted:
//    nobody knows what these would have achieved.
//  - Its deadline gate stops what that of the live policy stops, if both have
//    one. The candidate's fallbacks and its `fault` are ignored.
//  - Its breakers are not told about connections, so a probe that is a stream
//    decides nothing by staying open in silence.
//
// A CandidateCall that is destroyed without End() counts its call as abandoned.
//
// Thread safety: none; the owner of the call uses it, or locks. Ownership: the
// binding and the live method outlive it.
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
    // The earlier of that and the deadline by the live policy's timeout.
    core::Time live_deadline = core::kInfiniteFuture;
    core::CallKind kind = core::CallKind::kUnary;
    // The candidate's options with the changes that the call asks for. Null if
    // it asks for none.
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
  // Not called for attempts that the live policy ends itself. Returns what a
  // classifier has to judge, which is nothing unless `end` says that one will.
  std::vector<Unjudged> OnAttemptEnd(int n, const core::AttemptEnd& end,
                                     core::Time now);
  void OnCommit(int n, core::Time now);
  void OnTimer(core::Time now);
  void OnProgress(core::Time now);  // of a stream
  // Called once.
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
  // Whether this end of its first attempt is the only event so far, and one
  // that needs no driver to decide anything.
  bool IsPlain(int n, const core::AttemptEnd& end, core::Time now) const;
  static bool WasCutOff(const Sent& sent, const core::AttemptEnd& end,
                        core::Time own_deadline);
  std::vector<Unjudged> EndDriven(const Sent& sent, const core::AttemptEnd& end,
                                  core::Time now);
  std::vector<Unjudged> EndNative(const Sent& sent, const core::AttemptEnd& end,
                                  core::Time now);
  // Gives the call up: from here on, what the candidate would do is not known.
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
  // Declared before the permit, which needs it to leave the queue.
  std::shared_ptr<core::Bulkhead::Waiter> waiter_;
  core::AdmissionPermit admission_;
  absl::InlinedVector<Sent, 2> sent_;
  // Set where the candidate would drive the call. With one target it is made
  // only when it has something to decide: until then, the permit below is that
  // of the first attempt. It is on the heap because this object would otherwise
  // be three times as large.
  std::unique_ptr<core::CallDriver> driver_;
  absl::optional<core::CallDriver::Finish> finish_;
  // Where the candidate would not drive the call.
  core::Permit permit_;
  core::Time launched_;
  core::Time hedge_at_ = core::kInfiniteFuture;
  absl::optional<core::AdmissionControl::Verdict> verdict_;
};

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_CANDIDATE_CANDIDATE_CALL_H_
