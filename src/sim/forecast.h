// Forecasts what a policy would do: it simulates calls, servers and incidents
// in virtual time, with the production core.
//
//   Workload workload;
//   workload.per_second = 200;
//   workload.latency = Distribution::LogNormal(Ms(20), Ms(30));
//   workload.incidents = *ParseWhatIf("frozen for 60s at 30s");
//   Forecast forecast = RunForecast(workload, policy);
//   forecast.success(), forecast.Latency(0.99), forecast.recovery ...
//
// The calls are those of a recording, at their times, or come at random times
// (Poisson). The results of attempts are:
//
//  - With a recording, the first attempt of a call gets the latency and the
//    code of the recorded call. Further attempts were not recorded. They get
//    those of another call of the method at about that time, drawn from the 32
//    that are nearest in the order of starts. So an outage in the recording
//    affects retries as well. What would have come after the deadline of a
//    recorded call is not known: an attempt that has more time than the
//    recorded one ends with DEADLINE_EXCEEDED when that one did.
//  - Without a recording, latency and failures are drawn from the workload's
//    distributions.
//
// The policy is taken to have been in force before: hedges and gates know from
// the first call on how long calls take. They learn it from the first thousand
// of the recording that succeeded, or from as many samples of the distribution.
//
// Servers form pools of replicas, one pool per service, with round_robin. A
// replica works on `workers` calls at a time and queues more. Without a limit
// of workers no call waits for another, and more load makes nothing slower.
//
// With the same seed, every policy gets the same calls at the same times, with
// the same luck for their first attempts, so a difference is not chance. The
// same input gives the same forecast on every machine with the same arithmetic.
//
// It leaves out connections (a server that is down refuses at once), the
// callers' own retries, what calls cost this process, and how load affects
// latency if only a recording is given.
//
// Thread safety: none; forecasts share nothing. Memory: about 4 bytes per call,
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

// The replicas of each service.
struct Replicas {
  int count = 1;    // [1, 1'000]
  int workers = 0;  // of each replica; 0: no limit. [0, 100'000]
  // The queue of each replica; calls beyond it are refused with
  // RESOURCE_EXHAUSTED. Absent: no limit.
  absl::optional<int64_t> queue;
};

struct Workload {
  // Null: the calls are made up from the next five members. The recording
  // outlives the forecast.
  const Recording* recording = nullptr;
  std::string method = "/simulated.Service/Method";
  double per_second = 100;  // (0, 1'000'000]
  Duration length = std::chrono::minutes(2);
  Distribution latency = Distribution::Constant(std::chrono::milliseconds(10));
  double failure_rate = 0;  // of attempts, with UNAVAILABLE. [0, 1]

  // The deadline that callers set; zero: none.
  Duration deadline = Duration::zero();
  // A success that takes longer is counted as not useful; infinite: all are. It
  // affects nothing else.
  Duration useful_within = core::kInfiniteDuration;
  Replicas replicas;
  std::vector<Incident> incidents;
  // How late the timers of the caller's process fire, as measured there; one
  // value is drawn for each timer. Empty: they fire in time. If hedges are
  // late, fewer are sent, since more answers come first.
  std::vector<Duration> timers_late;
  uint64_t seed = 1;

  // From the first call to the last.
  Duration span() const {
    return recording != nullptr ? recording->calls.back().at : length;
  }
};

// One channel's part of a policy.
struct Policy {
  std::string channel;
  // Returns the options of a method, or null if no policy applies to it.
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
  int64_t unanswered = 0;  // had no end within the run
  int64_t useful = 0;      // successes within `useful_within`
  // How long callers waited for calls that failed, cancelled ones excluded.
  double seconds_in_vain = 0;
  std::array<int64_t, core::kStatusCodes> codes{};  // of all calls that ended
  // Of calls that were never sent.
  std::array<int64_t, core::kReasons> refusals{};
  int64_t attempts = 0;
  int64_t retries = 0;
  int64_t hedges = 0;
  int64_t hedge_wins = 0;
  int64_t unwanted = 0;  // replies after their attempt was given up

  // The first kMostEvents state changes of breakers.
  std::vector<core::Event> events;
  int64_t times_opened = 0;
  // How long breakers were not closed, in total.
  Duration open_time = Duration::zero();

  // The time from the end of the last incident that ends, until the share of
  // successes is for five seconds in a row what it was before the first
  // incident. Absent if that does not happen within the run, or if there is no
  // such incident (then `has_recovery` is false).
  bool has_recovery = false;
  absl::optional<Duration> recovery;

  std::vector<Second> seconds;
  std::vector<uint32_t> latencies_us;  // of successes, sorted

  // Shares of calls that were not cancelled; 0 if there are none.
  double success() const;
  double usefulness() const;
  double extra_load() const;  // attempts beyond one per call sent
  int64_t refused() const;
  // A quantile of successes, to a microsecond; zero if there are none.
  Duration Latency(double q) const;
};
inline constexpr size_t kMostEvents = 1000;

// Returns OK, or INVALID_ARGUMENT that names what is wrong: an incident's WHO
// that is no service of the workload, or a share of replicas that is less than
// one.
absl::Status CheckWorkload(const Workload& workload,
                           const std::string& channel);

// `workload` has passed CheckWorkload(). `progress` may be empty; it is called
// now and then with the share of calls that have begun.
Forecast RunForecast(const Workload& workload, const Policy& policy,
                     const std::function<void(double)>& progress = {});

// Returns "shop.v1.PaymentService" for "/shop.v1.PaymentService/Charge".
std::string ServiceOf(const std::string& method);
// The services of all calls, each once, in order.
std::vector<std::string> ServicesOf(const Workload& workload);

}  // namespace firebreak::sim

#endif  // FIREBREAK_SRC_SIM_FORECAST_H_
