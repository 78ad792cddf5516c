#include "interceptors/refusals.h"

#include <utility>

namespace firebreak::interceptors {

std::shared_ptr<const Answer> Refusals::For(const engine::MethodBinding& method,
                                            const core::Refusal& refusal) {
  // By method, since breakers may be shared and the text names the method.
  const engine::MethodRuntime& runtime = *method.runtime;
  const auto retry_after =
      std::chrono::ceil<std::chrono::milliseconds>(refusal.retry_after);
  {
    core::MutexLock lock(&mu_);
    const Last& last = last_[&runtime];
    if (last.answer != nullptr && last.reason == refusal.reason &&
        last.epoch == refusal.epoch && last.retry_after == retry_after) {
      return last.answer;
    }
  }
  auto answer = std::make_shared<const Answer>(RefusalAnswer(
      runtime.channel, runtime.method, method.targets.front()->cause(),
      refusal.reason, refusal.retry_after));
  core::MutexLock lock(&mu_);
  last_[&runtime] = {refusal.reason, refusal.epoch, retry_after, answer};
  return answer;
}

}  // namespace firebreak::interceptors
