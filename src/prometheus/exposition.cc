#include "src/prometheus/exposition.h"

#include <chrono>
#include <limits>
#include <utility>

#include "src/core/base/printable.h"

namespace firebreak::metrics {

prometheus::ClientMetric::Label OutsideLabel(const char* name,
                                             absl::string_view value) {
  return {name, core::Printable(value)};
}

Labels With(Labels labels, const char* name, absl::string_view value) {
  labels.push_back({name, std::string(value)});
  return labels;
}

// Steps of 1, 2.5 and 5, from a millisecond, which is about the fastest answer
// over a network, to 10 s. These are Prometheus' own default buckets and one
// decade below them.
const std::vector<core::Duration>& ResponseTimeBounds() {
  using std::chrono::microseconds;
  static const auto* const bounds = new std::vector<core::Duration>{
      microseconds(1'000),     microseconds(2'500),     microseconds(5'000),
      microseconds(10'000),    microseconds(25'000),    microseconds(50'000),
      microseconds(100'000),   microseconds(250'000),   microseconds(500'000),
      microseconds(1'000'000), microseconds(2'500'000), microseconds(5'000'000),
      microseconds(10'000'000)};
  return *bounds;
}

Exposition::Exposition() {
  families_.reserve(Families().size());
  for (const FamilyInfo& info : Families()) {
    prometheus::MetricFamily& family = families_.emplace_back();
    family.name = info.name;
    family.help = info.help;
    family.type = info.type;
  }
}

void Exposition::Add(std::size_t index, Labels labels, double value) {
  if (index >= families_.size()) return;
  prometheus::MetricFamily& to = families_[index];
  prometheus::ClientMetric& metric = to.metric.emplace_back();
  metric.label = std::move(labels);
  if (to.type == prometheus::MetricType::Counter) {
    metric.counter.value = value;
  } else {
    metric.gauge.value = value;
  }
}

void Exposition::Add(Family family, Labels labels,
                     const core::Histogram::Summary& of) {
  prometheus::ClientMetric& metric =
      families_[IndexOf(family)].metric.emplace_back();
  metric.label = std::move(labels);
  metric.histogram.sample_count = static_cast<uint64_t>(of.count);
  metric.histogram.sample_sum = of.sum_seconds;
  const std::vector<core::Duration>& bounds = ResponseTimeBounds();
  for (std::size_t i = 0; i < bounds.size(); ++i) {
    metric.histogram.bucket.push_back(
        {static_cast<uint64_t>(of.at_most[i]),
         std::chrono::duration<double>(bounds[i]).count()});
  }
  metric.histogram.bucket.push_back(
      {metric.histogram.sample_count, std::numeric_limits<double>::infinity()});
}

void Exposition::AddPart(absl::string_view part, const Labels& labels,
                         const core::Measures& measures) {
  std::size_t family = FirstOf(part);
  for (const core::Measure& each : measures) {
    if (*each.metric != 0) Add(family++, labels, each.value);
  }
}

}  // namespace firebreak::metrics
