#include "src/admin/message/paging.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace firebreak::admin {
namespace {

// Longer than any method's name can be on the wire.
constexpr size_t kLongestToken = size_t{64} * 1024;

std::string ToToken(const SortKey& key) {
  // All 17 digits, so that parsing gives the same number.
  return absl::WebSafeBase64Escape(
      absl::StrCat(absl::StrFormat("%.17g", key.rank), " ", key.name));
}

absl::optional<SortKey> FromToken(const std::string& token) {
  std::string text;
  if (token.size() > kLongestToken ||
      !absl::WebSafeBase64Unescape(token, &text)) {
    return absl::nullopt;
  }
  const size_t space = text.find(' ');
  SortKey key;
  if (space == std::string::npos ||
      !absl::SimpleAtod(text.substr(0, space), &key.rank) ||
      std::isnan(key.rank)) {
    return absl::nullopt;
  }
  key.name = text.substr(space + 1);
  return key;
}

}  // namespace

SortKey SortKey::Of(double rank,
                    std::initializer_list<absl::string_view> name) {
  // Names contain no NUL, so a shorter one sorts first.
  return {rank, absl::StrJoin(name, absl::string_view("\0", 1))};
}

absl::Status Pager::Read(int32_t page_size, const std::string& token) {
  if (page_size < 0 || page_size > kMaxPage) {
    return absl::InvalidArgumentError(absl::StrCat(
        "page_size: is ", page_size, "; allowed [0, ", kMaxPage, "], 0 = all"));
  }
  size_ = static_cast<size_t>(page_size);
  if (token.empty()) return absl::OkStatus();
  after_ = FromToken(token);
  if (after_.has_value()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "page_token: is none of ours; allowed: the next_page_token of a page, "
      "or none");
}

std::vector<size_t> Pager::Cut(const std::vector<SortKey>& keys) {
  std::vector<size_t> page;
  for (size_t i = 0; i < keys.size(); ++i) {
    if (!after_.has_value() || *after_ < keys[i]) page.push_back(i);
  }
  std::sort(page.begin(), page.end(),
            [&](size_t a, size_t b) { return keys[a] < keys[b]; });
  if (size_ > 0 && page.size() > size_) {
    page.resize(size_);
    next_token_ = ToToken(keys[page.back()]);
  }
  return page;
}

}  // namespace firebreak::admin
