// Finds the methods and breakers that a MethodSelector names.
//
//   absl::StatusOr<std::vector<Selected>> some = SelectMethod(*core, selector);
//   if (!some.ok()) return some.status();         // names the nearest method
//   for (const Selected& each : *some) ...        // one for each channel
//
// Thread safety: pure functions of the engine's present state; a filter belongs
// to one thread.
#ifndef FIREBREAK_SRC_ADMIN_MESSAGE_SELECTOR_H_
#define FIREBREAK_SRC_ADMIN_MESSAGE_SELECTOR_H_

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "firebreak/v1/admin.pb.h"
#include "src/core/breaker/breaker.h"
#include "src/core/measure/event_log.h"
#include "src/engine/engine_core.h"
#include "src/engine/method_runtime.h"

namespace firebreak::admin {

struct Selected {
  std::shared_ptr<engine::MethodRuntime> runtime;
  std::vector<core::Breaker*> breakers;  // the selected ones of `runtime`
};

// Whether `wanted` names the method with the path `path`: the path itself, the
// path without its first slash, or its end from a package or service on
// ("Service/Method", "Method"). An empty name fits every method.
bool NamesMethod(absl::string_view wanted, absl::string_view path);

// Selects the events of the methods that a selector names. An event of a
// breaker that all methods of a channel share belongs to each of them. Those
// breakers are looked up once, so a filter is for the events of one moment.
class EventFilter {
 public:
  // Both outlive it.
  EventFilter(const engine::EngineCore* core,
              const v1::MethodSelector* selector)
      : core_(core), selector_(selector) {}
  bool Takes(const core::Event& event);

 private:
  // Pairs of channel and target.
  using Places = std::set<std::pair<std::string, std::string>>;
  Places SharedPlaces() const;

  const engine::EngineCore* const core_;
  const v1::MethodSelector* const selector_;
  // Where a selected method shares a breaker; not set before it is needed.
  absl::optional<Places> shared_;
};

// NOT_FOUND if no channel of that name was created; the message has the nearest
// name. An empty name fits all channels.
absl::Status CheckChannel(const engine::EngineCore& core,
                          const std::string& channel);

// Whether the selector's channel and method fit this one.
bool Selects(const v1::MethodSelector& selector,
             const engine::MethodRuntime& runtime);

// Every method that fits, in the engine's order; there may be none.
std::vector<Selected> SelectAll(const engine::EngineCore& core,
                                const v1::MethodSelector& selector);

// The method that `selector.method` names, on each channel that fits. At least
// one, each with a breaker if `selector.target` is set. INVALID_ARGUMENT if it
// names no method, or several. NOT_FOUND if there is no such method, channel or
// target; the message has the nearest name.
absl::StatusOr<std::vector<Selected>> SelectMethod(
    const engine::EngineCore& core, const v1::MethodSelector& selector);

// The breakers that methods share, on each channel and target that fits, each
// with one of its methods. At least one. NOT_FOUND if there is no such channel,
// or no such breaker.
absl::StatusOr<std::vector<Selected>> SelectShared(
    const engine::EngineCore& core, const v1::MethodSelector& selector);

}  // namespace firebreak::admin

#endif  // FIREBREAK_SRC_ADMIN_MESSAGE_SELECTOR_H_
