// Answers to calls that a breaker refuses, made once and handed out many times.
//
//   std::shared_ptr<const Answer> answer = refusals->For(method, refusal);
//   answer->FillWithoutReply(methods);
//
// A refusal explains itself in a text and a status detail. Writing them takes
// several times longer than the decision, and refusals come in great numbers.
// Those of one breaker within a millisecond say the same.
//
// Thread safety: safe from any thread. Ownership: each factory has one. Answers
// are shared, and outlive it where a call still uses one.
#ifndef FIREBREAK_INTERCEPTORS_REPLY_REFUSALS_H_
#define FIREBREAK_INTERCEPTORS_REPLY_REFUSALS_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "interceptors/reply/answer.h"
#include "src/core/admission/admission_control.h"
#include "src/core/base/mutex.h"
#include "src/core/breaker/breaker.h"
#include "src/engine/method_runtime.h"

namespace firebreak::interceptors {

// Records for operators that a call is refused: see decision_log.h. `epoch` is
// that of the breaker, if the breaker refuses. `why()` returns one of the texts
// below.
template <class Why>
void NoteRefusal(const engine::MethodBinding& method, core::Reason reason,
                 uint64_t epoch, core::Time now, const Why& why) {
  core::Decision decision;
  decision.reason = reason;
  decision.epoch = epoch;
  method.runtime->stats.decisions.Note(decision, now, why);
}
std::string WhyRefused(const core::AdmissionControl& admission,
                       const core::AdmissionControl::Refusal& refusal);
std::string WhyBreakerRefuses(core::Breaker* breaker, core::Reason reason,
                              core::Time now);

// Returns the answer for a call that admission control has refused.
Answer RefusedAnswer(const engine::MethodBinding& method,
                     const core::AdmissionControl::Refusal& refusal);

class Refusals {
 public:
  // Returns the answer for `refusal`, which comes from the method's first
  // target.
  std::shared_ptr<const Answer> For(const engine::MethodBinding& method,
                                    const core::Refusal& refusal);

 private:
  struct Last {
    const core::Breaker* breaker = nullptr;  // a new policy may bring another
    core::Reason reason = core::Reason::kNone;
    uint64_t epoch = 0;  // of the breaker, whose cause is in the text
    std::chrono::milliseconds retry_after{};
    std::shared_ptr<const Answer> answer;
  };

  core::Mutex mu_;
  absl::flat_hash_map<const engine::MethodRuntime*, Last> last_
      ABSL_GUARDED_BY(mu_);
};

}  // namespace firebreak::interceptors

#endif  // FIREBREAK_INTERCEPTORS_REPLY_REFUSALS_H_
