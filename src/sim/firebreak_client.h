// A process that calls through firebreak: it hosts the production core.
//
//   FirebreakClient::Setup setup;
//   setup.options.retry = core::RetryOptions{};
//   setup.options.timeout = Sec(1);
//   setup.targets = {{&server, link}};
//   setup.seed = 7;
//   FirebreakClient client(&sim, setup, &counts);
//
// It does with a CallDriver what the interceptors do: it passes admission,
// launches and cancels attempts, arms a timer for wake_at() and reports every
// end. All calls of a client are of one method of one channel: they share its
// attempt budget and its breakers, one per target. Clients for several methods
// of a channel share the members of Setup::shared. A client without these has
// no admission policy except a throttle.
//
// Thread safety: none. Ownership: what `setup` points to outlives the client's
// calls. Calls that wait for admission keep a pointer to it until the
// simulation has run.
#ifndef FIREBREAK_SRC_SIM_FIREBREAK_CLIENT_H_
#define FIREBREAK_SRC_SIM_FIREBREAK_CLIENT_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/types/optional.h"
#include "src/core/admission/admission_control.h"
#include "src/core/attempts/attempt_budget.h"
#include "src/core/breaker/breaker.h"
#include "src/core/measure/method_stats.h"
#include "src/core/options.h"
#include "src/sim/client.h"
#include "src/sim/simulation.h"
#include "src/sim/wire.h"

namespace firebreak::sim {

class FirebreakClient : public Client {
 public:
  struct Setup {
    core::MethodOptions options;
    core::BudgetOptions budget;
    std::vector<Target> targets;  // in the order of preference
    uint64_t seed = 1;            // for breakers and jitter

    // Shared with other clients. Where null, the client has its own.
    struct Shared {
      core::AttemptBudget* budget = nullptr;
      const core::AdmissionControl* admission = nullptr;
      core::Breaker* breaker = nullptr;  // for all targets
    } shared;
    core::Breaker::Identity identity;  // for its own breakers
    // The result of attempt n of a call; if empty, the server draws it.
    std::function<absl::optional<Reply>(uint64_t luck, int n, Time now)> fate;
    // Successes before the first call, which its latency model knows.
    std::vector<Duration> usual;
    // As in Workload. May be null; outlives the client.
    const std::vector<Duration>* timers_late = nullptr;
  };

  FirebreakClient(Simulation* sim, const Setup& setup, WireCounts* counts);
  ~FirebreakClient() override;

  void Call(uint64_t luck, OnCallEnd on_end) override;
  // Makes a call with a deadline; its attempts are counted in `counts`.
  void CallBy(Time deadline, uint64_t luck, WireCounts* counts,
              OnCallEnd on_end);

  core::MethodCounts counts() const;
  int64_t breaker_changes() const override;

 private:
  struct Channel;
  class Drive;
  // Shared with calls that have not ended when the simulation does.
  const std::shared_ptr<Channel> channel_;
};

}  // namespace firebreak::sim

#endif  // FIREBREAK_SRC_SIM_FIREBREAK_CLIENT_H_
