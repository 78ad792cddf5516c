// Draws both runs of the worst day in one picture.
//
//   absl::Status drawn = Draw(plain, guarded, "worst-day.svg");
#ifndef FIREBREAK_EXAMPLES_SHOP_PICTURE_H_
#define FIREBREAK_EXAMPLES_SHOP_PICTURE_H_

#include <string>

#include "absl/status/status.h"
#include "examples/shop/worst_day.h"

namespace shop {

// Writes an SVG file: answers, blocked workers and queues, by the second.
absl::Status Draw(const WorstDay::Facts& plain, const WorstDay::Facts& guarded,
                  const std::string& path);

}  // namespace shop

#endif  // FIREBREAK_EXAMPLES_SHOP_PICTURE_H_
