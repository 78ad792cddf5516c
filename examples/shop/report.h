// Prints the demo's progress to stdout.
#ifndef FIREBREAK_EXAMPLES_SHOP_REPORT_H_
#define FIREBREAK_EXAMPLES_SHOP_REPORT_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "examples/shop/load.h"
#include "firebreak/v1/admin.pb.h"

namespace shop {

class Report {
 public:
  // Times are printed relative to the construction.
  Report();

  void Phase(absl::string_view title) const;
  void Note(absl::string_view text) const;
  // The results of a phase. `state` is that of the breaker at its end.
  void Table(const Load::Summary& summary, absl::string_view state) const;
  void Counters(const firebreak::v1::Method& method) const;
  void Events(const std::vector<firebreak::v1::Event>& events) const;

 private:
  const absl::Time start_;
};

}  // namespace shop

#endif  // FIREBREAK_EXAMPLES_SHOP_REPORT_H_
