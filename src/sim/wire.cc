#include "src/sim/wire.h"

#include <utility>

namespace firebreak::sim {

Flight::Flight(Simulation* sim, const Target& target, core::Rng luck,
               Times times, WireCounts* counts, OnEnd on_end)
    : sim_(sim),
      server_(target.pool ? target.pool->Next() : target.server),
      times_(times),
      counts_(counts),
      on_end_(std::move(on_end)),
      luck_(luck),
      out_(target.link.out.Sample(&luck_)),
      back_(target.link.back.Sample(&luck_)) {}

std::weak_ptr<Flight> Flight::Send(Simulation* sim, const Target& target,
                                   core::Rng luck, Times times,
                                   WireCounts* counts, OnEnd on_end,
                                   absl::optional<Reply> fate) {
  // Not make_shared, since the constructor is private.
  const std::shared_ptr<Flight> flight(
      new Flight(sim, target, luck, times, counts, std::move(on_end)));
  flight->fate_ = std::move(fate);
  ++counts->sent;
  sim->After(flight->out_, [flight] { flight->Arrive(); });
  // A weak reference, so that a deadline in the far future keeps nothing alive.
  sim->At(times.attempt_deadline, [weak = std::weak_ptr<Flight>(flight)] {
    const std::shared_ptr<Flight> self = weak.lock();
    if (self == nullptr || !self->on_end_) return;
    const OnEnd told = std::exchange(self->on_end_, nullptr);
    self->Cancel();
    core::AttemptEnd end;
    end.code = absl::StatusCode::kDeadlineExceeded;
    told(end);
  });
  return flight;
}

void Flight::Cancel() {
  on_end_ = nullptr;
  // It cannot overtake the attempt: it takes the same leg, and starts later.
  sim_->After(
      out_, [self = shared_from_this()] { self->server_->Cancel(self->job_); });
}

void Flight::Arrive() {
  Server::Work work;
  work.luck = luck_;
  work.fate = fate_;
  work.on_end = [self = shared_from_this()](const Reply& reply) {
    self->sim_->After(self->back_, [self, reply] { self->Answered(reply); });
  };
  job_ = server_->Submit(std::move(work));
}

void Flight::Answered(const Reply& reply) {
  if (sim_->now() > times_.call_deadline) ++counts_->doomed;
  if (!on_end_) {
    ++counts_->unwanted;
    server_->NoteWasted(reply.work);
    return;
  }
  core::AttemptEnd end;
  end.code = reply.code;
  end.cancelled_by_caller = reply.code == absl::StatusCode::kCancelled;
  const OnEnd told = std::exchange(on_end_, nullptr);
  told(end);
}

}  // namespace firebreak::sim
