// What a policy would do: calls, servers and incidents in virtual time, around
// the production core.
//
//   Workload workload;
//   workload.per_second = 200;
//   workload.latency = Distribution::LogNormal(Ms(20), Ms(30));
//   workload.incidents = *ParseWhatIf("frozen for 60s at 30s");
//   Forecast forecast = RunForecast(workload, policy);
//   forecast.success(), forecast.Latency(0.99), forecast.recovery ...
//
// The calls are those of a recording, at their times, or a stream at random
// times (Poisson). What an attempt meets:
//
//  - With a recording, the first attempt of a call meets what that call met:
//    its latency and its code. Further attempts, which nobody has recorded,
//    meet what another call of the method met around the same time: one drawn
//    from the 32 that are nearest in the order of starts. So an outage in the
//    recording is one for retries as well. What a recorded call met after its
//    own deadline is not known: an attempt that may take longer than recorded
//    ends with DEADLINE_EXCEEDED when the recorded one did.
//  - Without one, latency and failures are drawn from the workload's.
//
// Servers stand in pools of replicas, one pool for each service, in the order
// of round_robin. A replica works on `workers` calls at a time and queues more;
// without a limit of workers nobody waits for another, and more load makes
// nothing slower.
//
// Every policy under one seed meets the same calls at the same times, with the
// same luck for their first attempts: a difference is no noise. The same input
// gives the same forecast on every machine with the same arithmetic.
//
// What it leaves out: connections (a server that is down refuses at once),
// the callers' own retries, what calls cost this process, and the correlation
// of load and latency where the recording is all that is known.
//
// Thread safety: none; forecasts share nothing. Memory: about 4 bytes a call,
// and that of the methods' runtimes.
#ifndef FIREBREAK_SRC_SIM_FORECAST_H_
#define FIREBREAK_SRC_SIM_FORECAST_H_

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/optional.h"
#include "src/core/base/outcome.h"
#include "src/core/base/reason.h"
#include "src/core/measure/event_log.h"
#include "src/core/options.h"
#include "src/sim/distribution.h"
#include "src/sim/recording.h"
#include "src/sim/simulation.h"
#include "src/sim/what_if.h"

namespace firebreak::sim {

// Of each service.
struct Replicas {
  int count = 1;    // [1, 1'000]
  int workers = 0;  // of each; 0: no limit. [0, 100'000]
  // What may wait at each; more is refused with RESOURCE_EXHAUSTED. Absent: no
  // limit.
  absl::optional<int64_t> queue;
};

struct Workload {
  // Null: the stream that the next five say. Outlives the forecast.
  const Recording* recording = nullptr;
  std::string method = "/simulated.Service/Method";
  double per_second = 100;  // (0, 1'000'000]
  Duration length = std::chrono::minutes(2);
  Distribution latency = Distribution::Constant(std::chrono::milliseconds(10));
  double failure_rate = 0;  // of attempts, with UNAVAILABLE. [0, 1]

  // That callers set; zero: none.
  Duration deadline = Duration::zero();
  // A success that takes longer is of no use; infinite: each is. Counted, and
  // nothing else.
  Duration useful_within = core::kInfiniteDuration;
  Replicas replicas;
  std::vector<Incident> incidents;
  uint64_t seed = 1;

  // From the first call to the last.
  Duration span() const {
    return recording != nullptr ? recording->calls.back().at : length;
  }
};

// One channel's part of a policy.
struct Policy {
  std::string channel;
  // Null: the method is left alone.
  std::function<std::shared_ptr<const core::MethodOptions>(
      const std::string& method)>
      find;
  core::BudgetOptions budget;
  core::AdmissionOptions admission;
};

struct Forecast {
  // Calls by the second in which they began.
  struct Second {
    int64_t calls = 0;
    int64_t successes = 0;
    int64_t attempts = 0;
  };

  int64_t calls = 0;
  int64_t successes = 0;
  int64_t cancelled = 0;   // by their callers, as recorded
  int64_t unanswered = 0;  // never ended
  int64_t useful = 0;      // successes in time
  // By the callers of calls that ended otherwise, but for those they cancelled.
  double seconds_in_vain = 0;
  std::array<int64_t, core::kStatusCodes> codes{};  // of all that ended
  std::array<int64_t, core::kReasons> refusals{};   // nothing was sent
  int64_t attempts = 0;
  int64_t retries = 0;
  int64_t hedges = 0;
  int64_t hedge_wins = 0;
  int64_t unwanted = 0;  // replies that nobody waited for any more

  // Changes of breakers, the first kMostEvents of them.
  std::vector<core::Event> events;
  int64_t times_opened = 0;
  // How long breakers were not closed, added up.
  Duration open_time = Duration::zero();

  // From the end of the last incident that ends until the share of successes is
  // what it was before the first, for five seconds in a row. Absent: it is not
  // within the run, or there is no such incident (`has_recovery` tells).
  bool has_recovery = false;
  absl::optional<Duration> recovery;

  std::vector<Second> seconds;
  std::vector<uint32_t> latencies_us;  // of successes, sorted

  // Shares of calls that were not cancelled; 0 of none.
  double success() const;
  double usefulness() const;
  double extra_load() const;  // attempts beyond one for each call sent
  int64_t refused() const;
  // Of successes, to a microsecond; zero of none.
  Duration Latency(double q) const;
};
inline constexpr size_t kMostEvents = 1000;

// OK, or INVALID_ARGUMENT that names what does not fit: an incident's WHO that
// is no service of the workload, a share of replicas that is less than one.
absl::Status CheckWorkload(const Workload& workload,
                           const std::string& channel);

// `workload` has passed CheckWorkload(). `progress` may be empty; it is told
// the share of calls that have begun, now and then.
Forecast RunForecast(const Workload& workload, const Policy& policy,
                     const std::function<void(double)>& progress = {});

// "shop.v1.PaymentService" of "/shop.v1.PaymentService/Charge".
std::string ServiceOf(const std::string& method);
// Of all calls, each once, in order.
std::vector<std::string> ServicesOf(const Workload& workload);

}  // namespace firebreak::sim

#endif  // FIREBREAK_SRC_SIM_FORECAST_H_
