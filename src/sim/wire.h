// One attempt to a server and back, as a client's stub sees it.
//
//   Target target{&server, {Distribution::Exponential(Ms(10)),
//                           Distribution::Exponential(Ms(10))}};
//   std::weak_ptr<Flight> flight = Flight::Send(
//       &sim, target, luck, times, &counts,
//       [](const AttemptEnd& end) { ... });
//   if (auto still = flight.lock()) still->Cancel();
//
// It does what gRPC does for an attempt: it ends with the server's answer, or
// at its deadline with DEADLINE_EXCEEDED. If the client no longer waits, the
// server learns of that one network leg later. Replies that no client waits for
// are counted as waste, by the server and here.
//
// A CANCELLED reply comes from a recording only, and means that the caller
// cancelled.
//
// Thread safety: none. Ownership: its scheduled events keep a flight alive;
// what `target` points to and `counts` outlive it. `on_end` is destroyed as
// soon as it has been called, or can no longer be.
#ifndef FIREBREAK_SRC_SIM_WIRE_H_
#define FIREBREAK_SRC_SIM_WIRE_H_

#include <cstdint>
#include <functional>
#include <memory>

#include "src/core/base/outcome.h"
#include "src/core/base/rng.h"
#include "src/core/base/time.h"
#include "src/sim/distribution.h"
#include "src/sim/server.h"
#include "src/sim/simulation.h"

namespace firebreak::sim {

struct Link {
  Distribution out = Distribution::Constant(Duration::zero());
  Distribution back = Distribution::Constant(Duration::zero());
};

struct Target {
  Server* server = nullptr;
  Link link;
  // Instead of `server`: each attempt goes to the next server of the pool.
  Pool* pool = nullptr;
};

// The counts for a client, or for all clients.
struct WireCounts {
  int64_t sent = 0;
  int64_t unwanted = 0;  // replies that no client waited for
  // Replies that came after the call's deadline. This includes all attempts
  // only if no server honours cancels.
  int64_t doomed = 0;
};

class Flight : public std::enable_shared_from_this<Flight> {
 public:
  using OnEnd = std::function<void(const core::AttemptEnd&)>;

  struct Times {
    Time attempt_deadline = core::kInfiniteFuture;
    Time call_deadline = core::kInfiniteFuture;  // for WireCounts::doomed
  };

  // `on_end` is called at most once, later than Send() returns, and never after
  // Cancel().
  static std::weak_ptr<Flight> Send(Simulation* sim, const Target& target,
                                    core::Rng luck, Times times,
                                    WireCounts* counts, OnEnd on_end,
                                    absl::optional<Reply> fate = {});
  void Cancel();

 private:
  Flight(Simulation* sim, const Target& target, core::Rng luck, Times times,
         WireCounts* counts, OnEnd on_end);
  void Arrive();
  void Answered(const Reply& reply);

  Simulation* const sim_;
  Server* const server_;
  const Times times_;
  WireCounts* const counts_;
  OnEnd on_end_;  // empty: the client no longer waits
  core::Rng luck_;
  const Duration out_;
  const Duration back_;
  absl::optional<Reply> fate_;
  Server::Handle job_;
};

}  // namespace firebreak::sim

#endif  // FIREBREAK_SRC_SIM_WIRE_H_
