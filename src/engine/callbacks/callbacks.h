// The callbacks that the application has added to the engine, and the counters
// of their errors.
//
//   Callbacks callbacks(&io, capacity, options.log_sink);
//   events.SetSink(callbacks.listeners());
//   ++callbacks.counters()->classifier_late;
//
// Fallbacks and classifiers belong to methods: see MethodRuntime.
//
// Thread safety: safe from any thread. Ownership: `io` outlives it.
#ifndef FIREBREAK_SRC_ENGINE_CALLBACKS_CALLBACKS_H_
#define FIREBREAK_SRC_ENGINE_CALLBACKS_CALLBACKS_H_

#include <cstddef>
#include <memory>

#include "firebreak/events.h"
#include "firebreak/log.h"
#include "src/engine/callbacks/counters.h"
#include "src/engine/callbacks/listeners.h"
#include "src/engine/io/io.h"

namespace firebreak::engine {

class Callbacks {
 public:
  // `log_sink`, if there is one, gets the events as lines. Up to `capacity`
  // events wait for each listener.
  Callbacks(Io* io, std::size_t capacity, const LogSink& log_sink);
  void Stop() { listeners_->Stop(); }

  Listeners* listeners() const { return listeners_.get(); }
  CallbackCounters* counters() { return &counters_; }

 private:
  CallbackCounters counters_;
  const std::shared_ptr<Listeners> listeners_;
};

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_CALLBACKS_CALLBACKS_H_
