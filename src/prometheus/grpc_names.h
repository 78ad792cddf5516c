// Exports some of our numbers under the names of gRPC's own OpenTelemetry
// plugin, where they mean the same: gRFC A66 (attempts, calls) and A96
// (retries, hedges), in the form that a Prometheus exporter writes.
//
//   GrpcNames names;
//   names.Add(*runtime, counts);
//   names.MoveTo(&families);
//
// Metrics that are missing here are not known to firebreak: the duration of
// attempts and of calls that fail, sizes, delays.
//
// Thread safety: none.
#ifndef FIREBREAK_SRC_PROMETHEUS_GRPC_NAMES_H_
#define FIREBREAK_SRC_PROMETHEUS_GRPC_NAMES_H_

#include <prometheus/metric_family.h>

#include <array>
#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "src/core/measure/method_stats.h"
#include "src/engine/method_runtime.h"

namespace firebreak::metrics {

class GrpcNames {
 public:
  GrpcNames();

  void Add(const engine::MethodRuntime& runtime,
           const core::MethodCounts& counts);
  void MoveTo(std::vector<prometheus::MetricFamily>* families);

 private:
  std::array<prometheus::MetricFamily*, 4> Families();

  // For each method and target, the index of its series in each family.
  std::map<std::pair<std::string, std::string>, std::size_t> places_;
  prometheus::MetricFamily attempts_;
  prometheus::MetricFamily duration_;
  prometheus::MetricFamily retries_;
  prometheus::MetricFamily hedges_;
};

}  // namespace firebreak::metrics

#endif  // FIREBREAK_SRC_PROMETHEUS_GRPC_NAMES_H_
