// A process that calls through firebreak: the production core, hosted.
//
//   FirebreakClient::Setup setup;
//   setup.options.retry = core::RetryOptions{};
//   setup.options.timeout = Sec(1);
//   setup.targets = {{&server, link}};
//   setup.seed = 7;
//   FirebreakClient client(&sim, setup, &counts);
//
// Does with a CallDriver what the interceptors do: passes admission, launches
// and cancels attempts, arms a timer for wake_at(), reports every end. All
// calls of a client are of one method of one channel: they share its breakers,
// one for each target, and its attempt budget. Clients for several methods of a
// channel share what Setup::shared names; a client without that has no
// admission but a throttle.
//
// Ownership: what `setup` points to outlives the client's calls. Calls that
// wait for admission hold on to it until the simulation has run.
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
    uint64_t seed = 1;            // of breakers and jitter

    // What further clients have too. Null: its own.
    struct Shared {
      core::AttemptBudget* budget = nullptr;
      const core::AdmissionControl* admission = nullptr;
      core::Breaker* breaker = nullptr;  // for each target
    } shared;
    core::Breaker::Identity identity;  // of its own breakers
    // What attempt n of a call comes to; empty: the server draws it.
    std::function<absl::optional<Reply>(uint64_t luck, int n, Time now)> fate;
  };

  FirebreakClient(Simulation* sim, const Setup& setup, WireCounts* counts);
  ~FirebreakClient() override;

  void Call(uint64_t luck, OnCallEnd on_end) override;
  // A call whose caller has set a deadline; counted in `counts`.
  void CallBy(Time deadline, uint64_t luck, WireCounts* counts,
              OnCallEnd on_end);

  core::MethodCounts counts() const;
  int64_t breaker_changes() const override;

 private:
  struct Channel;
  class Drive;
  // Calls that the simulation's end leaves unfinished hold on to it.
  const std::shared_ptr<Channel> channel_;
};

}  // namespace firebreak::sim

#endif  // FIREBREAK_SRC_SIM_FIREBREAK_CLIENT_H_
