// Checks whether a fallback is for the messages of the method it is set for.
//
//   absl::Status fits =
//       CheckFallback("/shop.v1.UserService/GetUser", fallback);
//
// Protobuf can read the bytes of most messages as any other type, so a fallback
// of the wrong type would answer garbage with OK. The types are known for
// fallbacks of MakeFallback() and DefaultReply(), and for methods whose proto
// is linked into the program. Other fallbacks pass the check.
//
// Thread safety: a pure function.
#ifndef FIREBREAK_SRC_ENGINE_CALLBACKS_FALLBACK_TYPES_H_
#define FIREBREAK_SRC_ENGINE_CALLBACKS_FALLBACK_TYPES_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "firebreak/fallback.h"

namespace firebreak::engine {

// Returns INVALID_ARGUMENT with both types if they differ.
absl::Status CheckFallback(absl::string_view method, const Fallback& fallback);

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_CALLBACKS_FALLBACK_TYPES_H_
