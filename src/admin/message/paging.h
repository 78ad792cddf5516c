// Pages of a sorted list that may change between two pages.
//
//   Pager pager;
//   absl::Status read =
//       pager.Read(request->page_size(), request->page_token());
//   if (!read.ok()) return read;
//   std::vector<size_t> page = pager.Cut(keys);      // keys[page[0]], ...
//
// A token is the key of the last item that was shown. So it needs no memory in
// the server, survives a restart, and stays valid while items come and go: the
// next page begins with the items that sort after it.
//
// Thread safety: none; each request has its own.
#ifndef FIREBREAK_SRC_ADMIN_MESSAGE_PAGING_H_
#define FIREBREAK_SRC_ADMIN_MESSAGE_PAGING_H_

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"

namespace firebreak::admin {

// Sorts by rank, then by name. Every item of a list has a different key.
struct SortKey {
  double rank = 0;
  std::string name;

  static SortKey Of(double rank, std::initializer_list<absl::string_view> name);
  friend bool operator<(const SortKey& a, const SortKey& b) {
    return a.rank != b.rank ? a.rank < b.rank : a.name < b.name;
  }
};

class Pager {
 public:
  static constexpr int32_t kMaxPage = 10'000;

  // INVALID_ARGUMENT if the size is out of range, or the token is not valid.
  absl::Status Read(int32_t page_size, const std::string& token);
  // The indexes of the items of this page, in order. To be called once.
  std::vector<size_t> Cut(const std::vector<SortKey>& keys);
  // Empty on the last page.
  const std::string& next_token() const { return next_token_; }

 private:
  size_t size_ = 0;  // 0: all
  absl::optional<SortKey> after_;
  std::string next_token_;
};

}  // namespace firebreak::admin

#endif  // FIREBREAK_SRC_ADMIN_MESSAGE_PAGING_H_
