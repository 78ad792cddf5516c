#include "interceptors/driven_call.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "interceptors/wire.h"
#include "src/core/deadline.h"
#include "src/core/duration.h"
#include "src/engine/clock.h"

namespace firebreak::interceptors {
namespace {

// Set on a context by set_compression_algorithm(), which each attempt does for
// itself: copied too, it would be sent twice.
constexpr char kCompressionKey[] = "grpc-internal-encoding-request";

}  // namespace

std::shared_ptr<DrivenCall> DrivenCall::Create(
    std::shared_ptr<engine::ChannelBinding> channel,
    std::shared_ptr<const engine::MethodBinding> method,
    grpc::experimental::ClientRpcInfo* info) {
  auto call = std::shared_ptr<DrivenCall>(
      new DrivenCall(std::move(channel), std::move(method), info));
  core::MutexLock lock(&call->mu_);
  call->timer_.client = call;
  return call;
}

DrivenCall::DrivenCall(std::shared_ptr<engine::ChannelBinding> channel,
                       std::shared_ptr<const engine::MethodBinding> method,
                       grpc::experimental::ClientRpcInfo* info)
    : channel_(std::move(channel)),
      method_(std::move(method)),
      caller_(info->client_context()),
      base_channel_(info->channel()),
      fields_(ReadContext(*caller_)),
      parent_(fields_.parent),
      granted_(FromGrpcDeadline(caller_->raw_deadline())),
      deadline_(core::CallDeadline(granted_, method_->runtime->options->timeout,
                                   engine::Now())),
      fallback_(method_->runtime->fallback()),
      driver_(MakePlan()) {}

DrivenCall::~DrivenCall() {
  core::MutexLock lock(&mu_);
  channel_->core()->io()->Disarm(&timer_);
}

core::CallDriver::Plan DrivenCall::MakePlan() const {
  core::CallDriver::Plan plan;
  plan.options = method_->runtime->options.get();
  plan.targets = method_->targets;
  plan.budget = method_->runtime->budget.get();
  plan.stats = &method_->runtime->stats;
  plan.deadline = deadline_;
  plan.has_fallback = fallback_ != nullptr;
  plan.seed = channel_->core()->NextSeed();
  return plan;
}

void DrivenCall::Start(Methods* first) {
  metadata_ = first->GetSendInitialMetadata();
  // Serialized in every stub style, and a copy that only counts references.
  request_ = *first->GetSerializedSendMessage();
  // Interceptors before ours see one logical call, those after ours attempts.
  stub_ = std::make_unique<grpc::GenericStub>(first->GetInterceptedChannel());
  Drive([&](core::CallDriver* driver, core::Time now) {
    mu_.AssertHeld();
    held_.push_back(first);
    // A cancel from before has waited for something to end.
    return cancel_requested_ ? driver->OnCallerCancel(now) : driver->Start(now);
  });
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
  Drive([this](core::CallDriver* driver, core::Time now) {
    mu_.AssertHeld();
    armed_ = core::kInfiniteFuture;
    if (cancel_requested_) return driver->OnCallerCancel(now);
    return driver->OnTimer(now);
  });
}

void DrivenCall::OnAttemptDone(Attempt* attempt) {
  core::AttemptEnd end = ReadEnd(attempt->status, attempt->context);
  end.channel_was_not_ready = attempt->channel_was_not_ready;
  // A parent call can cancel an attempt behind our back.
  end.cancelled_by_caller = fields_.parent != nullptr;
  Drive([&](core::CallDriver* driver, core::Time now) {
    mu_.AssertHeld();
    if (!decided_) {
      last_.status = attempt->status;
      last_.reply.Swap(&attempt->reply);
      last_.initial = CopyMetadata(attempt->context.GetServerInitialMetadata());
      last_.trailing =
          CopyMetadata(attempt->context.GetServerTrailingMetadata());
    }
    return driver->OnAttemptEnd(attempt->number, end, now);
  });
}

template <class Event>
void DrivenCall::Drive(Event event) {
  // Whoever calls may hold the last reference but one, and Deliver() lets the
  // caller drop that one.
  const std::shared_ptr<DrivenCall> self = shared_from_this();
  {
    core::MutexLock lock(&mu_);
    Actions actions = event(&driver_, engine::Now());
    if (actions.finish.has_value()) decided_ = true;
    queue_.push_back(std::move(actions));
    ArmTimer();
    if (performing_) return;
    performing_ = true;
  }
  for (;;) {
    absl::InlinedVector<Actions, 1> batch;
    {
      core::MutexLock lock(&mu_);
      if (queue_.empty()) {
        performing_ = false;
        return;
      }
      batch.swap(queue_);
    }
    for (const Actions& actions : batch) Perform(actions);
  }
}

void DrivenCall::Perform(const Actions& actions) {
  for (int n : actions.cancel) {
    std::shared_ptr<Attempt> attempt;
    {
      core::MutexLock lock(&mu_);
      attempt = attempts_[static_cast<size_t>(n)].lock();
    }
    if (attempt != nullptr) attempt->Cancel();
  }
  for (const auto& launch : actions.launch) Launch(launch);
  if (actions.run_fallback) {
    RunFallback(*actions.finish);
  } else if (actions.finish.has_value()) {
    Deliver(*actions.finish);
  }
}

void DrivenCall::Launch(const core::CallDriver::Launch& launch) {
  auto attempt = std::make_shared<Attempt>(shared_from_this(), launch.attempt);
  grpc::ClientContext* const context = &attempt->context;
  // The caller's own deadline goes on as it is, to the nanosecond.
  context->set_deadline(launch.deadline == granted_
                            ? caller_->raw_deadline()
                            : ToGrpcDeadline(launch.deadline));
  for (const auto& entry : *metadata_) {
    if (entry.first != kCompressionKey) {
      context->AddMetadata(entry.first, entry.second);
    }
  }
  if (auto credentials = caller_->credentials()) {
    context->set_credentials(credentials);
  }
  if (caller_->compression_algorithm() != GRPC_COMPRESS_NONE) {
    context->set_compression_algorithm(caller_->compression_algorithm());
  }
  context->set_census_context(caller_->census_context());
  WriteContext(fields_, context);
  attempt->channel_was_not_ready =
      launch.is_probe &&
      base_channel_->GetState(/*try_to_connect=*/false) != GRPC_CHANNEL_READY;
  {
    core::MutexLock lock(&mu_);
    attempts_.push_back(attempt);
  }
  Attempt::Start(std::move(attempt), stub_.get(), method_->runtime->method,
                 request_, channel_->core()->io()->cq());
}

void DrivenCall::RunFallback(const Finish& failed) {
  // The failure is read here, where the last attempt's answer cannot change
  // any more; the request is copied since the call may end meanwhile.
  auto work = [self = shared_from_this(), failure = AnswerFor(failed).status,
               request = request_] {
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

Answer DrivenCall::AnswerFor(const Finish& finish) {
  core::MutexLock lock(&mu_);
  if (finish.from_fallback) {
    Answer answer;
    answer.reply.Swap(&fallback_reply_);
    return answer;
  }
  if (finish.attempt != Finish::kNoAttempt) {
    Answer answer = last_;
    AddReason(finish.reason, &answer);
    return answer;
  }
  switch (finish.code) {
    case absl::StatusCode::kDeadlineExceeded:
      return LocalAnswer(
          grpc::StatusCode::DEADLINE_EXCEEDED,
          absl::StrCat("firebreak: the call's deadline passed after ",
                       driver_.launched(), " attempt(s)"),
          finish.reason, core::Duration::zero());
    case absl::StatusCode::kCancelled:
      return LocalAnswer(grpc::StatusCode::CANCELLED, "CANCELLED",
                         finish.reason, core::Duration::zero());
    default:
      return RefusalAnswer(channel_->name(), method_->runtime->method,
                           method_->targets.front()->cause(), finish.reason,
                           finish.retry_after);
  }
}

void DrivenCall::Deliver(const Finish& finish) {
  answer_ = AnswerFor(finish);
  // No attempt is launched from here on.
  parent_.Release();
  Methods* first = nullptr;
  {
    core::MutexLock lock(&mu_);
    first = held_.front();
  }
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
  if (at == armed_) return;
  armed_ = at;
  if (at == core::kInfiniteFuture) {
    channel_->core()->io()->Disarm(&timer_);
  } else {
    channel_->core()->io()->Arm(&timer_, at);
  }
}

}  // namespace firebreak::interceptors
