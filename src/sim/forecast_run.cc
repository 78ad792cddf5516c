#include "src/sim/forecast_run.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "src/core/attempts/attempt_budget.h"
#include "src/core/base/rng.h"
#include "src/core/breaker/breaker.h"
#include "src/core/measure/latency_model.h"
#include "src/sim/client.h"
#include "src/sim/firebreak_client.h"
#include "src/sim/recorded_fates.h"
#include "src/sim/server.h"
#include "src/sim/story.h"
#include "src/sim/wire.h"

namespace firebreak::sim {
namespace {

using core::Rng;

constexpr int64_t kCallsToProgress = 8192;
// Copies of a recorded call start within this time after it.
constexpr Duration kCopiesWithin = std::chrono::seconds(1);

constexpr uint64_t Bits(uint64_t seed, uint64_t use) {
  return (seed + use) * 0x9e3779b97f4a7c15U;
}

class Run {
 public:
  Run(const Workload& workload, const Policy& policy,
      const std::function<void(double)>& progress)
      : workload_(workload),
        policy_(policy),
        progress_(progress),
        times_(Bits(workload.seed, 1)),
        lucks_(Bits(workload.seed, 2)),
        seeds_(Bits(workload.seed, 3)),
        story_(&forecast_),
        budget_(policy.budget, Time{}) {
    log_.SetSink(&story_);
    std::vector<std::shared_ptr<core::Bulkhead::Waiter>> nobody;
    of_channel_ = core::AdmissionControl().With(policy.admission, seeds_.Next(),
                                                Time{}, &nobody);
    MakePools();
    runtimes_.resize(workload.recording ? workload.recording->methods.size()
                                        : 1);
    if (workload.recording != nullptr) {
      fates_.emplace(*workload.recording, Bits(workload.seed, 4));
    }
  }

  Forecast Result() {
    Plan(0);
    sim_.Run();
    story_.End(Time(workload_.span()));
    Sum();
    return std::move(forecast_);
  }

 private:
  struct Runtime {
    std::shared_ptr<const core::MethodOptions> options;
    core::AdmissionControl admission;
    std::unique_ptr<FirebreakClient> client;
  };
  struct Servers {
    std::string service;
    std::unique_ptr<Pool> pool;
  };

  void MakePools() {
    ServerOptions options;
    options.workers = workload_.replicas.workers;
    options.queue_limit = workload_.replicas.queue;
    options.service = workload_.latency;
    options.failure_rate = BaseFailures();
    for (const std::string& service : ServicesOf(workload_)) {
      pools_.push_back(
          {service,
           std::make_unique<Pool>(&sim_, options, workload_.replicas.count)});
    }
    for (const Incident& incident : workload_.incidents) {
      for (const Duration at : {incident.at, incident.end()}) {
        if (at == core::kInfiniteDuration) continue;
        sim_.At(Time(at), [this] { ApplyIncidents(); });
        changes_.emplace_back(at);
      }
    }
    std::sort(changes_.begin(), changes_.end());
  }

  double BaseFailures() const {
    return workload_.recording ? 0 : workload_.failure_rate;
  }

  static bool IsOn(const Incident& incident, Time now) {
    return incident.at <= now.time_since_epoch() &&
           now.time_since_epoch() < incident.end();
  }

  // Sets the state of all servers again, since incidents may overlap.
  void ApplyIncidents() {
    for (const Servers& servers : pools_) {
      int number = 0;
      for (const auto& server : servers.pool->servers()) {
        Meet(servers.service, number++, server.get());
      }
    }
  }

  void Meet(const std::string& service, int number, Server* server) {
    double speed = 1;
    double failures = BaseFailures();
    auto trouble = Server::Trouble::kNone;
    for (const Incident& incident : workload_.incidents) {
      if (!IsOn(incident, sim_.now()) ||
          !IsMeant(incident, service, policy_.channel) ||
          number >= ReplicasOf(incident, workload_.replicas)) {
        continue;
      }
      switch (incident.kind) {
        case Incident::Kind::kFrozen:
          speed = 0;
          break;
        case Incident::Kind::kDown:
          trouble = Server::Trouble::kRefuses;
          break;
        case Incident::Kind::kSlow:
          speed /= incident.factor;
          break;
        case Incident::Kind::kFails:
          failures = std::max(failures, incident.failing);
          break;
        case Incident::Kind::kLoad:
          break;
      }
    }
    server->SetTrouble(trouble);
    server->SetFailureRate(failures);
    server->SetSpeed(speed);
  }

  // Plans the next call; with a recording, the call of this row.
  void Plan(size_t row) {
    if (workload_.recording != nullptr) {
      if (row == workload_.recording->calls.size()) return;
      sim_.At(Time(workload_.recording->calls[row].at), [this, row] {
        Repeat(row);
        Plan(row + 1);
      });
      return;
    }
    const Time at = NextInStream();
    if (at >= Time(workload_.length)) return;
    sim_.At(at, [this] {
      Plan(0);
      Call(0, lucks_.Next() | RecordedFates::kMadeUp);
    });
  }

  // A Poisson stream has no memory, so it can start again where its rate
  // changes.
  Time NextInStream() {
    Time from = sim_.now();
    for (;;) {
      const double per_second = workload_.per_second * LoadAt(from);
      const auto gap = Distribution::Exponential(
          core::Scale(std::chrono::seconds(1), 1 / per_second));
      const Time at = core::SaturatingAdd(from, gap.Sample(&times_));
      const auto change =
          std::upper_bound(changes_.begin(), changes_.end(), from);
      if (change == changes_.end() || at < *change) return at;
      from = *change;
    }
  }
  double LoadAt(Time at) const {
    double factor = 1;
    for (const Incident& incident : workload_.incidents) {
      if (incident.kind == Incident::Kind::kLoad && IsOn(incident, at)) {
        factor *= incident.factor;
      }
    }
    return factor;
  }

  // Makes a recorded call as many times as the load says.
  void Repeat(size_t row) {
    const size_t method = workload_.recording->calls[row].method;
    fates_->OnCall(method);
    double left = LoadAt(sim_.now());
    for (bool is_first = true; left > 0; left -= 1, is_first = false) {
      if (left < 1 && times_.Uniform() >= left) break;
      if (is_first) {
        Call(method, row);
        continue;
      }
      sim_.After(core::Scale(kCopiesWithin, times_.Uniform()),
                 [this, method, luck = lucks_.Next() | RecordedFates::kMadeUp] {
                   Call(method, luck);
                 });
    }
  }

  void Call(size_t method, uint64_t luck) {
    const Time now = sim_.now();
    ++SecondAt(now)->calls;
    ++forecast_.calls;
    if (progress_ && forecast_.calls % kCallsToProgress == 0) {
      progress_(core::ToSeconds(now.time_since_epoch()) /
                std::max(core::ToSeconds(workload_.span()), 1e-9));
    }
    Runtime* const runtime = RuntimeOf(method);
    const Time deadline = workload_.deadline > Duration::zero()
                              ? core::SaturatingAdd(now, workload_.deadline)
                              : core::kInfiniteFuture;
    runtime->client->CallBy(deadline, luck, &wire_,
                            [this](const CallResult& call) { Count(call); });
  }

  void Count(const CallResult& call) {
    ++ended_;
    ++forecast_.codes[static_cast<size_t>(call.code)];
    if (call.refused != core::Reason::kNone) {
      ++forecast_.refusals[static_cast<size_t>(call.refused)];
    }
    if (call.code == absl::StatusCode::kCancelled) {
      ++forecast_.cancelled;
      // It is neither a success nor a failure.
      --SecondAt(call.started)->calls;
      return;
    }
    const Duration took = call.ended - call.started;
    const bool is_useful = call.ok() && took <= workload_.useful_within;
    if (is_useful) ++forecast_.useful;
    if (!is_useful) forecast_.seconds_in_vain += core::ToSeconds(took);
    if (!call.ok()) return;
    ++forecast_.successes;
    ++SecondAt(call.started)->successes;
    const int64_t us = took / std::chrono::microseconds(1);
    forecast_.latencies_us.push_back(static_cast<uint32_t>(
        std::min<int64_t>(us, std::numeric_limits<uint32_t>::max())));
  }

  Forecast::Second* SecondAt(Time t) {
    const auto n =
        static_cast<size_t>(t.time_since_epoch() / std::chrono::seconds(1));
    if (n >= forecast_.seconds.size()) forecast_.seconds.resize(n + 1);
    return &forecast_.seconds[n];
  }

  Runtime* RuntimeOf(size_t method) {
    Runtime* const runtime = &runtimes_[method];
    if (runtime->client != nullptr) return runtime;
    const std::string& name = workload_.recording
                                  ? workload_.recording->methods[method]
                                  : workload_.method;
    runtime->options = policy_.find ? policy_.find(name) : nullptr;
    FirebreakClient::Setup setup;
    if (runtime->options != nullptr) {
      setup.options = *runtime->options;
      setup.usual = UsualOf(method);
      std::vector<std::shared_ptr<core::Bulkhead::Waiter>> nobody;
      runtime->admission =
          core::AdmissionControl()
              .With(setup.options.admission, seeds_.Next(), Time{}, &nobody)
              .Or(of_channel_, setup.options.admission);
      setup.shared.admission = &runtime->admission;
      if (setup.options.SharesBreaker()) {
        setup.shared.breaker = SharedBreaker(setup.options);
      }
    }
    setup.shared.budget = &budget_;
    setup.identity.channel = policy_.channel;
    setup.identity.method = name;
    setup.identity.log = &log_;
    Target target;
    for (const Servers& servers : pools_) {
      if (servers.service == ServiceOf(name)) target.pool = servers.pool.get();
    }
    setup.targets = {target};
    setup.seed = seeds_.Next();
    setup.timers_late = &workload_.timers_late;
    setup.fate = [this, method](uint64_t luck, int n,
                                Time now) -> absl::optional<Reply> {
      ++SecondAt(now)->attempts;
      if (!fates_) return absl::nullopt;
      return fates_->Of(method, luck, n);
    };
    runtime->client = std::make_unique<FirebreakClient>(&sim_, setup, &wire_);
    return runtime;
  }

  // The policy is taken to have been in force before: what it learns, hedges
  // and gates know from the first call on.
  std::vector<Duration> UsualOf(size_t method) const {
    constexpr size_t kEnough = 10 * core::LatencyModel::kMany;
    if (fates_) return fates_->FirstSuccesses(method, kEnough);
    std::vector<Duration> usual(kEnough);
    Rng rng(Bits(workload_.seed, 5));
    for (Duration& each : usual) each = workload_.latency.Sample(&rng);
    return usual;
  }

  core::Breaker* SharedBreaker(const core::MethodOptions& options) {
    if (shared_breaker_ == nullptr) {
      core::Breaker::Identity identity;
      identity.channel = policy_.channel;
      identity.method = "*";
      identity.log = &log_;
      shared_breaker_ = std::make_unique<core::Breaker>(
          identity, options.breaker, seeds_.Next(), sim_.now());
    }
    return shared_breaker_.get();
  }

  void Sum() {
    forecast_.unanswered = forecast_.calls - ended_;
    forecast_.attempts = wire_.sent;
    forecast_.unwanted = wire_.unwanted;
    for (const Runtime& runtime : runtimes_) {
      if (runtime.client == nullptr) continue;
      const core::MethodCounts counts = runtime.client->counts();
      forecast_.retries += counts.attempts_of(core::AttemptKind::kRetry);
      forecast_.hedges += counts.attempts_of(core::AttemptKind::kHedge);
      forecast_.hedge_wins += counts.hedge_wins;
    }
    std::sort(forecast_.latencies_us.begin(), forecast_.latencies_us.end());
    const size_t length = static_cast<size_t>(
        std::chrono::ceil<std::chrono::seconds>(workload_.span()).count());
    // After that only the last replies came.
    forecast_.seconds.resize(std::max<size_t>(length, 1));
    Duration first = core::kInfiniteDuration;
    Duration end = Duration::zero();
    for (const Incident& incident : workload_.incidents) {
      if (incident.end() >= workload_.span()) continue;
      first = std::min(first, incident.at);
      end = std::max(end, incident.end());
    }
    forecast_.has_recovery = end > Duration::zero();
    if (forecast_.has_recovery) {
      forecast_.recovery = RecoveryOf(forecast_.seconds, first, end);
    }
  }

  const Workload& workload_;
  const Policy& policy_;
  const std::function<void(double)>& progress_;
  Rng times_;
  Rng lucks_;
  Rng seeds_;
  Forecast forecast_;
  int64_t ended_ = 0;
  WireCounts wire_;
  std::vector<Time> changes_;  // when incidents begin and end
  // The order of the members matters for their destruction: events first, then
  // calls, then what calls point to.
  Story story_;
  core::EventLog log_{1};
  core::AttemptBudget budget_;
  core::AdmissionControl of_channel_;
  std::unique_ptr<core::Breaker> shared_breaker_;
  absl::optional<RecordedFates> fates_;  // with a recording
  std::vector<Runtime> runtimes_;
  std::vector<Servers> pools_;
  Simulation sim_;
};

}  // namespace

Forecast RunForecast(const Workload& workload, const Policy& policy,
                     const std::function<void(double)>& progress) {
  return Run(workload, policy, progress).Result();
}

}  // namespace firebreak::sim
