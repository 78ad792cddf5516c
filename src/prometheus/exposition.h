// Gathers the samples of one scrape.
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

// A label whose value came from outside: channel, target, method. Bytes that
// are not UTF-8 are replaced, since they would cost Prometheus the whole
// scrape, and so is a NUL, which would cut off what follows it.
prometheus::ClientMetric::Label OutsideLabel(const char* name,
                                             absl::string_view value);
// Returns `labels` and one more, whose value is ours.
Labels With(Labels labels, const char* name, absl::string_view value);

// The upper bounds of the response time's buckets.
const std::vector<core::Duration>& ResponseTimeBounds();

class Exposition {
 public:
  // Begins with every family, also those that get no samples.
  Exposition();

  // For counters and gauges.
  void Add(Family family, Labels labels, double value) {
    Add(IndexOf(family), std::move(labels), value);
  }
  void Add(Family family, Labels labels, int64_t value) {
    Add(family, std::move(labels), static_cast<double>(value));
  }
  // For histograms. The `at_most` of `of` are those for ResponseTimeBounds().
  void Add(Family family, Labels labels, const core::Histogram::Summary& of);
  // Adds those of `measures` that are metrics. `part` is "bulkhead" or another
  // admission policy, or kBreakerPart.
  void AddPart(absl::string_view part, const Labels& labels,
               const core::Measures& measures);

  std::vector<prometheus::MetricFamily> Take() { return std::move(families_); }

 private:
  // Adds to the family at this index in Families().
  void Add(std::size_t index, Labels labels, double value);

  std::vector<prometheus::MetricFamily> families_;
};

}  // namespace firebreak::metrics

#endif  // FIREBREAK_SRC_PROMETHEUS_EXPOSITION_H_
