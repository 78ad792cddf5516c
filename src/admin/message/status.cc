#include "src/admin/message/status.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace firebreak::admin {
namespace {

// In metadata a character that is not printable ASCII takes three bytes.
std::string Fitting(absl::string_view all) {
  constexpr size_t kLongest = 6000;
  size_t size = 0;
  size_t end = 0;   // the end of what fits
  size_t line = 0;  // the end of its last full line
  for (; end < all.size(); ++end) {
    const char c = all[end];
    size += c >= ' ' && c <= '~' && c != '%' ? 1 : 3;
    if (size > kLongest) break;
    if (c == '\n') line = end;
  }
  if (end == all.size()) return std::string(all);
  if (line == 0) {
    // Does not cut within a character.
    while (end > 0 && (static_cast<uint8_t>(all[end]) & 0xC0U) == 0x80) --end;
    return absl::StrCat(all.substr(0, end), "...");
  }
  const auto left_out = std::count(all.begin() + line + 1, all.end(), '\n') + 1;
  return absl::StrCat(all.substr(0, line), "\nand ", left_out, " lines more");
}

}  // namespace

grpc::Status ToGrpc(const absl::Status& status) {
  return {static_cast<grpc::StatusCode>(status.code()),
          Fitting({status.message().data(), status.message().size()})};
}

}  // namespace firebreak::admin
