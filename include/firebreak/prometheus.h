// The metrics of an engine for Prometheus.
//
//   #include <prometheus/exposer.h>             // prometheus-cpp::pull
//
//   auto collector = std::make_shared<firebreak::PrometheusCollector>(engine);
//   prometheus::Exposer exposer("0.0.0.0:9464");
//   exposer.RegisterCollectable(collector);     // GET /metrics
//
// In CMake, use find_package(firebreak COMPONENTS prometheus) and link
// firebreak::prometheus; both exist where prometheus-cpp is installed. Every
// metric is in docs/metrics.md; docs/prometheus has alert rules and a
// dashboard.
//
// Collect() reads counters that the engine keeps in any case, so metrics cost a
// call nothing. It holds each lock for a moment only, so a scraper that stalls
// delays no call. Counters are read one after the other: while calls run, they
// may differ from each other by the calls in flight.
//
// There are at most a hundred series for each method and forty for each
// breaker. There are up to EngineOptions::max_methods methods, an "other" for
// each of as many further channel names, and a breaker for each of the first
// 1000 targets of a method. Names from outside are made printable.
//
// The series do not say which engine they belong to. Several engines in one
// process need a page each: RegisterCollectable(collector, "/metrics/stock").
//
// Thread safety: safe from any thread.
// Ownership: the collector keeps the engine's state alive only while it
// collects. When the engine and its channels are gone, it collects nothing.
#ifndef FIREBREAK_INCLUDE_FIREBREAK_PROMETHEUS_H_
#define FIREBREAK_INCLUDE_FIREBREAK_PROMETHEUS_H_

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <memory>
#include <vector>

#include "firebreak/engine.h"
#include "firebreak/export.h"

namespace firebreak {

namespace engine {
class RecentCounts;
}  // namespace engine

struct PrometheusOptions {
  // Whether some metrics are also exported under the names of gRPC's own
  // OpenTelemetry plugin (grpc_client_attempt_started_total, ...), for
  // dashboards that use these. Off, since a process with the plugin has them
  // already.
  bool grpc_names = false;
};

class FIREBREAK_EXPORT PrometheusCollector final
    : public prometheus::Collectable {
 public:
  // `engine` is not null.
  explicit PrometheusCollector(const std::shared_ptr<Engine>& engine,
                               const PrometheusOptions& options = {});
  ~PrometheusCollector() override;

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  const std::weak_ptr<engine::EngineCore> core_;
  const PrometheusOptions options_;
  // The counts at earlier scrapes: the health is computed from the calls since.
  const std::unique_ptr<engine::RecentCounts> recent_;
};

}  // namespace firebreak

#endif  // FIREBREAK_INCLUDE_FIREBREAK_PROMETHEUS_H_
