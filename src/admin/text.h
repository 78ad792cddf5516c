// Text from the application, made fit for a message or a log line.
//
// Thread safety: pure functions.
#ifndef FIREBREAK_SRC_ADMIN_TEXT_H_
#define FIREBREAK_SRC_ADMIN_TEXT_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace firebreak::admin {

// `text` itself if it is UTF-8, else with every byte escaped that is not ASCII:
// one name that is not would make a whole message unreadable.
std::string ToUtf8(absl::string_view text);

// In one line that commands no terminal, cut when it is longer than `longest`
// bytes.
std::string ToLine(absl::string_view text, size_t longest = 500);

// A name for a message: in double quotes, printable, cut when it is very long.
std::string Quote(absl::string_view name);

// "; nearest: "Charge"", the one of `known` that `wanted` is most like; nothing
// where none is.
std::string NearestHint(absl::string_view wanted,
                        const std::vector<std::string>& known);

// What an operator gives as the reason, for the audit: " (reason: "drill")", or
// nothing.
std::string Because(absl::string_view reason);

}  // namespace firebreak::admin

#endif  // FIREBREAK_SRC_ADMIN_TEXT_H_
