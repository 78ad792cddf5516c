// Names and texts from outside, made fit for a line of text.
//
//   Printable("a\nb")     a\x0ab
//   Printable("caf\xe9")  caf\xe9 (was not UTF-8)
//
// Valid UTF-8 without control characters, and without those that are not seen
// or turn the direction of the text, stays as it is, but for the backslash,
// which is doubled: so no two texts become one. What comes out is valid UTF-8
// on one line; quotes and markup are for whoever knows the format around it.
//
// Thread safety: a pure function.
#ifndef FIREBREAK_SRC_CORE_PRINTABLE_H_
#define FIREBREAK_SRC_CORE_PRINTABLE_H_

#include <string>

#include "absl/strings/string_view.h"

namespace firebreak::core {

std::string Printable(absl::string_view text);

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_PRINTABLE_H_
