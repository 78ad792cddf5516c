#include "src/sim/client.h"

#include <memory>
#include <utility>

#include "src/sim/distribution.h"

namespace firebreak::sim {
namespace {

using core::Rng;

// The state of a load. Times and lucks are drawn from separate generators, so
// that the n-th call has the same luck in every kind of load.
struct Source {
  Source(Simulation* s, Client* c, uint64_t seed, OnCallEnd e)
      : sim(s), client(c), times(seed), lucks(~seed), on_end(std::move(e)) {}

  void Call() { client->Call(lucks.Next(), on_end); }

  Simulation* sim;
  Client* client;
  Rng times;
  Rng lucks;
  OnCallEnd on_end;
};

void PlanOpen(const std::shared_ptr<Source>& source, const Distribution& gap,
              Time until) {
  const Time at =
      core::SaturatingAdd(source->sim->now(), gap.Sample(&source->times));
  if (at >= until) return;
  source->sim->At(at, [source, gap, until] {
    PlanOpen(source, gap, until);
    source->Call();
  });
}

void CallAgain(const std::shared_ptr<Source>& source, Duration think,
               Time until) {
  if (source->sim->now() >= until) return;
  source->client->Call(
      source->lucks.Next(), [source, think, until](const CallResult& call) {
        source->on_end(call);
        source->sim->After(
            think, [source, think, until] { CallAgain(source, think, until); });
      });
}

}  // namespace

Rng AttemptLuck(uint64_t call_luck, int n) {
  Rng of_call(call_luck);
  for (int i = 0; i < n; ++i) of_call.Next();
  return Rng(of_call.Next());
}

void RunOpenLoop(Simulation* sim, Client* client, double per_second, Time until,
                 uint64_t seed, OnCallEnd on_end) {
  if (!(per_second > 0)) return;
  const auto gap = Distribution::Exponential(
      core::Scale(std::chrono::seconds(1), 1 / per_second));
  PlanOpen(std::make_shared<Source>(sim, client, seed, std::move(on_end)), gap,
           until);
}

void RunClosedLoop(Simulation* sim, Client* client, int callers, Duration think,
                   Time until, uint64_t seed, OnCallEnd on_end) {
  const auto source =
      std::make_shared<Source>(sim, client, seed, std::move(on_end));
  for (int i = 0; i < callers; ++i) {
    sim->After(Duration::zero(),
               [source, think, until] { CallAgain(source, think, until); });
  }
}

void Tally::Add(const CallResult& call) {
  ++calls_;
  attempts_ += call.attempts;
  ++At(call.started).begun;
  if (!call.ok()) return;
  ++good_;
  ++At(call.started).good;
  ++At(call.ended).done;
  if (keeps_latencies_) latencies_.push_back(call.ended - call.started);
}

Tally::Bucket& Tally::At(Time t) {
  const auto n = static_cast<size_t>(t.time_since_epoch() / width_);
  if (n >= buckets_.size()) buckets_.resize(n + 1);
  return buckets_[n];
}

}  // namespace firebreak::sim
