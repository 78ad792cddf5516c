#include "src/sim/server.h"

#include <utility>

namespace firebreak::sim {

class Server::Job {
 public:
  enum class State { kQueued, kUnderWay, kOver };

  Job(Work w, Time now) : work(std::move(w)), arrived(now) {}

  Work work;
  Time arrived;
  Time begun;
  State state = State::kQueued;
};

Server::Server(Simulation* sim, ServerOptions options)
    : sim_(sim),
      options_(std::move(options)),
      failure_rate_(options_.failure_rate),
      counted_(sim->now()) {}

Server::Handle Server::Submit(Work work) {
  Count();
  ++stats_.arrived;
  if (trouble_ == Trouble::kSwallows) return {};
  if (trouble_ == Trouble::kRefuses) {
    work.on_end({options_.failure_code, Duration::zero()});
    return {};
  }
  auto job = std::make_shared<Job>(std::move(work), sim_->now());
  const bool must_wait =
      !(speed_ > 0) || (options_.workers > 0 && under_way_ >= options_.workers);
  if (must_wait && options_.queue_limit && queued_ >= *options_.queue_limit) {
    ++stats_.refused;
    owed_ += options_.refusal_work;
    job->state = Job::State::kOver;
    job->work.on_end({options_.refusal_code, Duration::zero()});
    return {};
  }
  queue_.push_back(job);
  ++queued_;
  BeginNext();
  return job;
}

void Server::Cancel(const Handle& handle) {
  const std::shared_ptr<Job> job = handle.lock();
  if (job == nullptr || !options_.honours_cancel ||
      job->state == Job::State::kOver) {
    return;
  }
  Count();
  ++stats_.broken_off;
  if (std::exchange(job->state, Job::State::kOver) == Job::State::kQueued) {
    --queued_;
    return;
  }
  --under_way_;
  stats_.busy += sim_->now() - job->begun;
  stats_.wasted += sim_->now() - job->begun;
  BeginNext();
}

void Server::SetSpeed(double speed) {
  speed_ = speed;
  BeginNext();
}

Server::Stats Server::stats() {
  Count();
  return stats_;
}

void Server::BeginNext() {
  while (!queue_.empty() && speed_ > 0 &&
         (options_.workers <= 0 || under_way_ < options_.workers)) {
    const std::shared_ptr<Job> job = std::move(queue_.front());
    queue_.pop_front();
    if (job->state == Job::State::kQueued) Begin(job);
  }
}

void Server::Begin(const std::shared_ptr<Job>& job) {
  Count();
  --queued_;
  ++under_way_;
  ++stats_.started;
  job->state = Job::State::kUnderWay;
  job->begun = sim_->now();
  const Duration plain =
      (job->work.fate ? job->work.fate->work
                      : options_.service.Sample(&job->work.luck)) +
      std::exchange(owed_, Duration::zero());
  // At speed 1 there is no rounding.
  const Duration takes = speed_ == 1 ? plain : core::Scale(plain, 1 / speed_);
  sim_->After(takes, [this, job] {
    if (job->state == Job::State::kUnderWay) End(job);
  });
  if (job->work.on_start) job->work.on_start();
}

void Server::End(const std::shared_ptr<Job>& job) {
  Count();
  --under_way_;
  ++stats_.ended;
  job->state = Job::State::kOver;
  const Duration took = sim_->now() - job->begun;
  stats_.busy += took;
  stats_.spent += sim_->now() - job->arrived;
  const bool failed = job->work.luck.Uniform() < failure_rate_;
  const absl::StatusCode code =
      job->work.fate ? job->work.fate->code : absl::StatusCode::kOk;
  BeginNext();
  job->work.on_end({failed ? options_.failure_code : code, took});
}

void Server::Count() {
  const double since = core::ToSeconds(sim_->now() - counted_);
  counted_ = sim_->now();
  stats_.queued_seconds += since * static_cast<double>(queued_);
  stats_.present_seconds += since * static_cast<double>(queued_ + under_way_);
}

}  // namespace firebreak::sim
