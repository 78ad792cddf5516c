#include "interceptors/reply/refusals.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

namespace firebreak::interceptors {

std::string WhyRefused(const core::AdmissionControl& admission,
                       const core::AdmissionControl::Refusal& refusal) {
  if (std::string why = admission.Explain(refusal); !why.empty()) return why;
  if (refusal.reason == core::Reason::kDeadlineExceeded &&
      refusal.wait == core::Duration::zero()) {
    return "the deadline was spent before the call began";
  }
  const std::string wait = core::FormatWait(refusal);
  if (refusal.reason == core::Reason::kDeadlineTooClose) {
    return absl::StrCat("the deadline leaves no time to wait: needed ", wait);
  }
  return absl::StrCat("the deadline passed before it was admitted, after ",
                      wait);
}

std::string WhyBreakerRefuses(core::Breaker* breaker, core::Reason reason,
                              core::Time now) {
  const core::BreakerSnapshot snapshot = breaker->Snapshot(now);
  const auto age = std::chrono::floor<std::chrono::milliseconds>(
      core::Remaining(snapshot.since, now));
  return absl::StrCat("the breaker has been ", RefusingState(reason), " for ",
                      core::FormatDuration(age), ": ", snapshot.cause);
}

Answer RefusedAnswer(const engine::MethodBinding& method,
                     const core::AdmissionControl::Refusal& refusal) {
  if (refusal.reason == core::Reason::kDeadlineExceeded &&
      refusal.wait == core::Duration::zero()) {
    return LocalAnswer(
        grpc::StatusCode::DEADLINE_EXCEEDED,
        "firebreak: the deadline was spent before the call began",
        refusal.reason, core::Duration::zero());
  }
  return LocalAnswer(
      static_cast<grpc::StatusCode>(refusal.code),
      absl::StrCat("firebreak: a call of ", method.method, " on channel \"",
                   method.runtime->channel, "\" is refused: ",
                   WhyRefused(method.settings->admission, refusal)),
      refusal.reason, refusal.retry_after);
}

std::shared_ptr<const Answer> Refusals::For(const engine::MethodBinding& method,
                                            const core::Refusal& refusal) {
  // Kept by method, since breakers may be shared and the text names the method.
  const engine::MethodRuntime& runtime = *method.runtime;
  const auto retry_after =
      std::chrono::ceil<std::chrono::milliseconds>(refusal.retry_after);
  {
    core::MutexLock lock(&mu_);
    const Last& last = last_[&runtime];
    if (last.answer != nullptr && last.breaker == method.targets.front() &&
        last.reason == refusal.reason && last.epoch == refusal.epoch &&
        last.retry_after == retry_after) {
      return last.answer;
    }
  }
  auto answer = std::make_shared<const Answer>(RefusalAnswer(
      runtime.channel, runtime.method, method.targets.front()->cause(),
      refusal.reason, refusal.retry_after));
  core::MutexLock lock(&mu_);
  last_[&runtime] = {method.targets.front(), refusal.reason, refusal.epoch,
                     retry_after, answer};
  return answer;
}

}  // namespace firebreak::interceptors
