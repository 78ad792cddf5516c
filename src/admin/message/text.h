// Makes text from the application safe for a message or a log line.
//
// Thread safety: pure functions.
#ifndef FIREBREAK_SRC_ADMIN_MESSAGE_TEXT_H_
#define FIREBREAK_SRC_ADMIN_MESSAGE_TEXT_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace firebreak::admin {

// Returns `text` if it is UTF-8, otherwise with every byte escaped that is not
// ASCII: one name that is not UTF-8 would make a whole message unreadable.
std::string ToUtf8(absl::string_view text);

// Returns the text on one line, without control characters for a terminal, cut
// if it is longer than `longest` bytes.
std::string ToLine(absl::string_view text, size_t longest = 500);

// Returns a name for a message: in double quotes, printable, and cut if it is
// very long.
std::string Quote(absl::string_view name);

// Returns for example "; nearest: "Charge"" with the one of `known` that is
// nearest to `wanted`, or "" if none is near.
std::string NearestHint(absl::string_view wanted,
                        const std::vector<std::string>& known);

// Returns an operator's reason for the audit, for example " (reason: "drill")",
// or "" if there is none.
std::string Because(absl::string_view reason);

}  // namespace firebreak::admin

#endif  // FIREBREAK_SRC_ADMIN_MESSAGE_TEXT_H_
