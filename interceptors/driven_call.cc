#include "interceptors/driven_call.h"

#include <utility>

#include "interceptors/caller_stack.h"
#include "interceptors/report.h"
#include "interceptors/wire.h"
#include "src/core/deadline.h"
#include "src/engine/clock.h"

namespace firebreak::interceptors {

std::shared_ptr<DrivenCall> DrivenCall::Create(
    std::shared_ptr<engine::ChannelBinding> channel,
    std::shared_ptr<const engine::MethodBinding> method,
    grpc::experimental::ClientRpcInfo* info, ParentRef parent,
    const CallOptions& options) {
  return std::make_shared<DrivenCall>(Key{}, std::move(channel),
                                      std::move(method), info,
                                      std::move(parent), options);
}

DrivenCall::DrivenCall(Key, std::shared_ptr<engine::ChannelBinding> channel,
                       std::shared_ptr<const engine::MethodBinding> method,
                       grpc::experimental::ClientRpcInfo* info,
                       ParentRef parent, const CallOptions& options)
    : channel_(std::move(channel)),
      method_(std::move(method)),
      caller_(info->client_context()),
      base_channel_(info->channel()),
      parent_(std::move(parent)),
      options_(AdjustOptions(method_->settings->options, options)),
      wants_report_(options.report),
      began_(engine::Now()),
      deadline_(
          core::CallDeadline(caller_.deadline(), options_->timeout, began_)),
      fallback_(method_->runtime->fallback()),
      driver_(MakePlan()),
      let_in_(began_) {}

DrivenCall::~DrivenCall() {
  core::MutexLock lock(&mu_);
  DisarmTimer();
}

core::CallDriver::Plan DrivenCall::MakePlan() const {
  core::CallDriver::Plan plan;
  plan.options = options_.get();
  plan.targets = method_->targets;
  plan.budget = method_->runtime->budget.get();
  plan.stats = &method_->runtime->stats;
  plan.latency = &method_->runtime->latency;
  plan.estimator = method_->settings->estimator.get();
  plan.deadline = deadline_;
  plan.has_fallback = fallback_ != nullptr;
  plan.seed = channel_->core()->NextSeed();
  return plan;
}

void DrivenCall::Start(Methods* first) {
  // Deliver() lets the caller drop the interceptor, and with it this call.
  const std::shared_ptr<DrivenCall> self = shared_from_this();
  caller_.set_metadata(first->GetSendInitialMetadata());
  // Serialized in every stub style.
  request_ = first->GetSerializedSendMessage();
  // Interceptors before ours see one logical call, those after ours attempts.
  stub_.emplace(first->GetInterceptedChannel());
  if (!method_->settings->intake.empty() && !PassIntake(first)) return;
  std::unique_ptr<engine::Lane> lane;
  if (channel_->core()->options().drive_on_calling_thread &&
      LivesOnThisStack(first)) {
    lane = channel_->core()->io()->TakeLane();
  }
  Run(first, std::move(lane), began_);
}

void DrivenCall::Run(Methods* first, std::unique_ptr<engine::Lane> lane,
                     core::Time at) {
  Drive(
      [&](core::CallDriver* driver, core::Time now) {
        mu_.AssertHeld();
        lane_ = lane.get();
        if (lane_ != nullptr) lane_thread_ = std::this_thread::get_id();
        // One that had to wait is held already.
        if (held_.empty()) held_.push_back(first);
        // A cancel from before has waited for something to end.
        if (cancel_requested_) return driver->OnCallerCancel(now);
        if (!turned_away_) return driver->Start(now);
        core::Refusal refusal;
        refusal.reason = turned_away_->reason;
        refusal.retry_after = turned_away_->retry_after;
        return driver->TurnAway(turned_away_->code, refusal, now);
      },
      at);
  if (lane != nullptr) RunLane(std::move(lane));
}

void DrivenCall::RunLane(std::unique_ptr<engine::Lane> lane) {
  while (!delivered_on_lane_) {
    // Hedges and retries ring: the timer is finer than the queue's wait.
    if (!lane->RunOne(deadline_)) OnTimer();
    if (lane->TakeRing()) PerformQueued(lane.get());
  }
  // With the losers, which have been cancelled.
  channel_->core()->io()->ReturnLane(std::move(lane), channel_);
}

void DrivenCall::PerformQueued(engine::Lane* lane) {
  absl::InlinedVector<Actions, 1> batch;
  for (;;) {
    {
      core::MutexLock lock(&mu_);
      if (queue_.empty()) {
        performing_ = false;
        return;
      }
      batch.swap(queue_);
    }
    for (const Actions& actions : batch) Perform(actions, lane);
    batch.clear();
  }
}

bool DrivenCall::Park(Methods* batch) {
  core::MutexLock lock(&mu_);
  if (delivered_) return false;
  held_.push_back(batch);
  return true;
}

void DrivenCall::RequestCancel() {
  core::MutexLock lock(&mu_);
  cancel_requested_ = true;
  ArmTimer();
}

void DrivenCall::OnTimer() {
  auto classifier = method_->runtime->classifier();
  std::vector<core::CallDriver::Unjudged> unjudged;
  Drive([&](core::CallDriver* driver, core::Time now) {
    mu_.AssertHeld();
    // It may have been armed anew since it rang; and who polls a lane comes
    // here without it.
    DisarmTimer();
    if (cancel_requested_) return driver->OnCallerCancel(now);
    Actions actions = driver->OnTimer(now, classifier != nullptr);
    unjudged = driver->TakeUnjudged();
    return actions;
  });
  // What gRPC would have made of them.
  Result result;
  result.code = grpc::StatusCode::DEADLINE_EXCEEDED;
  result.message = "Deadline Exceeded";
  Classify(classifier, result, std::move(unjudged));
}

void DrivenCall::OnAttemptDone(Attempt* attempt) {
  core::AttemptEnd end =
      ReadEnd(attempt->status, attempt->context, channel_->targets());
  end.channel_was_not_ready = attempt->channel_was_not_ready;
  if (channel_->listener() != nullptr) TellEnd(*attempt, end);
  auto classifier = method_->runtime->classifier();
  Result result;
  if (classifier != nullptr) {
    end.is_judged_later = true;
    result =
        ResultOf(attempt->status, attempt->context.GetServerTrailingMetadata());
  }
  std::vector<core::CallDriver::Unjudged> unjudged;
  Drive([&](core::CallDriver* driver, core::Time now) {
    mu_.AssertHeld();
    if (wants_report_ && !decided_) {
      peers_.resize(static_cast<size_t>(driver->launched()));
      peers_[static_cast<size_t>(attempt->number)] = attempt->context.peer();
    }
    if (!decided_) {
      answer_.status = std::move(attempt->status);
      answer_.reply.Swap(&attempt->reply);
      answer_.initial =
          CopyMetadata(attempt->context.GetServerInitialMetadata());
      answer_.trailing =
          CopyMetadata(attempt->context.GetServerTrailingMetadata());
      answer_.debug_error_string = attempt->context.debug_error_string();
    }
    Actions actions = driver->OnAttemptEnd(attempt->number, end, now);
    unjudged = driver->TakeUnjudged();
    return actions;
  });
  Classify(classifier, result, std::move(unjudged));
}

template <class Event>
void DrivenCall::Drive(Event event, absl::optional<core::Time> at) {
  const core::Time now = at ? *at : engine::Now();
  Actions actions;
  engine::Lane* lane = nullptr;
  bool is_for_others = false;
  core::Visit visit;
  auto verdict = core::Intake::Verdict::kNotSent;
  {
    core::MutexLock lock(&mu_);
    actions = event(&driver_, now);
    if (actions.finish.has_value() && !std::exchange(decided_, true)) {
      visit = std::move(visit_);
      verdict = driver_.VerdictOf(*actions.finish);
      if (queued_ != nullptr) queued_->Cancel();
      if (driver_.launched() == 0 &&
          actions.finish->code != absl::StatusCode::kCancelled) {
        channel_->core()->listeners()->OnRejection(
            channel_->name(), method_->runtime->method, actions.finish->reason);
      }
    }
    ArmTimer();
    lane = lane_;
    const bool is_other_thread =
        lane != nullptr && lane_thread_ != std::this_thread::get_id();
    // In order: on a lane there may be some of others that have rung.
    is_for_others = performing_ || is_other_thread || !queue_.empty();
    if (is_for_others) {
      queue_.push_back(std::move(actions));
      if (is_other_thread) lane->Ring();
    } else {
      performing_ = lane == nullptr;
    }
  }
  visit.End(verdict, now);
  if (is_for_others) return;
  Perform(actions, lane);
  if (lane == nullptr) PerformQueued(nullptr);
}

void DrivenCall::Perform(const Actions& actions, engine::Lane* lane) {
  for (int n : actions.cancel) {
    auto attempt = attempts_[static_cast<size_t>(n)].lock();
    if (attempt != nullptr) attempt->Cancel();
  }
  for (const auto& launch : actions.launch) Launch(launch, lane);
  if (actions.run_fallback) {
    RunFallback(*actions.finish);
  } else if (actions.finish.has_value()) {
    Deliver(*actions.finish);
  }
}

void DrivenCall::Launch(const core::CallDriver::Launch& launch,
                        engine::Lane* lane) {
  auto attempt = std::make_shared<Attempt>(shared_from_this(), launch.attempt);
  const CallerContext::Metadata own = Tell(launch, &attempt->context);
  caller_.CopyTo(launch.deadline, launch.attempt,
                 channel_->listener() != nullptr ? own : caller_.metadata(),
                 options_->wait_for_ready, &attempt->context);
  grpc::ChannelInterface* const channel =
      launch.target == 0 ? base_channel_
                         : channel_->replica(launch.target).get();
  attempt->channel_was_not_ready =
      launch.is_probe &&
      channel->GetState(/*try_to_connect=*/false) != GRPC_CHANNEL_READY;
  attempts_.push_back(attempt);
  grpc::CompletionQueue* const cq =
      lane != nullptr ? lane->Begin() : channel_->core()->io()->Begin();
  absl::optional<grpc::GenericStub> replica;
  if (launch.target > 0) replica.emplace(channel_->replica(launch.target));
  Attempt::Start(std::move(attempt), replica ? &*replica : &*stub_,
                 method_->method, *request_, cq);
}

CallerContext::Metadata DrivenCall::Tell(
    const core::CallDriver::Launch& launch,
    const grpc::ClientContext* context) const {
  CallerContext::Metadata own;
  AttemptListener* const listener = channel_->listener();
  if (listener == nullptr) return own;
  own = caller_.metadata();
  AttemptStart start;
  start.channel = channel_->name();
  start.method = method_->method;
  start.target = channel_->targets()[static_cast<size_t>(launch.target)];
  start.attempt = launch.attempt;
  start.kind = KindName(launch.kind);
  start.context = context;
  start.metadata = &own;
  listener->OnAttemptStart(start);
  return own;
}

void DrivenCall::RunFallback(const Finish& failed) {
  grpc::Status failure;
  {
    core::MutexLock lock(&mu_);
    failure = failed.attempt == Finish::kNoAttempt ? OwnAnswer(failed).status
                                                   : answer_.status;
  }
  // The request is copied since the call may end meanwhile.
  auto work = [self = shared_from_this(), failure = std::move(failure),
               request = *request_] {
    {
      // Over before a thread of the pool was free: nobody would see the reply.
      core::MutexLock lock(&self->mu_);
      if (!self->driver_.OnFallbackBegin()) return;
      self->ArmTimer();
    }
    grpc::ByteBuffer reply;
    const bool ok = (*self->fallback_)(request, failure, &reply).ok();
    self->Drive([&](core::CallDriver* driver, core::Time now) {
      self->mu_.AssertHeld();
      self->fallback_reply_.Swap(&reply);
      return driver->OnFallbackEnd(ok, now);
    });
  };
  if (channel_->core()->io()->Submit(std::move(work))) return;
  Drive([](core::CallDriver* driver, core::Time now) {
    return driver->OnFallbackEnd(false, now);
  });
}

void DrivenCall::Deliver(const Finish& finish) {
  Methods* first = nullptr;
  {
    core::MutexLock lock(&mu_);
    if (finish.from_fallback) {
      answer_ = Answer{};
      answer_.reply.Swap(&fallback_reply_);
    } else if (finish.attempt == Finish::kNoAttempt) {
      answer_ = OwnAnswer(finish);
    } else {
      AddReason(finish.reason, &answer_);
      caller_.set_debug_error_string(std::move(answer_.debug_error_string));
    }
    if (wants_report_) AddReport(finish);
    first = held_.front();
  }
  // No attempt is launched from here on.
  parent_.Release();
  // gRPC asks for the answer in here. With the last batch released the caller
  // may destroy its context, the interceptor in it and the channel: nothing of
  // theirs is touched after it.
  first->Hijack();
  absl::InlinedVector<Methods*, 2> later;
  {
    // Only now may a batch proceed by itself: one that overtook the hijack
    // would go to the network.
    core::MutexLock lock(&mu_);
    delivered_ = true;
    delivered_on_lane_ = lane_ != nullptr;
    lane_ = nullptr;  // nobody rings any more
    later.swap(held_);
  }
  for (size_t i = 1; i < later.size(); ++i) later[i]->Proceed();
}

void DrivenCall::ArmTimer() {
  core::Time at = driver_.wake_at();
  // Before the first batch there is nothing to end; Start() looks again.
  if (cancel_requested_ && !held_.empty() && !driver_.finished()) {
    at = core::Time::min();
  }
  // The calling thread wakes up for the deadline by itself.
  if (lane_ != nullptr && at == deadline_) at = core::kInfiniteFuture;
  if (at == armed_) return;
  if (at == core::kInfiniteFuture) {
    DisarmTimer();
    return;
  }
  armed_ = at;
  if (timer_.client.expired()) timer_.client = weak_from_this();
  channel_->core()->io()->Arm(&timer_, at);
}

void DrivenCall::DisarmTimer() {
  if (armed_ == core::kInfiniteFuture) return;
  armed_ = core::kInfiniteFuture;
  channel_->core()->io()->Disarm(&timer_);
}

}  // namespace firebreak::interceptors
