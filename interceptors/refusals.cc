#include "interceptors/refusals.h"

#include <utility>

namespace firebreak::interceptors {

std::shared_ptr<const Answer> Refusals::For(const engine::MethodBinding& method,
                                            const core::Refusal& refusal) {
  core::Breaker* const breaker = method.targets.front();
  const auto retry_after =
      std::chrono::ceil<std::chrono::milliseconds>(refusal.retry_after);
  {
    core::MutexLock lock(&mu_);
    const Last& last = last_[breaker];
    if (last.answer != nullptr && last.reason == refusal.reason &&
        last.epoch == refusal.epoch && last.retry_after == retry_after) {
      return last.answer;
    }
  }
  const engine::MethodRuntime& runtime = *method.runtime;
  auto answer = std::make_shared<const Answer>(
      RefusalAnswer(runtime.channel, runtime.method, breaker->cause(),
                    refusal.reason, refusal.retry_after));
  core::MutexLock lock(&mu_);
  last_[breaker] = {refusal.reason, refusal.epoch, retry_after, answer};
  return answer;
}

}  // namespace firebreak::interceptors
