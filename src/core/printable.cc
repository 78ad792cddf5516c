#include "src/core/printable.h"

#include <cstddef>
#include <cstdint>

#include "absl/strings/str_cat.h"

namespace firebreak::core {
namespace {

// Of no width, or turning the direction of what follows, so that a line reads
// as another than it is; and the two that Unicode ends lines with.
bool IsUnseen(uint32_t point) {
  return (point >= 0x200b && point <= 0x200f) ||
         (point >= 0x2028 && point <= 0x202e) ||
         (point >= 0x2060 && point <= 0x2069) || point == 0xfeff;
}

// The bytes of the character that `text` begins with; 0 when they are not
// UTF-8 (RFC 3629: not too long, no surrogates, not past U+10FFFF), or a
// control character: C0, DEL, C1.
size_t PrintableLength(absl::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return lead >= 0x20 && lead != 0x7f ? 1 : 0;
  const size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc0 || lead > 0xf7 || text.size() < length) return 0;
  uint32_t point = lead & (0xffU >> (length + 1));
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0U) != 0x80) return 0;
    point = point << 6 | (byte(i) & 0x3fU);
  }
  constexpr uint32_t kFirst[] = {0x80, 0x800, 0x10000};
  if (point < kFirst[length - 2] || point > 0x10ffff) return 0;
  if (point >= 0xd800 && point <= 0xdfff) return 0;
  return point < 0xa0 || IsUnseen(point) ? 0 : length;
}

}  // namespace

std::string Printable(absl::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    size_t length = PrintableLength(text);
    if (length == 0) {
      absl::StrAppend(
          &out, "\\x",
          absl::Hex(static_cast<uint8_t>(text[0]), absl::kZeroPad2));
      length = 1;
    } else if (text[0] == '\\') {
      out += "\\\\";
    } else {
      out.append(text.data(), length);
    }
    text.remove_prefix(length);
  }
  return out;
}

}  // namespace firebreak::core
