#include "interceptors/driven/driven_call.h"

#include <utility>

#include "interceptors/context/caller_stack.h"
#include "interceptors/context/wire.h"
#include "interceptors/reply/report.h"
#include "src/core/base/deadline.h"
#include "src/core/base/recycled.h"

namespace firebreak::interceptors {

std::shared_ptr<DrivenCall> DrivenCall::Create(
    std::shared_ptr<engine::ChannelBinding> channel,
    std::shared_ptr<const engine::MethodBinding> method, const Made& made,
    ParentRef parent) {
  return std::allocate_shared<DrivenCall>(
      core::RecyclingAllocator<DrivenCall>(), Key{}, std::move(channel),
      std::move(method), made, std::move(parent));
}

DrivenCall::DrivenCall(Key, std::shared_ptr<engine::ChannelBinding> channel,
                       std::shared_ptr<const engine::MethodBinding> method,
                       const Made& made, ParentRef parent)
    : channel_(std::move(channel)),
      method_(std::move(method)),
      caller_(made.info->client_context(), channel_->core()->clock()),
      base_channel_(made.info->channel()),
      gate_(made.gate),
      caller_reply_(made.reply),
      codec_(made.codec),
      kinds_(made.kinds),
      is_asynchronous_(made.is_asynchronous),
      parent_(std::move(parent)),
      options_(AdjustOptions(method_->settings->options, made.options)),
      wants_report_(made.options.report),
      began_(Now()),
      deadline_(
          core::CallDeadline(caller_.deadline(), options_->timeout, began_)),
      fallback_(method_->runtime->fallback()),
      driver_(MakePlan()),
      admitted_at_(began_),
      native_(made.info->client_context()) {
  if (method_->candidate == nullptr) return;
  engine::CandidateCall::Arrival arrival;
  arrival.now = began_;
  arrival.deadline = caller_.deadline();
  arrival.live_deadline = deadline_;
  arrival.options = AdjustOptions(method_->candidate->binding.settings->options,
                                  made.options);
  arrival.seed = driver_.seed();
  candidate_ = std::make_unique<engine::CandidateCall>(
      *method_->candidate, method_->runtime.get(), std::move(arrival));
}

DrivenCall::~DrivenCall() {
  if (parent_watch_ != nullptr) parent_watch_->Cancel();
  DisarmTimer();
  if (cancel_requested_) channel_->core()->io()->Disarm(&cancel_timer_);
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
  if (fallback_ != nullptr) plan.fallback_times = fallback_->times();
  plan.seed = channel_->core()->NextSeed();
  return plan;
}

void DrivenCall::Start(Methods* first) {
  // Once it has its answer the caller may destroy the interceptor, and that
  // releases this call.
  const std::shared_ptr<DrivenCall> self = shared_from_this();
  first_ = first;
  caller_.set_metadata(first->GetSendInitialMetadata());
  const bool may_run = method_->settings->admission.empty() || PassAdmission();
  if (may_run && channel_->core()->options().drive_on_calling_thread &&
      LivesOnThisStack(first)) {
    caller_queue_ = channel_->core()->io()->TakeCallerQueue();
    caller_thread_ = std::this_thread::get_id();
    Run(began_);
    RunCallerQueue();
    return;
  }
  if (may_run) Run(began_);
  ServeUntilFree();
}

void DrivenCall::ServeUntilFree() {
  Methods* opens = nullptr;
  do {
    while (box_.Fetch()) HandleFetched();
    if (opens_ != nullptr) opens = std::exchange(opens_, nullptr);
  } while (!box_.Leave());
  // Once this batch has passed the call may end, and gRPC chooses the thread
  // that reports the end. It could be this thread, inside OpenNatively(), so
  // the mailbox has been left before.
  if (opens != nullptr) gate_->OpenNatively(opens, channel_);
}

void DrivenCall::RunCallerQueue() {
  if (box_.Wait()) HandleFetched();
  while (!is_delivered_ || !LeaveCallerQueue()) {
    // Hedges and retries ring the bell, since the timer is more precise than
    // the wait on the queue.
    const core::Time until = is_delivered_ ? core::kInfiniteFuture : deadline_;
    if (!caller_queue_->RunOne(until)) HandleTimer();
    if (caller_queue_->TakeRing() && box_.Fetch()) HandleFetched();
  }
  // The attempts that lost are still on it, and have been cancelled.
  channel_->core()->io()->ReturnCallerQueue(std::move(caller_queue_), channel_);
}

void DrivenCall::HandleFetched() {
  while (Mail* mail = box_.Next()) Handle(mail);
}

bool DrivenCall::LeaveCallerQueue() {
  // Attempts that end on it from now on post mail like any other.
  has_left_caller_queue_ = true;
  return box_.Leave();
}

void DrivenCall::Post(Mail* mail) {
  switch (box_.Post(mail)) {
    case Mailbox::Posted::kYouOwnIt:
      ServeUntilFree();
      return;
    case Mailbox::Posted::kRing:
      caller_queue_->Ring();
      return;
    case Mailbox::Posted::kLeftThere:
      return;
  }
}

void DrivenCall::Handle(Mail* mail) {
  switch (static_cast<MailKind>(mail->kind)) {
    case kTimer:
      // The timer may have been armed anew since it fired.
      DisarmTimer();
      HandleTimer();
      return;
    case kCancel: {
      const core::Time now = Now();
      Act(driver_.OnCallerCancel(now), now);
      return;
    }
    case kAdmitted:
      OnAdmitted(std::move(admitted_));
      return;
    case kAttempt: {
      auto* const attempt = static_cast<Attempt*>(mail);
      std::shared_ptr<Attempt> own = std::move(attempt->in_mail);
      HandleAttempt(attempt);
      // Its context may hold the last reference to the channel by now, and this
      // may be one of gRPC's threads, on which a channel must not be destroyed.
      if (is_delivered_ && !Attempt::MayDieHere()) {
        channel_->core()->io()->Dispose(
            [own = std::move(own)]() mutable { own.reset(); }, channel_);
      }
      return;
    }
    case kNativeInitial:
      HandleNativeInitial();
      return;
    case kNativeEnd:
      HandleNativeEnd();
      return;
    case kLink:
      HandleLink(mail);
      return;
    case kParent:
      HandleParentEnd();
      return;
  }
}

void DrivenCall::Run(core::Time now) {
  if (cancel_requested_) {
    // The caller cancelled before this, or while the call waited.
    Act(driver_.OnCallerCancel(now), now);
  } else if (!admission_refusal_) {
    Act(driver_.Start(now), now);
  } else {
    core::Refusal refusal;
    refusal.reason = admission_refusal_->reason;
    refusal.retry_after = admission_refusal_->retry_after;
    Act(driver_.TurnAway(admission_refusal_->code, refusal, now), now);
  }
}

void DrivenCall::RequestCancel() {
  if (cancel_requested_.exchange(true)) return;
  cancel_timer_.client = weak_from_this();
  channel_->core()->io()->Arm(&cancel_timer_, core::Time::min());
}

void DrivenCall::OnTimer() {
  if (cancel_requested_) Post(&cancel_mail_);
  Post(&timer_mail_);
}

void DrivenCall::OnAttemptDone(std::shared_ptr<Attempt> attempt) {
  Attempt* const mail = attempt.get();
  if (IsOnCallerThread()) {
    HandleAttempt(mail);
    return;
  }
  mail->in_mail = std::move(attempt);
  Post(mail);
}

void DrivenCall::Act(const Actions& actions, core::Time now) {
  for (int n : actions.cancel) {
    if (auto attempt = attempts_[static_cast<size_t>(n)].lock()) {
      attempt->Cancel();
    } else if (n == 0 && native_.stage() == NativeCall::Stage::kInFlight &&
               !cancel_requested_) {
      native_.Cancel();
    }
  }
  for (const auto& launch : actions.launch) {
    if (candidate_ != nullptr) candidate_->OnLaunch(launch, now);
    if (MayBeNative(launch)) {
      LaunchNatively(launch);
    } else {
      Launch(launch);
    }
  }
  if (actions.ask_link.has_value()) {
    if (driver_.launched() == 0 && *actions.ask_link == 0) {
      NoteRefused(*actions.finish, now);
    }
    AskLink(*actions.ask_link, *actions.finish);
  } else if (actions.finish.has_value()) {
    Conclude(*actions.finish, now);
  }
  if (concluded_.has_value()) return;
  ArmTimer();
  WatchParent();
}

void DrivenCall::Conclude(const Finish& finish, core::Time now) {
  if (concluded_.has_value()) return;
  concluded_ = finish;
  // The candidate's call ends first, so that the next waiting call finds the
  // slot free under both policies.
  if (candidate_ != nullptr) {
    candidate_->End(driver_.CallFacts(finish, now), now);
  }
  admission_permit_.End(driver_.VerdictOf(finish), now);
  if (queued_ != nullptr) queued_->Cancel();
  StopLink();
  if (fallback_ != nullptr) CountLinks();
  if (driver_.launched() == 0 && !finish.from_fallback &&
      finish.code != absl::StatusCode::kCancelled) {
    channel_->core()->listeners()->OnRejection(
        channel_->name(), method_->runtime->method, finish.reason, now);
    if (links_.empty()) NoteRefused(finish, now);
  }
  DisarmTimer();
  if (parent_watch_ != nullptr) parent_watch_->Cancel();
  Deliver();
}

void DrivenCall::Deliver() {
  using Stage = NativeCall::Stage;
  // Its end is still to come. It has been cancelled, unless it is the attempt
  // that decided.
  if (native_.stage() == Stage::kInFlight) return;
  const Finish& finish = *concluded_;
  const bool is_native = native_.stage() == Stage::kEnded;
  // The caller gets what gRPC has received, and nothing is written over it.
  const bool stands =
      is_native && !finish.from_fallback &&
      (finish.attempt == 0 ||
       (finish.attempt == Finish::kNoAttempt &&
        finish.code == absl::StatusCode::kCancelled &&
        native_.status().error_code() == grpc::StatusCode::CANCELLED));
  if (stands) {
    answer_ = Answer{};
    if (finish.attempt == 0) AddReason(finish.reason, &answer_);
  } else if (finish.from_fallback) {
    answer_ = LinkAnswer();
  } else if (finish.attempt == Finish::kNoAttempt) {
    answer_ = OwnAnswer(finish);
  } else {
    AddReason(finish.reason, &answer_);
    caller_.set_debug_error_string(std::move(answer_.debug_error_string));
  }
  const bool is_unreadable = is_native && !stands && answer_.status.ok() &&
                             !answer_.reply_is_read &&
                             !(kinds_->Fits(*caller_reply_, codec_) &&
                               answer_.GiveReply(*caller_reply_, codec_));
  if (is_unreadable) answer_.status = ReplyFault(*caller_reply_);
  if (fallback_ != nullptr && fallback_->learns()) LearnReply(finish);
  if (wants_report_) AddReport(finish);
  if (is_unreadable) {
    AmendReport(absl::StatusCode::kInternal, &answer_.trailing);
  }
  is_delivered_ = true;
  // No attempt is launched from here on.
  parent_.Release();
  // In the calls below gRPC asks for the answer, and the caller may then
  // destroy its context, the interceptor in it and the channel. So nothing that
  // belongs to them is touched afterwards.
  if (!is_native) {
    gate_->OpenHijacked(std::exchange(first_, nullptr), channel_,
                        /*fails_writes=*/false);
    return;
  }
  if (stands) {
    native_.Add(answer_.trailing);
  } else {
    native_.WriteOver(answer_);
  }
  native_.LetGo();
}

void DrivenCall::ArmTimer() {
  core::Time at = driver_.wake_at();
  // The calling thread watches the deadline itself, and gRPC watches that of a
  // native call.
  const bool is_watched =
      IsOnCallerThread() ||
      (native_.stage() == NativeCall::Stage::kInFlight &&
       driver_.launched() == 1 && deadline_ == caller_.deadline() &&
       !channel_->core()->is_virtual());
  if (is_watched && at == deadline_) at = core::kInfiniteFuture;
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
