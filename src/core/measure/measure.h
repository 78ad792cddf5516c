// A number for operators: in the admin service, and as a metric.
//
//   Measures measures = {
//       {"rejected", "rejected_total", "Calls that ...", snapshot.rejected},
//   };
//
// A list of measures is the one description of what a part shows. The part's
// message of the admin service and its metrics are made from it.
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

  // The field in the part's message in admin.proto; "": not there.
  const char* field;
  // The metric's name after "firebreak_<part>_"; "": no metric. A name that
  // ends in "_total" is a counter.
  const char* metric;
  const char* help;  // of the metric
  double value;
};
using Measures = std::vector<Measure>;

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_MEASURE_MEASURE_H_
