// Built-in policy entries for common kinds of dependencies.
//
//   method { name { service: "shop.v1.PaymentService" } preset: "payment" }
//
// works as if that entry had the preset as its `base`. The comments in each
// preset say why its numbers are what they are. `firebreakctl presets` prints
// them as a policy file, to be used or changed.
//
// They differ in how soon they give up on a dependency, which depends on what a
// failure costs: a log line that is late costs nothing, a checkout that hangs
// costs the sale.
//
// Pure functions over constants.
#ifndef FIREBREAK_SRC_ENGINE_POLICY_PRESETS_H_
#define FIREBREAK_SRC_ENGINE_POLICY_PRESETS_H_

#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace firebreak::engine {

struct Preset {
  absl::string_view name;
  // The content of the entry: fields of a MethodPolicy and comments, in
  // Protobuf's text format.
  absl::string_view text;
};

absl::Span<const Preset> Presets();
// Returns null if there is no preset of that name.
const Preset* FindPreset(absl::string_view name);
// Returns all of them as a policy file.
std::string PresetsAsPolicy();

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_POLICY_PRESETS_H_
