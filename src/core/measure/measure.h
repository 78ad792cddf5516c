// A number that operators see: in the admin service, and as a metric.
//
//   Measures measures = {
//       {"rejected", "rejected_total", "Calls that ...", snapshot.rejected},
//   };
//
// A list of them is the one description of what a part shows. The admin service
// fills the message of the part with it, and the metrics are made of it.
//
// Thread safety: values.
#ifndef FIREBREAK_SRC_CORE_MEASURE_MEASURE_H_
#define FIREBREAK_SRC_CORE_MEASURE_MEASURE_H_

#include <vector>

namespace firebreak::core {

struct Measure {
  template <class Number>
  Measure(const char* field_name, const char* metric_name,
          const char* what_it_is, Number number)
      : field(field_name),
        metric(metric_name),
        help(what_it_is),
        value(static_cast<double>(number)) {}

  // In the part's message in admin.proto; "": not there.
  const char* field;
  // After "firebreak_<part>_"; "": no metric. What ends in "_total" only grows.
  const char* metric;
  const char* help;  // of the metric
  double value;
};
using Measures = std::vector<Measure>;

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_MEASURE_MEASURE_H_
