// An engine's counters, for Prometheus.
//
//   #include <prometheus/exposer.h>             // prometheus-cpp::pull
//
//   auto collector = std::make_shared<firebreak::PrometheusCollector>(engine);
//   prometheus::Exposer exposer("0.0.0.0:9464");
//   exposer.RegisterCollectable(collector);     // GET /metrics
//
// In CMake: find_package(firebreak COMPONENTS prometheus) and
// firebreak::prometheus, where prometheus-cpp is installed. Every metric is in
// docs/metrics.md; alert rules and a dashboard are in docs/prometheus.
//
// Nothing is counted twice and nothing is done on the way of a call: Collect()
// reads what the engine has counted. It takes each lock for a moment and keeps
// none, so a scraper that stalls keeps nobody waiting. Counters are read one
// after the other: while calls run, they may differ by the calls that run.
//
// There are at most a hundred series for each method and forty for each
// breaker: of up to EngineOptions::max_methods methods, an "other" for each of
// so many further channel names, and a breaker for each of a method's first
// 1000 targets. Names from outside are made printable.
//
// Series do not tell engines apart: of several in one process, each needs a
// page of its own, RegisterCollectable(collector, "/metrics/stock").
//
// Thread safety: safe from any thread.
// Ownership: keeps the engine's state only while it collects. When the engine
// and its channels are gone there is nothing to collect.
#ifndef FIREBREAK_INCLUDE_FIREBREAK_PROMETHEUS_H_
#define FIREBREAK_INCLUDE_FIREBREAK_PROMETHEUS_H_

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <memory>
#include <vector>

#include "firebreak/engine.h"

namespace firebreak {

namespace engine {
class RecentCounts;
}  // namespace engine

class PrometheusCollector final : public prometheus::Collectable {
 public:
  // `engine` is not null.
  explicit PrometheusCollector(const std::shared_ptr<Engine>& engine);
  ~PrometheusCollector() override;

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  const std::weak_ptr<engine::EngineCore> core_;
  // What earlier scrapes have seen: the health is that of the calls since.
  const std::unique_ptr<engine::RecentCounts> recent_;
};

}  // namespace firebreak

#endif  // FIREBREAK_INCLUDE_FIREBREAK_PROMETHEUS_H_
