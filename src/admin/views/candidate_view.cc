#include "src/admin/views/candidate_view.h"

#include <algorithm>
#include <memory>
#include <string>

#include "src/admin/message/text.h"
#include "src/admin/message/time_view.h"
#include "src/admin/views/method_view.h"

namespace firebreak::admin {
namespace {

using engine::CandidateCounts;
using engine::Live;
using engine::Would;

void Fill(const CandidateCounts& counts, Would would,
          v1::CandidateCalls* view) {
  view->set_succeeded(counts.of(would, Live::kSucceeded));
  view->set_failed(counts.of(would, Live::kFailed));
  view->set_unknown(counts.of(would, Live::kUnknown));
}

void Fill(const CandidateCounts& counts, v1::CandidateMethod* view) {
  view->set_calls(counts.calls());
  view->set_succeeded(counts.of(Would::kNothingElse, Live::kSucceeded));
  view->set_failed(counts.of(Would::kNothingElse, Live::kFailed));
  view->set_refused(counts.of(Would::kNothingElse, Live::kRefused));
  view->set_unknown(counts.of(Would::kNothingElse, Live::kUnknown));
  view->set_timed_out(counts.live_timeouts);
  view->set_retried(counts.live_retried);
  view->set_hedged(counts.live_hedged);
  Fill(counts, Would::kRefuse, view->mutable_would_refuse());
  for (size_t i = 0; i < counts.refusals.size(); ++i) {
    if (counts.refusals[i] == 0) continue;
    v1::NamedCount* const reason = view->add_refusals();
    reason->set_name(
        std::string(core::ReasonName(static_cast<core::Reason>(i))));
    reason->set_count(counts.refusals[i]);
  }
  view->set_would_refuse_too(counts.of(Would::kRefuse, Live::kRefused));
  // The two numbers behind it are not read at the same moment.
  view->set_would_let_in(std::max<int64_t>(0, counts.let_in()));
  Fill(counts, Would::kTimeOut, view->mutable_would_time_out());
  view->set_would_go_on(counts.of(Would::kGoOn));
  view->set_would_retry(counts.of(Would::kRetry));
  Fill(counts, Would::kGiveUp, view->mutable_would_give_up());
  Fill(counts, Would::kHedge, view->mutable_would_hedge());
  view->set_would_wait(counts.of(Would::kWait));
}

// Returns zero if the policy has no timeout for the method.
core::Duration TimeoutOf(const engine::PolicyTable& policy,
                         const engine::MethodRuntime& method) {
  const auto options = policy.FindForCall(method.channel, method.method);
  return options == nullptr ? core::Duration::zero() : options->timeout;
}

}  // namespace

v1::Candidate CandidateView(const engine::Candidate& candidate,
                            uint64_t live_version) {
  v1::Candidate view;
  view.set_id(candidate.facts.id);
  view.set_live_version(candidate.facts.live_version);
  view.set_live_has_changed(candidate.facts.live_version != live_version);
  view.set_source(ToUtf8(candidate.facts.source));
  *view.mutable_since() = TimestampOf(candidate.facts.since);
  return view;
}

v1::CandidateMethod CandidateMethodView(const engine::Candidate& candidate,
                                        const engine::PolicyTable& live_policy,
                                        const engine::MethodRuntime& live,
                                        core::Time now) {
  v1::CandidateMethod view;
  view.set_channel(ToUtf8(live.channel));
  view.set_method(ToUtf8(live.method));
  view.set_has_entry(live.method != engine::kOtherMethod &&
                     candidate.policy.FindForCall(live.channel, live.method) !=
                         nullptr);
  const core::Duration timeout = TimeoutOf(candidate.policy, live);
  const core::Duration live_timeout = TimeoutOf(live_policy, live);
  if (timeout > core::Duration::zero()) {
    *view.mutable_timeout() = DurationOf(timeout);
  }
  if (live_timeout > core::Duration::zero()) {
    *view.mutable_live_timeout() = DurationOf(live_timeout);
  }
  const engine::CandidateMethod* const method =
      candidate.Find(live.channel, live.method);
  Fill(method == nullptr ? CandidateCounts() : method->tally.counts(), &view);
  if (method == nullptr) return view;
  for (core::Breaker* breaker : method->runtime->breakers()) {
    *view.add_breakers() = BreakerView(breaker, now);
  }
  return view;
}

}  // namespace firebreak::admin
