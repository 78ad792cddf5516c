#include "src/admin/health_reporter.h"

#include "src/admin/health_view.h"
#include "src/engine/io/clock.h"

namespace firebreak::admin {
namespace {

constexpr core::Duration kInterval = std::chrono::seconds(1);

}  // namespace

std::shared_ptr<HealthReporter> HealthReporter::Create(
    std::shared_ptr<engine::EngineCore> core, std::shared_ptr<Rates> rates) {
  auto reporter = std::shared_ptr<HealthReporter>(
      new HealthReporter(std::move(core), std::move(rates)));
  reporter->timer_.client = reporter;
  return reporter;
}

HealthReporter::~HealthReporter() { core_->io()->Disarm(&timer_); }

void HealthReporter::Start(grpc::HealthCheckServiceInterface* health,
                           std::string service) {
  {
    core::MutexLock lock(&mu_);
    if (health_ != nullptr && (health_ != health || service_ != service)) {
      health_->SetServingStatus(service_, false);
    }
    health_ = health;
    service_ = std::move(service);
    serving_.reset();
  }
  OnTimer();
}

void HealthReporter::Stop() {
  core::MutexLock lock(&mu_);
  health_ = nullptr;
}

bool HealthReporter::Report() {
  // Under the lock: nothing is told after Stop(), and no old news after new.
  core::MutexLock lock(&mu_);
  if (health_ == nullptr) return false;
  const bool serving = SystemHealth(*core_, rates_.get(), engine::Now()) !=
                       core::HealthLevel::kUnhealthy;
  if (serving_ != serving) health_->SetServingStatus(service_, serving);
  serving_ = serving;
  return true;
}

void HealthReporter::OnTimer() {
  if (Report()) core_->io()->Arm(&timer_, engine::Now() + kInterval);
}

}  // namespace firebreak::admin
