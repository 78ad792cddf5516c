#include "src/admin/message/text.h"

#include <cstddef>
#include <cstdint>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "src/core/base/nearest.h"
#include "src/core/base/printable.h"

namespace firebreak::admin {

std::string ToUtf8(absl::string_view text) {
  return core::IsUtf8(text) ? std::string(text) : absl::CEscape(text);
}

std::string ToLine(absl::string_view text, size_t longest) {
  if (text.size() <= longest) return core::Printable(text);
  // Does not cut within a character.
  size_t end = longest;
  while (end > 0 && (static_cast<uint8_t>(text[end]) & 0xC0U) == 0x80) --end;
  return absl::StrCat(core::Printable(text.substr(0, end)), "...");
}

std::string Quote(absl::string_view name) {
  constexpr size_t kLongest = 200;
  // Printable() doubles backslashes, so different names stay different.
  return absl::StrCat(
      "\"", absl::StrReplaceAll(ToLine(name, kLongest), {{"\"", "\\\""}}),
      "\"");
}

std::string NearestHint(absl::string_view wanted,
                        const std::vector<std::string>& known) {
  const std::string nearest = core::Nearest(wanted, known);
  return nearest.empty() ? "" : absl::StrCat("; nearest: ", Quote(nearest));
}

std::string Because(absl::string_view reason) {
  return reason.empty() ? "" : absl::StrCat(" (reason: ", Quote(reason), ")");
}

}  // namespace firebreak::admin
