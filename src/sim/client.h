// The clients of a simulation, and the loads that make their calls.
//
//   FirebreakClient client(&sim, setup, &counts);       // or NaiveClient
//   Tally tally;
//   RunOpenLoop(&sim, &client, /*per_second=*/10, /*until=*/At(Sec(60)),
//               /*seed=*/1, tally.Counter());
//   sim.Run();
//   double share = tally.success();
//
// A Client is one process: it has what its calls share (breakers, budget,
// estimates). Clients share nothing with each other, unless they are told to
// (FirebreakClient::Setup::shared).
//
// The luck of a call is a random seed, from which the luck of its attempts
// follows. Two clients under the same load with the same seed get calls of the
// same luck at the same times, whatever they do with them. So strategies are
// compared on the same bad day, and a difference is not chance.
//
// Thread safety: none. Ownership: clients and tallies outlive the simulation's
// run.
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
  // Why firebreak refused the call before anything was sent; kNone if it did
  // not.
  core::Reason refused = core::Reason::kNone;

  bool ok() const { return code == absl::StatusCode::kOk; }
};
using OnCallEnd = std::function<void(const CallResult&)>;

class Client {
 public:
  virtual ~Client() = default;
  // `on_end` is called exactly once, maybe before Call() returns, unless the
  // simulation ends first.
  virtual void Call(uint64_t luck, OnCallEnd on_end) = 0;
  // The number of state changes of its breakers.
  virtual int64_t breaker_changes() const { return 0; }
};

// The luck of attempt n = 0, 1, ... of a call.
core::Rng AttemptLuck(uint64_t call_luck, int n);

// Makes calls at random times that do not depend on the answers (Poisson), from
// now until `until`. `client` outlives the simulation's run.
void RunOpenLoop(Simulation* sim, Client* client, double per_second, Time until,
                 uint64_t seed, OnCallEnd on_end);
// Simulates `callers` that each make a call, wait for its end, pause for
// `think`, and repeat that until `until`.
void RunClosedLoop(Simulation* sim, Client* client, int callers, Duration think,
                   Time until, uint64_t seed, OnCallEnd on_end);

// Counts calls, in total and per bucket of time.
class Tally {
 public:
  struct Bucket {
    int64_t begun = 0;  // calls that began then
    int64_t good = 0;   // of these, those that succeeded
    int64_t done = 0;   // good calls that ended then
  };

  explicit Tally(Duration bucket = std::chrono::seconds(1),
                 bool keeps_latencies = false)
      : width_(bucket), keeps_latencies_(keeps_latencies) {}

  void Add(const CallResult& call);
  // For the loads above; the tally outlives the result.
  OnCallEnd Counter() {
    return [this](const CallResult& call) { Add(call); };
  }

  int64_t calls() const { return calls_; }
  int64_t good() const { return good_; }
  int64_t attempts() const { return attempts_; }
  // Successes and attempts per call; 0 before the first call.
  double success() const { return PerCall(good_); }
  double load() const { return PerCall(attempts_); }
  // The buckets begin at the start of virtual time.
  const std::vector<Bucket>& buckets() const { return buckets_; }
  Duration bucket_width() const { return width_; }
  // The latencies of good calls, if they are kept.
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
