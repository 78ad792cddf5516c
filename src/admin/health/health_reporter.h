// Reports the health of the engine to gRPC's own health service.
//
//   reporter->Start(server->GetHealthCheckService(), "firebreak");
//   ...
//   reporter->Stop();                       // before the server is destroyed
//
// Thread safety: safe from any thread. Ownership: the server owns the health
// service, which is not used after Stop().
#ifndef FIREBREAK_SRC_ADMIN_HEALTH_HEALTH_REPORTER_H_
#define FIREBREAK_SRC_ADMIN_HEALTH_HEALTH_REPORTER_H_

#include <grpcpp/health_check_service_interface.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/types/optional.h"
#include "src/admin/health/rates.h"
#include "src/core/base/mutex.h"
#include "src/engine/engine_core.h"
#include "src/engine/io/io.h"

namespace firebreak::admin {

class HealthReporter final : public engine::TimerClient {
 public:
  struct Source {
    std::shared_ptr<engine::EngineCore> core;
    std::shared_ptr<Rates> rates;
  };
  // At least one source. Several are healthy while all of them are.
  static std::shared_ptr<HealthReporter> Create(std::vector<Source> sources);
  static std::shared_ptr<HealthReporter> Create(
      std::shared_ptr<engine::EngineCore> core, std::shared_ptr<Rates> rates) {
    return Create({Source{std::move(core), std::move(rates)}});
  }
  ~HealthReporter() override;

  // A second call replaces the name; the previous one is no longer serving.
  void Start(grpc::HealthCheckServiceInterface* health, std::string service);
  void Stop();
  // For the timer and for tests: reports now. False after Stop().
  bool Report();

  void OnTimer() override;

 private:
  explicit HealthReporter(std::vector<Source> sources)
      : sources_(std::move(sources)) {}
  engine::Io* io() const { return sources_.front().core->io(); }

  const std::vector<Source> sources_;
  engine::Timer timer_;
  core::Mutex mu_;
  grpc::HealthCheckServiceInterface* health_ ABSL_GUARDED_BY(mu_) = nullptr;
  std::string service_ ABSL_GUARDED_BY(mu_);
  // The last report, since gRPC passes each report on to all watchers, even if
  // nothing has changed.
  absl::optional<bool> serving_ ABSL_GUARDED_BY(mu_);
};

}  // namespace firebreak::admin

#endif  // FIREBREAK_SRC_ADMIN_HEALTH_HEALTH_REPORTER_H_
