#include "src/admin/health/health_reporter.h"

#include <algorithm>

#include "src/admin/health/health_view.h"

namespace firebreak::admin {
namespace {

constexpr core::Duration kInterval = std::chrono::seconds(1);

}  // namespace

std::shared_ptr<HealthReporter> HealthReporter::Create(
    std::vector<Source> sources) {
  auto reporter =
      std::shared_ptr<HealthReporter>(new HealthReporter(std::move(sources)));
  reporter->timer_.client = reporter;
  return reporter;
}

HealthReporter::~HealthReporter() { io()->Disarm(&timer_); }

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
  // Under the lock, so that nothing is reported after Stop(), and reports are
  // in order.
  core::MutexLock lock(&mu_);
  if (health_ == nullptr) return false;
  const bool serving =
      std::all_of(sources_.begin(), sources_.end(), [](const Source& each) {
        return SystemHealth(*each.core, each.rates.get(), each.core->Now()) !=
               core::HealthLevel::kUnhealthy;
      });
  if (serving_ != serving) health_->SetServingStatus(service_, serving);
  serving_ = serving;
  return true;
}

void HealthReporter::OnTimer() {
  if (Report()) io()->Arm(&timer_, io()->Now() + kInterval);
}

}  // namespace firebreak::admin
