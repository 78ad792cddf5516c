#include "src/core/base/printable.h"

#include <cstddef>
#include <cstdint>

#include "absl/strings/str_cat.h"

namespace firebreak::core {
namespace {

// Characters without a width, those that change the text direction and so let a
// line read differently, and Unicode's two line separators.
bool IsUnseen(uint32_t point) {
  return (point >= 0x200b && point <= 0x200f) ||
         (point >= 0x2028 && point <= 0x202e) ||
         (point >= 0x2060 && point <= 0x2069) || point == 0xfeff;
}

struct Character {
  size_t length = 0;  // in bytes; 0 = no UTF-8
  uint32_t point = 0;
};

// The first character of `text`.
Character First(absl::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return {1, lead};
  const size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc0 || lead > 0xf7 || text.size() < length) return {};
  uint32_t point = lead & (0xffU >> (length + 1));
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0U) != 0x80) return {};
    point = point << 6 | (byte(i) & 0x3fU);
  }
  constexpr uint32_t kFirst[] = {0x80, 0x800, 0x10000};
  if (point < kFirst[length - 2] || point > 0x10ffff) return {};
  if (point >= 0xd800 && point <= 0xdfff) return {};
  return {length, point};
}

}  // namespace

size_t PrintableLength(absl::string_view text) {
  const Character first = First(text);
  const uint32_t point = first.point;
  // C0, DEL and C1.
  const bool is_control = point < 0x20 || (point >= 0x7f && point < 0xa0);
  return is_control || IsUnseen(point) ? 0 : first.length;
}

bool IsUtf8(absl::string_view text) {
  while (!text.empty()) {
    const size_t length = First(text).length;
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

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
