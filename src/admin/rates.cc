#include "src/admin/rates.h"

#include <utility>

#include "src/core/measure/method_stats.h"
#include "src/engine/io/clock.h"

namespace firebreak::admin {
namespace {

using Step = Rates::Step;

Step CountsOf(const engine::MethodRuntime& runtime) {
  const core::MethodCounts counts = runtime.stats.counts();
  const auto attributed = [&](core::Attribution attribution) {
    return counts.attributions[static_cast<size_t>(attribution)];
  };
  const auto rejected = [&](core::Reason reason) {
    return counts.rejections[static_cast<size_t>(reason)];
  };
  Step step;
  step.started = counts.calls;
  step.failures = counts.end(core::CallEnd::kFailure);
  step.rejected = counts.end(core::CallEnd::kRejected);
  step.bad_attempts = attributed(core::Attribution::kServerFailure) +
                      attributed(core::Attribution::kTransportFailure);
  step.attempts = step.bad_attempts + attributed(core::Attribution::kSuccess) +
                  attributed(core::Attribution::kAnsweredWithError);
  step.no_place = rejected(core::Reason::kBulkheadFull) +
                  rejected(core::Reason::kQueueTimeout);
  step.no_token =
      counts.stops[static_cast<size_t>(core::Reason::kBudgetExhausted)] +
      counts.stops[static_cast<size_t>(core::Reason::kThrottled)];
  return step;
}

Step Difference(const Step& to, const Step& from) {
  Step step;
  step.started = to.started - from.started;
  step.failures = to.failures - from.failures;
  step.rejected = to.rejected - from.rejected;
  step.attempts = to.attempts - from.attempts;
  step.bad_attempts = to.bad_attempts - from.bad_attempts;
  step.no_place = to.no_place - from.no_place;
  step.no_token = to.no_token - from.no_token;
  return step;
}

}  // namespace

std::shared_ptr<Rates> Rates::Create(std::shared_ptr<engine::EngineCore> core) {
  auto rates = std::shared_ptr<Rates>(new Rates(std::move(core)));
  rates->timer_.client = rates;
  return rates;
}

Rates::Rates(std::shared_ptr<engine::EngineCore> core)
    : core_(std::move(core)) {
  for (const auto& method : core_->Methods()) {
    ends_[method.get()].push_back(CountsOf(*method));
  }
}

void Rates::Start() { core_->io()->Arm(&timer_, engine::Now() + kStep); }

Rates::~Rates() { core_->io()->Disarm(&timer_); }

void Rates::OnTimer() {
  Advance();
  Start();
}

void Rates::Advance() {
  const auto methods = core_->Methods();
  core::MutexLock lock(&mu_);
  for (const auto& method : methods) {
    std::deque<Step>& ends = ends_[method.get()];
    // New in this step: all of its counts are.
    if (ends.empty()) ends.emplace_back();
    ends.push_back(CountsOf(*method));
    if (ends.size() > kSteps) ends.pop_front();
  }
}

std::vector<Step> Rates::Of(const engine::MethodRuntime& runtime) const {
  std::vector<Step> ends;
  {
    core::MutexLock lock(&mu_);
    const auto found = ends_.find(&runtime);
    if (found == ends_.end()) {
      ends.emplace_back();
    } else {
      ends.assign(found->second.begin(), found->second.end());
    }
  }
  ends.push_back(CountsOf(runtime));
  std::vector<Step> steps;
  for (size_t i = 1; i < ends.size(); ++i) {
    steps.push_back(Difference(ends[i], ends[i - 1]));
  }
  return steps;
}

Step Rates::LastMinute(const engine::MethodRuntime& runtime) const {
  Step oldest;
  {
    core::MutexLock lock(&mu_);
    const auto found = ends_.find(&runtime);
    if (found != ends_.end()) oldest = found->second.front();
  }
  return Difference(CountsOf(runtime), oldest);
}

}  // namespace firebreak::admin
