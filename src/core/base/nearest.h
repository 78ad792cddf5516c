// Suggests what the author of a mistyped name probably meant.
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

// The number of letters to insert, remove or change to turn one text into the
// other, ignoring ASCII case. The result is `limit` or more if the number is
// that high. O(a * b), and less with a low limit.
int EditDistance(absl::string_view a, absl::string_view b,
                 int limit = std::numeric_limits<int>::max());

// The candidate nearest to `wanted`, the first if several are equally near. A
// path ("/pkg.Service/Method") is as near as the nearest of its suffixes
// ("Method", "Service/Method"). Empty if there is no candidate, or if `wanted`
// has over 80 letters, so that the cost of a wrong name is bounded. Longer
// suffixes are ignored too.
std::string Nearest(absl::string_view wanted,
                    const std::vector<std::string>& candidates);

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_BASE_NEAREST_H_
