// Hands one result to the application's classifier, and its judgement to the
// breaker.
//
//   Classify(channel, method, classifier, std::move(result),
//            std::move(permit), /*by_default=*/Verdict::kFailure);
//
// The permit is settled once: with the classifier's judgement, or with the
// default if the classifier throws, takes too long or finds no room on the
// pool. It keeps the engine alive until then. The breaker knows when the answer
// came (Permit::NoteAnswered), so the classifier's time does not count as the
// server's.
//
// Thread safety: a pure function of its arguments.
#ifndef FIREBREAK_SRC_ENGINE_CALLBACKS_CLASSIFICATION_H_
#define FIREBREAK_SRC_ENGINE_CALLBACKS_CLASSIFICATION_H_

#include <memory>

#include "firebreak/classifier.h"
#include "src/core/base/outcome.h"
#include "src/core/breaker/breaker.h"
#include "src/engine/engine_core.h"

namespace firebreak::engine {

// How long a classifier may take: a thousand times as long as one needs.
inline constexpr core::Duration kClassifierTimeout = std::chrono::seconds(1);
static_assert(kClassifierTimeout < core::Breaker::kJudgedWithin);

void Classify(std::shared_ptr<ChannelBinding> channel,
              std::shared_ptr<const MethodBinding> method,
              std::shared_ptr<const Classifier> classifier, Result result,
              core::Permit permit, core::Verdict by_default);

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_CALLBACKS_CLASSIFICATION_H_
