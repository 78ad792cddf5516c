// One result on its way through the application's classifier to the breaker.
//
//   Classify(channel, method, classifier, std::move(result),
//            std::move(permit), /*by_default=*/Verdict::kFailure);
//
// The permit is settled once: with the classifier's word, or with the default
// when that throws, takes too long, or when there is no room on the pool.
// Meanwhile it keeps the engine alive, and no longer. The breaker knows when
// the answer came (Permit::NoteAnswered), and takes none of this for the
// server's time.
//
// Thread safety: pure function over what it is given.
#ifndef FIREBREAK_SRC_ENGINE_CALLBACKS_CLASSIFICATION_H_
#define FIREBREAK_SRC_ENGINE_CALLBACKS_CLASSIFICATION_H_

#include <memory>

#include "firebreak/classifier.h"
#include "src/core/base/outcome.h"
#include "src/core/breaker/breaker.h"
#include "src/engine/engine_core.h"

namespace firebreak::engine {

// How long a classifier may take: a thousand times what one needs.
inline constexpr core::Duration kClassifierTimeout = std::chrono::seconds(1);
static_assert(kClassifierTimeout < core::Breaker::kJudgedWithin);

void Classify(std::shared_ptr<ChannelBinding> channel,
              std::shared_ptr<const MethodBinding> method,
              std::shared_ptr<const Classifier> classifier, Result result,
              core::Permit permit, core::Verdict by_default);

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_CALLBACKS_CLASSIFICATION_H_
