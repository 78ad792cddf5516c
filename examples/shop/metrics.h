// Serves firebreak's metrics over HTTP, for Prometheus.
//
//   auto metrics = shop::Metrics::Serve(engine, "127.0.0.1:9464");
//   if (metrics == nullptr) return 1;         // the reason is on stderr
#ifndef FIREBREAK_EXAMPLES_SHOP_METRICS_H_
#define FIREBREAK_EXAMPLES_SHOP_METRICS_H_

#include <firebreak/engine.h>

#include <memory>
#include <string>

namespace shop {

class Metrics {
 public:
  virtual ~Metrics() = default;

  // Serves http://`address`/metrics until it is destroyed. Prints "metrics on
  // HOST:PORT".
  static std::unique_ptr<Metrics> Serve(
      const std::shared_ptr<firebreak::Engine>& engine,
      const std::string& address);
};

}  // namespace shop

#endif  // FIREBREAK_EXAMPLES_SHOP_METRICS_H_
