// What somebody who mistyped a name probably meant.
//
//   Nearest("Pay/Charge", {"/shop.v1.PaymentService/Charge", ...})
//
// Thread safety: pure functions.
#ifndef FIREBREAK_SRC_CORE_BASE_NEAREST_H_
#define FIREBREAK_SRC_CORE_BASE_NEAREST_H_

#include <limits>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace firebreak::core {

// Letters to insert, remove or change to get from one to the other, ASCII case
// aside; `limit`, or more than that, when there are so many. O(a * b), and less
// with a low limit.
int EditDistance(absl::string_view a, absl::string_view b,
                 int limit = std::numeric_limits<int>::max());

// The candidate nearest to `wanted`, the first of equals. A path
// ("/pkg.Service/Method") is as near as the nearest of its ends ("Method",
// "Service/Method"). Empty when there is none, or when `wanted` has over 80
// letters: what a wrong name costs is bounded. Ends longer than that are left
// aside too.
std::string Nearest(absl::string_view wanted,
                    const std::vector<std::string>& candidates);

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_BASE_NEAREST_H_
