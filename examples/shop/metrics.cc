#include "examples/shop/metrics.h"

#include <exception>
#include <iostream>

#ifdef SHOP_HAS_PROMETHEUS
#include <firebreak/prometheus.h>
#include <prometheus/exposer.h>
#endif

namespace shop {

#ifdef SHOP_HAS_PROMETHEUS

namespace {

class Exposed final : public Metrics {
 public:
  Exposed(const std::shared_ptr<firebreak::Engine>& engine,
          const std::string& address)
      : collector_(std::make_shared<firebreak::PrometheusCollector>(engine)),
        exposer_(address) {
    exposer_.RegisterCollectable(collector_);
    std::cout << "metrics on " << address.substr(0, address.rfind(':')) << ":"
              << exposer_.GetListeningPorts().front() << std::endl;
  }

 private:
  const std::shared_ptr<firebreak::PrometheusCollector> collector_;
  prometheus::Exposer exposer_;
};

}  // namespace

std::unique_ptr<Metrics> Metrics::Serve(
    const std::shared_ptr<firebreak::Engine>& engine,
    const std::string& address) {
  try {
    return std::make_unique<Exposed>(engine, address);
  } catch (const std::exception& error) {
    std::cerr << "cannot serve metrics on " << address << ": " << error.what()
              << "\n";
    return nullptr;
  }
}

#else

std::unique_ptr<Metrics> Metrics::Serve(
    const std::shared_ptr<firebreak::Engine>& /*engine*/,
    const std::string& /*address*/) {
  std::cerr << "built without prometheus-cpp: no --metrics\n";
  return nullptr;
}

#endif

}  // namespace shop
