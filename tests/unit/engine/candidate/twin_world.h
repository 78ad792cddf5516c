// A world in virtual time in which one policy is both the live one and its own
// candidate: a server that fails, recovers, is slow, busy and silent, and
// callers that cancel and are in a hurry.
//
//   World world(scene, seed);
//   world.Run();
//   world.counts();
//
// Thread safety: none. It includes what it needs of the engine.
#ifndef FIREBREAK_TESTS_UNIT_ENGINE_CANDIDATE_TWIN_WORLD_H_
#define FIREBREAK_TESTS_UNIT_ENGINE_CANDIDATE_TWIN_WORLD_H_

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "firebreak/testing/virtual_clock.h"
#include "src/core/attempts/deadline_gate.h"
#include "src/core/base/deadline.h"
#include "src/core/base/rng.h"
#include "src/engine/candidate/candidate_call.h"
#include "src/engine/policy/policy.h"

namespace firebreak::engine::twin {

using core::CallDriver;
using core::Time;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Step = core::AdmissionControl::Step;

struct Scene {
  std::string policy;
  std::vector<std::string> targets = {"t"};
  int calls_per_second = 100;
  bool has_streams = false;
};

// At a full hour, so that the windows begin alike in each run.
inline std::shared_ptr<testing::VirtualClock> FullHour() {
  auto clock = std::make_shared<testing::VirtualClock>();
  constexpr auto kHour = std::chrono::hours(1);
  clock->Advance(kHour - clock->Now().time_since_epoch() % kHour);
  return clock;
}

class World {
 public:
  World(const Scene& scene, uint64_t seed) : scene_(scene), rng_(seed) {
    const auto table = ParsePolicyText(scene.policy, "test", true);
    EXPECT_TRUE(table.ok()) << table.status();
    const EngineClock clock(clock_);
    live_ = std::make_shared<Candidate>(Candidate::Facts(), *table, 10, seed,
                                        clock);
    tried_ = std::make_shared<Candidate>(Candidate::Facts(), *table, 10, seed,
                                         clock);
    live_binding_ = live_->Bind("c", "/p.S/M", scene.targets);
    binding_ = tried_->Bind("c", "/p.S/M", scene.targets);
  }

  // Two minutes of calls and two outages.
  void Run();
  CandidateCounts counts() const { return binding_->method->tally.counts(); }
  const MethodBinding& live() const { return live_binding_->binding; }
  const MethodBinding& tried() const { return binding_->binding; }
  Time Now() const {
    return std::chrono::time_point_cast<core::Duration>(clock_->Now());
  }

 private:
  class Call;
  struct Answer {
    core::AttemptEnd end;
    core::Duration took;
  };

  void At(Time at, std::function<void()> what) {
    events_.emplace(std::max(at, Now()), std::move(what));
  }
  // What the server makes of an attempt that begins now.
  Answer Ask(int target);
  double Draw() { return rng_.Uniform(); }

  const Scene scene_;
  core::Rng rng_;
  const std::shared_ptr<testing::VirtualClock> clock_ = FullHour();
  const Time start_ = Now();
  std::shared_ptr<Candidate> live_;
  std::shared_ptr<Candidate> tried_;
  std::shared_ptr<const CandidateBinding> live_binding_;
  std::shared_ptr<const CandidateBinding> binding_;
  std::multimap<Time, std::function<void()>> events_;
};

// A call under the live policy, as the interceptors run it.
class World::Call : public std::enable_shared_from_this<World::Call> {
 public:
  Call(World* world, core::CallKind kind, core::Duration patience)
      : world_(*world),
        binding_(world->live()),
        options_(*binding_.settings->options),
        kind_(kind),
        began_(world->Now()),
        callers_deadline_(core::SaturatingAdd(began_, patience)),
        is_driven_(kind == core::CallKind::kUnary && options_.NeedsDriver()),
        deadline_(is_driven_ ? core::CallDeadline(callers_deadline_,
                                                  options_.timeout, began_)
                             : callers_deadline_),
        seed_(world->rng_.Next()) {}

  void Arrive() {
    if (is_driven_) {
      CallDriver::Plan plan;
      plan.options = &options_;
      plan.targets = binding_.targets;
      plan.budget = binding_.runtime->budget.get();
      plan.stats = &binding_.runtime->stats;
      plan.latency = &binding_.runtime->latency;
      plan.estimator = binding_.settings->estimator.get();
      plan.deadline = deadline_;
      plan.seed = seed_;
      driver_ = std::make_unique<CallDriver>(plan);
      driver_->Arrive(began_);
    }
    CandidateCall::Arrival arrival;
    arrival.now = began_;
    arrival.deadline = callers_deadline_;
    arrival.live_deadline = deadline_;
    arrival.kind = kind_;
    arrival.seed = seed_;
    candidate_ = std::make_unique<CandidateCall>(
        *world_.binding_, binding_.runtime.get(), arrival);
    const core::AdmissionControl& admission = binding_.settings->admission;
    Go(admission_.Begin(&admission, began_, deadline_,
                        kind_ == core::CallKind::kUnary
                            ? binding_.runtime->ExpectedTime(admission, began_)
                            : core::Duration::zero()));
  }
  void Cancel() {
    if (is_over_) return;
    if (is_driven_) {
      Act(driver_->OnCallerCancel(world_.Now()));
    } else if (!is_running_) {
      End(core::CallEnd::kCancelled, absl::StatusCode::kCancelled,
          core::Reason::kCancelled);
    } else {
      core::AttemptEnd end;
      end.code = absl::StatusCode::kCancelled;
      end.origin = core::Origin::kHere;
      end.cancelled_by_caller = true;
      EndGuarded(end);
    }
  }

 private:
  class Waiter final : public core::Bulkhead::Waiter {
   public:
    explicit Waiter(std::weak_ptr<Call> call) : call_(std::move(call)) {}
    void OnPlace() override {
      const auto call = call_.lock();
      if (call == nullptr) return;
      call->world_.At(call->world_.Now(), [call] { call->Resume(); });
    }

   private:
    const std::weak_ptr<Call> call_;
  };

  void Go(const Step& step) {
    const Time now = world_.Now();
    if (step.kind == Step::Kind::kWait) {
      if (waiter_ == nullptr) {
        waiter_ = std::make_shared<Waiter>(weak_from_this());
        Go(admission_.Continue(waiter_, now));
        return;
      }
      world_.At(step.until, [self = shared_from_this()] { self->Resume(); });
      return;
    }
    has_left_queue_ = true;
    if (step.kind == Step::Kind::kAdmitted) {
      is_driven_ ? Act(driver_->Start(now)) : Admit(now);
      return;
    }
    if (is_driven_) {
      core::Refusal refusal;
      refusal.reason = step.refusal.reason;
      Act(driver_->TurnAway(step.refusal.code, refusal, now));
    } else {
      End(core::CallEnd::kRejected, step.refusal.code, step.refusal.reason);
    }
  }
  void Resume() {
    if (is_over_ || has_left_queue_) return;
    Go(admission_.Continue(waiter_, world_.Now()));
  }

  void Admit(Time now) {
    core::Admission admission =
        binding_.targets[0]->Admit(now, deadline_, kind_);
    if (!admission.permit) {
      End(core::CallEnd::kRejected, absl::StatusCode::kUnavailable,
          admission.refusal.reason);
      return;
    }
    binding_.runtime->budget->OnCallAdmitted();
    permit_ = std::move(admission.permit);
    is_running_ = true;
    admitted_ = now;
    candidate_->OnLaunch(
        {0, 0, core::AttemptKind::kFirst, deadline_, permit_.is_probe()}, now);
    Answer answer = world_.Ask(0);
    if (kind_ == core::CallKind::kStream) {
      world_.At(now + answer.took / 2, [self = shared_from_this()] {
        if (self->is_over_) return;
        self->permit_.NoteProgress(self->world_.Now());
        self->candidate_->OnProgress(self->world_.Now());
      });
    }
    if (core::SaturatingAdd(now, answer.took) >= deadline_) {
      answer.took = deadline_ - now;
      answer.end.code = absl::StatusCode::kDeadlineExceeded;
      answer.end.origin = core::Origin::kHere;
    }
    world_.At(now + answer.took, [self = shared_from_this(), answer] {
      if (!self->is_over_) self->EndGuarded(answer.end);
    });
  }
  void EndGuarded(core::AttemptEnd end) {
    const Time now = world_.Now();
    const bool is_unary = kind_ == core::CallKind::kUnary;
    candidate_->OnAttemptEnd(0, end, now);
    core::LatencyModel* const latency = &binding_.runtime->latency;
    end.deadline_was_too_short =
        is_unary && end.code == absl::StatusCode::kDeadlineExceeded &&
        core::IsTooShort(core::Remaining(admitted_, deadline_), latency, now);
    const core::BlameRules rules = options_.blame();
    const core::Attribution attribution = core::Attribute(end, rules);
    if (core::IsServersWord(attribution, end.code)) permit_.SetHasAnswer();
    permit_.Settle(core::VerdictOn(attribution, end.code, rules), now);
    if (is_unary) {
      latency->OnAttemptEnd(end.code, attribution, now - admitted_, now);
    }
    verdict_ = core::AdmissionControl::VerdictOf(end.code, attribution);
    const bool is_cancelled =
        attribution == core::Attribution::kCancelledByCaller;
    End(is_cancelled                        ? core::CallEnd::kCancelled
        : end.code == absl::StatusCode::kOk ? core::CallEnd::kSuccess
                                            : core::CallEnd::kFailure,
        end.code,
        is_cancelled ? core::Reason::kCancelled : core::Reason::kNone);
  }
  void End(core::CallEnd end, absl::StatusCode code, core::Reason reason) {
    CandidateCall::Call call;
    call.started = began_;
    call.took = world_.Now() - began_;
    call.granted = core::Remaining(began_, deadline_);
    call.end = end;
    call.code = code;
    call.reason = reason;
    call.attempts = is_running_ ? 1 : 0;
    Close(call, verdict_);
  }
  void Close(const CandidateCall::Call& call,
             core::AdmissionControl::Verdict verdict) {
    is_over_ = true;
    candidate_->End(call, world_.Now());
    admission_.End(verdict, world_.Now());
  }

  void Act(const CallDriver::Actions& actions) {
    const Time now = world_.Now();
    for (const CallDriver::Launch& launch : actions.launch) {
      candidate_->OnLaunch(launch, now);
      Answer answer = world_.Ask(launch.target);
      if (core::SaturatingAdd(now, answer.took) >= launch.deadline) {
        answer.took = launch.deadline - now;
        answer.end.code = absl::StatusCode::kDeadlineExceeded;
        answer.end.origin = core::Origin::kHere;
      }
      world_.At(now + answer.took,
                [self = shared_from_this(), answer, n = launch.attempt] {
                  if (self->is_over_ || self->driver_->attempt(n).settled) {
                    return;
                  }
                  const Time at = self->world_.Now();
                  self->candidate_->OnAttemptEnd(n, answer.end, at);
                  self->Act(self->driver_->OnAttemptEnd(n, answer.end, at));
                });
    }
    if (actions.finish) {
      Close(driver_->CallFacts(*actions.finish, now),
            driver_->VerdictOf(*actions.finish));
      return;
    }
    world_.At(driver_->wake_at(), [self = shared_from_this()] {
      const Time at = self->world_.Now();
      if (self->is_over_ || at < self->driver_->wake_at()) return;
      self->Act(self->driver_->OnTimer(at));
      self->candidate_->OnTimer(at);
    });
  }

  World& world_;
  const MethodBinding& binding_;
  const core::MethodOptions& options_;
  const core::CallKind kind_;
  const Time began_;
  const Time callers_deadline_;
  const bool is_driven_;
  const Time deadline_;
  const uint64_t seed_;
  std::unique_ptr<CandidateCall> candidate_;
  std::shared_ptr<Waiter> waiter_;
  core::AdmissionPermit admission_;
  std::unique_ptr<CallDriver> driver_;
  core::Permit permit_;
  Time admitted_;
  core::AdmissionControl::Verdict verdict_ =
      core::AdmissionControl::Verdict::kNotSent;
  bool has_left_queue_ = false;
  bool is_running_ = false;
  bool is_over_ = false;
};

inline World::Answer World::Ask(int target) {
  const core::Duration since = Now() - start_;
  const auto within = [&](int from, int to) {
    return since >= seconds(from) && since < seconds(to);
  };
  Answer answer;
  answer.end.origin = core::Origin::kPeer;
  answer.took = std::chrono::duration_cast<core::Duration>(
      std::chrono::duration<double, std::milli>(5 + 20 * Draw()));
  if (Draw() < 0.03) answer.took *= 10;
  double failing = 0.02;
  if (within(20, 40)) failing = target == 0 ? 1 : 0.3;
  if (within(60, 75)) failing = 0.5;
  if (within(85, 95)) answer.took *= 40;
  const double drawn = Draw();
  if (drawn < failing) {
    answer.end.code = absl::StatusCode::kUnavailable;
    if (Draw() < 0.2) answer.end.origin = core::Origin::kTransport;
    if (Draw() < 0.1) answer.end.code = absl::StatusCode::kResourceExhausted;
    const double pushed = Draw();
    if (pushed < 0.05) answer.end.pushback = milliseconds(-1);
    if (pushed > 0.95) answer.end.pushback = milliseconds(30);
    if (Draw() < 0.1) answer.took = seconds(100);  // hangs
  } else if (drawn > 0.98) {
    answer.end.code = absl::StatusCode::kNotFound;
  }
  return answer;
}

inline void World::Run() {
  const Time end = start_ + seconds(120);
  std::function<void()> arrive = [&] {
    if (Now() >= end) return;
    At(Now() + std::chrono::duration_cast<core::Duration>(
                   std::chrono::duration<double>(2 * Draw() /
                                                 scene_.calls_per_second)),
       arrive);
    const bool is_stream = scene_.has_streams && Draw() < 0.3;
    core::Duration patience = seconds(20);
    if (Draw() < 0.1) patience = milliseconds(static_cast<int>(60 * Draw()));
    const auto call = std::make_shared<Call>(
        this, is_stream ? core::CallKind::kStream : core::CallKind::kUnary,
        patience);
    call->Arrive();
    if (Draw() < 0.05) {
      At(Now() + milliseconds(static_cast<int>(40 * Draw())),
         [call] { call->Cancel(); });
    }
  };
  At(start_, arrive);
  while (!events_.empty()) {
    const auto next = events_.begin();
    if (next->first > end + seconds(60)) break;
    if (next->first > Now()) clock_->Advance(next->first - Now());
    const std::function<void()> what = std::move(next->second);
    events_.erase(next);
    what();
  }
  events_.clear();
}

}  // namespace firebreak::engine::twin

#endif  // FIREBREAK_TESTS_UNIT_ENGINE_CANDIDATE_TWIN_WORLD_H_
