#include "src/admin/health/rates.h"

#include <utility>

namespace firebreak::admin {

std::shared_ptr<Rates> Rates::Create(std::shared_ptr<engine::EngineCore> core) {
  auto rates = std::shared_ptr<Rates>(new Rates(std::move(core)));
  rates->timer_.client = rates;
  return rates;
}

Rates::Rates(std::shared_ptr<engine::EngineCore> core)
    : core_(std::move(core)) {
  Advance();
}

void Rates::Start() { core_->io()->Arm(&timer_, core_->Now() + kStep); }

Rates::~Rates() { core_->io()->Disarm(&timer_); }

void Rates::OnTimer() {
  Advance();
  Start();
}

void Rates::Advance(core::Time now) { counts_.Advance(core_->Methods(), now); }

}  // namespace firebreak::admin
