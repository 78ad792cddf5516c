// What somebody who mistyped a name probably meant.
//
//   Nearest("Pay/Charge", {"/shop.v1.PaymentService/Charge", ...})
//
// Thread safety: pure functions.
#ifndef FIREBREAK_SRC_ADMIN_NEAREST_H_
#define FIREBREAK_SRC_ADMIN_NEAREST_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace firebreak::admin {

// Letters to insert, remove or change to get from one to the other, ASCII case
// aside. O(a * b).
int EditDistance(absl::string_view a, absl::string_view b);

// The candidate nearest to `wanted`, the first of equals. A path
// ("/pkg.Service/Method") is as near as the nearest of its ends ("Method",
// "Service/Method"). Empty when there is none, or when `wanted` is too long to
// be a typing mistake; such candidates are left aside too.
std::string Nearest(absl::string_view wanted,
                    const std::vector<std::string>& candidates);

// A name for a message: in double quotes, escaped, cut when it is very long.
std::string Quote(absl::string_view name);

}  // namespace firebreak::admin

#endif  // FIREBREAK_SRC_ADMIN_NEAREST_H_
