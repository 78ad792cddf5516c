// From a MethodSelector to the methods and breakers it means.
//
//   absl::StatusOr<std::vector<Selected>> some = SelectMethod(*core, selector);
//   if (!some.ok()) return some.status();         // names the nearest method
//   for (const Selected& each : *some) ...        // one for each channel
//
// Thread safety: pure functions of what the engine knows at that moment; a
// filter is one thread's.
#ifndef FIREBREAK_SRC_ADMIN_SELECTOR_H_
#define FIREBREAK_SRC_ADMIN_SELECTOR_H_

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
  std::vector<core::Breaker*> breakers;  // those selected; of `runtime`
};

// Whether `wanted` names the method with the path `path`: as it is, without the
// slash in front, or as its end from a package or service on ("Service/Method",
// "Method"). An empty one names every method.
bool NamesMethod(absl::string_view wanted, absl::string_view path);

// Which events are of a method that a selector means. One of a breaker that all
// methods of a channel share is of each of them: which those are is looked up
// once, so a filter is for the events of one moment.
class EventFilter {
 public:
  // Both outlive it.
  EventFilter(const engine::EngineCore* core,
              const v1::MethodSelector* selector)
      : core_(core), selector_(selector) {}
  bool Takes(const core::Event& event);

 private:
  // Channel and target.
  using Places = std::set<std::pair<std::string, std::string>>;
  Places SharedPlaces() const;

  const engine::EngineCore* const core_;
  const v1::MethodSelector* const selector_;
  // Where a method that is meant shares a breaker; none before it is asked.
  absl::optional<Places> shared_;
};

// NOT_FOUND: no channel of that name has been made; the message names the
// nearest. An empty name fits all.
absl::Status CheckChannel(const engine::EngineCore& core,
                          const std::string& channel);

// Whether the selector's channel and method mean this one.
bool Selects(const v1::MethodSelector& selector,
             const engine::MethodRuntime& runtime);

// Every method that fits, in the engine's order; maybe none.
std::vector<Selected> SelectAll(const engine::EngineCore& core,
                                const v1::MethodSelector& selector);

// The one method that `selector.method` names, on each channel that fits. At
// least one, each with a breaker if `selector.target` is set.
// INVALID_ARGUMENT: no method named, or several.
// NOT_FOUND: no such method, channel or target; the message names the nearest.
absl::StatusOr<std::vector<Selected>> SelectMethod(
    const engine::EngineCore& core, const v1::MethodSelector& selector);

// The breakers that methods share, on each channel and target that fits, each
// with one of its methods. At least one. NOT_FOUND: no such channel, or none.
absl::StatusOr<std::vector<Selected>> SelectShared(
    const engine::EngineCore& core, const v1::MethodSelector& selector);

}  // namespace firebreak::admin

#endif  // FIREBREAK_SRC_ADMIN_SELECTOR_H_
