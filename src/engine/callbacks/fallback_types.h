// Whether a fallback is for the messages of the method it is set for.
//
//   absl::Status fits = CheckFallback("/shop.v1.UserService/GetUser",
//   fallback);
//
// Protobuf reads the bytes of most messages as any other, so a fallback of the
// wrong type would answer garbage with OK. Known of those of MakeFallback()
// and DefaultReply(), for methods whose proto is linked into the program;
// others pass.
//
// Thread safety: a pure function.
#ifndef FIREBREAK_SRC_ENGINE_CALLBACKS_FALLBACK_TYPES_H_
#define FIREBREAK_SRC_ENGINE_CALLBACKS_FALLBACK_TYPES_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "firebreak/fallback.h"

namespace firebreak::engine {

// INVALID_ARGUMENT: it names both types.
absl::Status CheckFallback(absl::string_view method, const Fallback& fallback);

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_CALLBACKS_FALLBACK_TYPES_H_
