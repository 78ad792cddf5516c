// One attempt on its way to a server and back, as a client's stub sees it.
//
//   Target target{&server, {Distribution::Exponential(Ms(10)),
//                           Distribution::Exponential(Ms(10))}};
//   std::weak_ptr<Flight> flight = Flight::Send(
//       &sim, target, luck, times, &counts,
//       [](const AttemptEnd& end) { ... });
//   if (auto still = flight.lock()) still->Cancel();
//
// What gRPC does around an attempt: it ends with the server's answer, or at its
// deadline with DEADLINE_EXCEEDED, and a client that no longer waits tells the
// server so, one leg later. Replies that come to nobody are counted as waste,
// with the server and here.
//
// A reply CANCELLED, which no server of ours gives, is of a recording, and the
// caller's own cancel.
//
// Thread safety: none. Ownership: a flight is kept by what is planned for it;
// what `target` points to and `counts` outlive it. What it calls back is
// dropped as soon as it has been called, or can be no more.
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
  // Instead of `server`: the next of these, for each attempt anew.
  Pool* pool = nullptr;
};

// Of all attempts of a client, or of all clients.
struct WireCounts {
  int64_t sent = 0;
  int64_t unwanted = 0;  // replies that nobody waited for
  // Of attempts that ended or not: the reply came after the call's deadline.
  // Known of all attempts only where no server honours cancels.
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
  OnEnd on_end_;  // empty: nobody waits
  core::Rng luck_;
  const Duration out_;
  const Duration back_;
  absl::optional<Reply> fate_;
  Server::Handle job_;
};

}  // namespace firebreak::sim

#endif  // FIREBREAK_SRC_SIM_WIRE_H_
