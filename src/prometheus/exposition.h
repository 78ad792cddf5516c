// One scrape's samples, as they are gathered.
//
//   Exposition out;
//   Labels labels = {OutsideLabel("channel", name)};
//   out.Add(Family::kRequests, With(labels, "type", "success"), int64_t{17});
//   return out.Take();
//
// Thread safety: none.
#ifndef FIREBREAK_SRC_PROMETHEUS_EXPOSITION_H_
#define FIREBREAK_SRC_PROMETHEUS_EXPOSITION_H_

#include <prometheus/client_metric.h>
#include <prometheus/metric_family.h>

#include <cstddef>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "src/core/measure/histogram.h"
#include "src/core/measure/measure.h"
#include "src/prometheus/families.h"

namespace firebreak::metrics {

using Labels = std::vector<prometheus::ClientMetric::Label>;

// A label whose value came from outside: channel, target, method. A byte that
// is no UTF-8 would cost Prometheus the whole scrape, a NUL what follows it.
prometheus::ClientMetric::Label OutsideLabel(const char* name,
                                             absl::string_view value);
// `labels` and one more, whose value is ours.
Labels With(Labels labels, const char* name, absl::string_view value);

// The upper bounds of the response time's buckets.
const std::vector<core::Duration>& ResponseTimeBounds();

class Exposition {
 public:
  // Every family is there, also without samples.
  Exposition();

  // Of counters and gauges.
  void Add(Family family, Labels labels, double value) {
    Add(IndexOf(family), std::move(labels), value);
  }
  void Add(Family family, Labels labels, int64_t value) {
    Add(family, std::move(labels), static_cast<double>(value));
  }
  // Whose `at_most` are those of ResponseTimeBounds().
  void Add(Family family, Labels labels, const core::Histogram::Summary& of);
  // Those of `measures` that are metrics, of "bulkhead" or kBreakerPart.
  void AddPart(absl::string_view part, const Labels& labels,
               const core::Measures& measures);

  std::vector<prometheus::MetricFamily> Take() { return std::move(families_); }

 private:
  // Of the family that stands there in Families().
  void Add(std::size_t index, Labels labels, double value);

  std::vector<prometheus::MetricFamily> families_;
};

}  // namespace firebreak::metrics

#endif  // FIREBREAK_SRC_PROMETHEUS_EXPOSITION_H_
