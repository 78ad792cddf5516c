// Those who call: one call at a time, and the loads that make them.
//
//   FirebreakClient client(&sim, setup, &counts);       // or NaiveClient
//   Tally tally;
//   RunOpenLoop(&sim, &client, /*per_second=*/10, /*until=*/At(Sec(60)),
//               /*seed=*/1, tally.Counter());
//   sim.Run();
//   double share = tally.success();
//
// A Client is one process: what its calls share (breakers, budget, estimates)
// is in it, and nothing is shared between clients.
//
// The luck of a call is a number; the luck of its attempts follows from it. Two
// clients under the same load by the same seed make calls of the same luck at
// the same times, whatever they make of it: strategies are compared on one and
// the same bad day, and a difference is no noise.
#ifndef FIREBREAK_SRC_SIM_CLIENT_H_
#define FIREBREAK_SRC_SIM_CLIENT_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "src/core/base/reason.h"
#include "src/core/base/rng.h"
#include "src/sim/simulation.h"

namespace firebreak::sim {

struct CallResult {
  Time started;
  Time ended;
  absl::StatusCode code = absl::StatusCode::kOk;
  int attempts = 0;
  // Refused by firebreak before anything was sent; else kNone.
  core::Reason refused = core::Reason::kNone;

  bool ok() const { return code == absl::StatusCode::kOk; }
};
using OnCallEnd = std::function<void(const CallResult&)>;

class Client {
 public:
  virtual ~Client() = default;
  // `on_end` is called exactly once, unless the simulation ends first; also
  // before Call() returns.
  virtual void Call(uint64_t luck, OnCallEnd on_end) = 0;
  // How often its breakers changed their states.
  virtual int64_t breaker_changes() const { return 0; }
};

// Of attempt n = 0, 1, ... of a call.
core::Rng AttemptLuck(uint64_t call_luck, int n);

// Calls at random times that do not depend on the answers (Poisson), from now
// until `until`. `client` outlives the simulation's run.
void RunOpenLoop(Simulation* sim, Client* client, double per_second, Time until,
                 uint64_t seed, OnCallEnd on_end);
// `callers` that each make a call, await its end, pause for `think`, and begin
// again until `until`.
void RunClosedLoop(Simulation* sim, Client* client, int callers, Duration think,
                   Time until, uint64_t seed, OnCallEnd on_end);

// Sums up calls, in all and for each bucket of time.
class Tally {
 public:
  struct Bucket {
    int64_t begun = 0;  // calls
    int64_t good = 0;   // of them
    int64_t done = 0;   // good calls that ended then, whenever they began
  };

  explicit Tally(Duration bucket = std::chrono::seconds(1),
                 bool keeps_latencies = false)
      : width_(bucket), keeps_latencies_(keeps_latencies) {}

  void Add(const CallResult& call);
  // For the loads above; the tally outlives it.
  OnCallEnd Counter() {
    return [this](const CallResult& call) { Add(call); };
  }

  int64_t calls() const { return calls_; }
  int64_t good() const { return good_; }
  int64_t attempts() const { return attempts_; }
  // Shares of calls; 0 before the first.
  double success() const { return PerCall(good_); }
  double load() const { return PerCall(attempts_); }
  // From the start of virtual time.
  const std::vector<Bucket>& buckets() const { return buckets_; }
  Duration bucket_width() const { return width_; }
  // Of good calls, where they are kept.
  const std::vector<Duration>& latencies() const { return latencies_; }

 private:
  double PerCall(int64_t n) const {
    return calls_ == 0 ? 0
                       : static_cast<double>(n) / static_cast<double>(calls_);
  }
  Bucket& At(Time t);

  const Duration width_;
  const bool keeps_latencies_;
  int64_t calls_ = 0;
  int64_t good_ = 0;
  int64_t attempts_ = 0;
  std::vector<Bucket> buckets_;
  std::vector<Duration> latencies_;
};

}  // namespace firebreak::sim

#endif  // FIREBREAK_SRC_SIM_CLIENT_H_
