// The retry loops that people write, to compare firebreak with.
//
//   NaiveOptions options;
//   options.max_retries = 3;
//   options.attempt_timeout = Ms(500);
//   NaiveClient client(&sim, options, {&server, link}, &counts);
//
// Every failed attempt, whatever its code, is retried at once, as often as the
// options allow. Calls have no deadline of their own.
//
// Thread safety: none.
#ifndef FIREBREAK_SRC_SIM_NAIVE_CLIENT_H_
#define FIREBREAK_SRC_SIM_NAIVE_CLIENT_H_

#include <cstdint>
#include <memory>

#include "absl/types/optional.h"
#include "src/sim/client.h"
#include "src/sim/simulation.h"
#include "src/sim/wire.h"

namespace firebreak::sim {

struct NaiveOptions {
  // "Adaptive" in the study below: + `fill` per call. A retry takes one token
  // and needs more than one in the bucket.
  struct TokenBucket {
    double fill = 0.1;
    double size = 5;
  };

  int max_retries = 0;
  Duration attempt_timeout = Duration::zero();  // 0: none
  absl::optional<TokenBucket> bucket;
  // No retry while failed attempts / calls, since the start, is above this: the
  // "breaker" of the same study. 0: off.
  //
  // Source of both: M. Brooker, "Fixing retries with token buckets and circuit
  // breakers", 2022-02-28, and its simulator.
  double stop_above_failures = 0;
};

class NaiveClient : public Client {
 public:
  // The client and `counts` outlive the run of the simulation.
  NaiveClient(Simulation* sim, const NaiveOptions& options,
              const Target& target, WireCounts* counts);

  void Call(uint64_t luck, OnCallEnd on_end) override;

 private:
  struct Loop;
  void Send(const std::shared_ptr<Loop>& loop);
  bool MayRetry(int retries_made);

  Simulation* const sim_;
  const NaiveOptions options_;
  const Target target_;
  WireCounts* const counts_;
  double tokens_;
  double calls_ = 0;
  double failures_ = 0;
};

}  // namespace firebreak::sim

#endif  // FIREBREAK_SRC_SIM_NAIVE_CLIENT_H_
