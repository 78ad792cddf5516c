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
// Thread safety: pure functions.
#ifndef FIREBREAK_SRC_CORE_BASE_PRINTABLE_H_
#define FIREBREAK_SRC_CORE_BASE_PRINTABLE_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace firebreak::core {

std::string Printable(absl::string_view text);

// The bytes of the character that `text`, which is not empty, begins with; 0
// when they are not UTF-8 or one of those that Printable() spells out.
std::size_t PrintableLength(absl::string_view text);

// By RFC 3629: nothing too long, no surrogates, not past U+10FFFF.
bool IsUtf8(absl::string_view text);

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_BASE_PRINTABLE_H_
