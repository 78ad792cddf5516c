#include "src/sim/firebreak_client.h"

#include <utility>

#include "absl/types/optional.h"
#include "src/core/admission/admission_control.h"
#include "src/core/attempts/attempt_budget.h"
#include "src/core/attempts/call_driver.h"
#include "src/core/attempts/retry_estimator.h"
#include "src/core/base/deadline.h"
#include "src/core/base/rng.h"
#include "src/core/breaker/breaker.h"
#include "src/core/measure/latency_model.h"

namespace firebreak::sim {

using core::CallDriver;

struct FirebreakClient::Channel {
  Channel(Simulation* s, const Setup& setup, WireCounts* c)
      : sim(s),
        counts(c),
        options(setup.options),
        targets(setup.targets),
        seeds(setup.seed),
        own_budget(setup.budget, s->now()),
        budget(setup.shared.budget != nullptr ? setup.shared.budget
                                              : &own_budget),
        admission(setup.shared.admission != nullptr ? setup.shared.admission
                                                    : &own_admission),
        fate(setup.fate),
        timers_late(setup.timers_late),
        lateness(~setup.seed) {
    std::vector<std::shared_ptr<core::Bulkhead::Waiter>> admitted;
    if (options.admission.throttle && setup.shared.admission == nullptr) {
      own_admission = core::AdmissionControl().With(
          options.admission, seeds.Next(), s->now(), &admitted);
    }
    if (options.retry && options.retry->adaptive) {
      estimator.emplace(*options.retry->adaptive);
    }
    for (const Duration took : setup.usual) latency.Record(took, s->now());
    for (size_t i = 0; i < targets.size(); ++i) {
      if (setup.shared.breaker != nullptr) {
        breakers.push_back(setup.shared.breaker);
        continue;
      }
      owned.push_back(std::make_unique<core::Breaker>(
          setup.identity, options.breaker, seeds.Next(), sim->now()));
      breakers.push_back(owned.back().get());
    }
  }

  Duration Lateness() {
    if (timers_late == nullptr || timers_late->empty()) return {};
    return (*timers_late)[lateness.Next() % timers_late->size()];
  }

  Simulation* const sim;
  WireCounts* const counts;
  const core::MethodOptions options;
  const std::vector<Target> targets;
  core::Rng seeds;
  core::AdmissionControl own_admission;  // a throttle, which makes no call wait
  core::AttemptBudget own_budget;
  core::AttemptBudget* const budget;
  const core::AdmissionControl* const admission;
  const decltype(Setup::fate) fate;
  const std::vector<Duration>* const timers_late;
  core::Rng lateness;
  core::MethodStats stats;
  core::LatencyModel latency;
  absl::optional<core::RetryEstimator> estimator;
  std::vector<std::unique_ptr<core::Breaker>> owned;
  std::vector<core::Breaker*> breakers;
};

// One call. Its flights, its timer and the queue it waits in keep it alive.
class FirebreakClient::Drive : public core::Bulkhead::Waiter,
                               public std::enable_shared_from_this<Drive> {
 public:
  Drive(std::shared_ptr<Channel> channel, Time deadline, uint64_t luck,
        WireCounts* counts, OnCallEnd on_end)
      : channel_(std::move(channel)),
        luck_(luck),
        counts_(counts),
        on_end_(std::move(on_end)),
        started_(channel_->sim->now()),
        deadline_(
            core::CallDeadline(deadline, channel_->options.timeout, started_)),
        driver_(Plan()) {}

  void Start() {
    if (channel_->admission->empty()) {
      Perform(driver_.Start(started_));
      return;
    }
    driver_.Arrive(started_);
    const core::AdmissionPermit::Step step =
        permit_.Begin(channel_->admission, started_, deadline_, ExpectedTime());
    waits_ = step.kind == core::AdmissionControl::Step::Kind::kWait;
    // A call that has to wait joins the queue.
    waits_ ? Continue() : Enter(step);
  }

  // Posted, since this runs within the call that has left.
  void OnPlace() override {
    channel_->sim->After(Duration::zero(),
                         [self = shared_from_this()] { self->Continue(); });
  }

 private:
  // As in the engine: how long the call itself will take, which limits its
  // wait.
  Duration ExpectedTime() {
    if (!channel_->admission->MayMakeWait() ||
        channel_->latency.samples(started_) < core::LatencyModel::kFew) {
      return Duration::zero();
    }
    return channel_->latency.Quantile(0.5, started_).value_or(Duration::zero());
  }

  void Enter(const core::AdmissionPermit::Step& step) {
    using Kind = core::AdmissionControl::Step::Kind;
    const Time now = channel_->sim->now();
    waits_ = step.kind == Kind::kWait;
    if (waits_) {
      channel_->sim->At(step.until,
                        [self = shared_from_this()] { self->Continue(); });
    } else if (step.kind == Kind::kAdmitted) {
      Perform(driver_.Start(now));
    } else {
      core::Refusal refusal;
      refusal.reason = step.refusal.reason;
      refusal.retry_after = step.refusal.retry_after;
      Perform(driver_.TurnAway(step.refusal.code, refusal, now));
    }
  }

  void Continue() {
    if (!waits_) return;
    Enter(permit_.Continue(shared_from_this(), channel_->sim->now()));
  }

  CallDriver::Plan Plan() const {
    CallDriver::Plan plan;
    plan.options = &channel_->options;
    plan.targets = channel_->breakers;
    plan.budget = channel_->budget;
    plan.stats = &channel_->stats;
    plan.latency = &channel_->latency;
    plan.estimator = channel_->estimator ? &*channel_->estimator : nullptr;
    plan.deadline = deadline_;
    plan.seed = channel_->seeds.Next();
    return plan;
  }

  void Perform(const CallDriver::Actions& actions) {
    for (const int n : actions.cancel) {
      if (auto flight = flights_[static_cast<size_t>(n)].lock()) {
        flight->Cancel();
      }
    }
    for (const CallDriver::Launch& launch : actions.launch) {
      flights_.push_back(Flight::Send(
          channel_->sim, channel_->targets[static_cast<size_t>(launch.target)],
          AttemptLuck(luck_, launch.attempt), {launch.deadline, deadline_},
          counts_,
          [self = shared_from_this(),
           n = launch.attempt](const core::AttemptEnd& end) {
            self->Perform(
                self->driver_.OnAttemptEnd(n, end, self->channel_->sim->now()));
          },
          channel_->fate
              ? channel_->fate(luck_, launch.attempt, channel_->sim->now())
              : absl::nullopt));
    }
    if (actions.finish.has_value()) {
      permit_.End(driver_.VerdictOf(*actions.finish), channel_->sim->now());
      on_end_({started_, channel_->sim->now(), actions.finish->code,
               driver_.launched(),
               driver_.launched() == 0 ? actions.finish->reason
                                       : core::Reason::kNone});
      return;
    }
    ArmTimer();
  }

  // Arms a timer unless one is armed that fires early enough.
  void ArmTimer() {
    const Time wake_at = driver_.wake_at();
    if (wake_at >= armed_) return;
    armed_ = wake_at;
    const Time at = core::SaturatingAdd(wake_at, channel_->Lateness());
    channel_->sim->At(at, [self = shared_from_this(), wake_at] {
      if (self->armed_ != wake_at) return;
      self->armed_ = core::kInfiniteFuture;
      if (self->driver_.finished()) return;
      self->Perform(self->driver_.OnTimer(self->channel_->sim->now()));
    });
  }

  const std::shared_ptr<Channel> channel_;
  const uint64_t luck_;
  WireCounts* const counts_;
  const OnCallEnd on_end_;
  const Time started_;
  const Time deadline_;
  core::AdmissionPermit permit_;
  CallDriver driver_;
  bool waits_ = false;
  std::vector<std::weak_ptr<Flight>> flights_;
  Time armed_ = core::kInfiniteFuture;
};

FirebreakClient::FirebreakClient(Simulation* sim, const Setup& setup,
                                 WireCounts* counts)
    : channel_(std::make_shared<Channel>(sim, setup, counts)) {}

FirebreakClient::~FirebreakClient() = default;

int64_t FirebreakClient::breaker_changes() const {
  int64_t changes = 0;
  for (core::Breaker* breaker : channel_->breakers) {
    for (const auto& from : breaker->Snapshot(channel_->sim->now()).changes) {
      for (const int64_t times : from) changes += times;
    }
  }
  return changes;
}

void FirebreakClient::Call(uint64_t luck, OnCallEnd on_end) {
  CallBy(core::kInfiniteFuture, luck, channel_->counts, std::move(on_end));
}

void FirebreakClient::CallBy(Time deadline, uint64_t luck, WireCounts* counts,
                             OnCallEnd on_end) {
  std::make_shared<Drive>(channel_, deadline, luck, counts, std::move(on_end))
      ->Start();
}

core::MethodCounts FirebreakClient::counts() const {
  return channel_->stats.counts();
}

}  // namespace firebreak::sim
