// What gRPC's own OpenTelemetry plugin would call some of our numbers, where
// they mean the same: gRFC A66 (attempts, calls) and A96 (retries, hedges), as
// a Prometheus exporter writes them.
//
//   GrpcNames names;
//   names.Add(*runtime, counts);
//   names.MoveTo(&families);
//
// What is not here is not known: the duration of attempts and of calls that
// fail, sizes, delays.
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

  // By method and target: where its series stand in each family.
  std::map<std::pair<std::string, std::string>, std::size_t> places_;
  prometheus::MetricFamily attempts_;
  prometheus::MetricFamily duration_;
  prometheus::MetricFamily retries_;
  prometheus::MetricFamily hedges_;
};

}  // namespace firebreak::metrics

#endif  // FIREBREAK_SRC_PROMETHEUS_GRPC_NAMES_H_
