#include "src/engine/callbacks/callbacks.h"

#include "src/engine/callbacks/log.h"

namespace firebreak::engine {

Callbacks::Callbacks(Io* io, std::size_t capacity, const LogSink& log_sink)
    : listeners_(Listeners::Create(io, capacity)) {
  if (log_sink == nullptr) return;
  listeners_->Add(std::make_shared<EventLines>(log_sink),
                  Listeners::Interest::kNoRejections);
}

}  // namespace firebreak::engine
