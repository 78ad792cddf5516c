// Makes names and texts from outside safe to print within a line of text.
//
//   Printable("a\nb")     a\x0ab
//   Printable("caf\xe9")  caf\xe9 (was not UTF-8)
//
// Valid UTF-8 stays as it is, except for control characters, invisible
// characters and those that change the direction of the text. The backslash is
// doubled, so that different texts stay different. The result is valid UTF-8 on
// one line; the caller escapes quotes and markup for its format.
//
// Thread safety: pure functions.
#ifndef FIREBREAK_SRC_CORE_BASE_PRINTABLE_H_
#define FIREBREAK_SRC_CORE_BASE_PRINTABLE_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace firebreak::core {

std::string Printable(absl::string_view text);

// The length in bytes of the first character of `text`, which is not empty. 0
// if it is not UTF-8, or a character that Printable() escapes.
std::size_t PrintableLength(absl::string_view text);

// As defined by RFC 3629: no overlong forms, no surrogates, nothing past
// U+10FFFF.
bool IsUtf8(absl::string_view text);

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_BASE_PRINTABLE_H_
