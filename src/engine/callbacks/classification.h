// Hands one result to the application's classifier, and its judgement to the
// breaker.
//
//   Classify({io, counters, engine, method}, classifier, std::move(result),
//            std::move(unjudged));
//
// There may be several permits: that of the live policy, and that of a
// candidate. Each is settled once: with the classifier's judgement, or with its
// default verdict if the classifier throws, takes too long or finds no room on
// the pool. The host's engine is kept alive until then. The breaker knows when
// the answer came (Permit::NoteAnswered), so the classifier's time does not
// count as the server's.
//
// Thread safety: safe from any thread. Classify() does not wait: the classifier
// runs on the observers' pool.
#ifndef FIREBREAK_SRC_ENGINE_CALLBACKS_CLASSIFICATION_H_
#define FIREBREAK_SRC_ENGINE_CALLBACKS_CLASSIFICATION_H_

#include <memory>
#include <vector>

#include "firebreak/classifier.h"
#include "src/core/attempts/call_driver.h"
#include "src/core/breaker/breaker.h"
#include "src/engine/callbacks/counters.h"
#include "src/engine/io/io.h"

namespace firebreak::engine {

// How long a classifier may take. It is a thousand times as long as one needs.
inline constexpr core::Duration kClassifierTimeout = std::chrono::seconds(1);
static_assert(kClassifierTimeout < core::Breaker::kJudgedWithin);

// What a classifier runs on, and where its errors are counted. `engine` keeps
// these two alive, and `method` the breaker, until the permits are settled.
struct ClassifierHost {
  Io* io;
  CallbackCounters* counters;
  std::shared_ptr<const void> engine;
  std::shared_ptr<const void> method;
};

void Classify(ClassifierHost host, std::shared_ptr<const Classifier> classifier,
              Result result, std::vector<core::CallDriver::Unjudged> unjudged);

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_CALLBACKS_CLASSIFICATION_H_
