// How a driven call sends its attempts: the first one natively where that is
// possible, and all others as calls of our own.
#include <utility>

#include "interceptors/driven/driven_call.h"
#include "interceptors/reply/report.h"
#include "src/core/base/deadline.h"

namespace firebreak::interceptors {
namespace {

// Ends an attempt by a test's clock, which gRPC's deadlines do not follow.
class Timeout final : public engine::TimerClient {
 public:
  static std::shared_ptr<Timeout> Start(
      std::shared_ptr<engine::ChannelBinding> channel,
      const std::shared_ptr<Attempt>& attempt, core::Time at) {
    auto timeout = std::make_shared<Timeout>(std::move(channel), attempt);
    timeout->timer_.client = timeout;
    timeout->channel_->core()->io()->Arm(&timeout->timer_, at);
    return timeout;
  }
  Timeout(std::shared_ptr<engine::ChannelBinding> channel,
          std::weak_ptr<Attempt> attempt)
      : channel_(std::move(channel)), attempt_(std::move(attempt)) {}
  ~Timeout() override { channel_->core()->io()->Disarm(&timer_); }

  void OnTimer() override {
    if (const auto attempt = attempt_.lock()) attempt->TimeOut();
  }

 private:
  const std::shared_ptr<engine::ChannelBinding> channel_;
  const std::weak_ptr<Attempt> attempt_;
  engine::Timer timer_;
};

}  // namespace

bool DrivenCall::MayBeNative(const core::CallDriver::Launch& launch) const {
  return launch.attempt == 0 && launch.target == 0 && is_asynchronous_ &&
         (launch.deadline == caller_.deadline() ||
          // A timer of ours ends the call at its own deadline. No timer ends a
          // native attempt at the deadline of that attempt.
          (launch.deadline == deadline_ &&
           caller_.deadline() == core::kInfiniteFuture)) &&
         !caller_.IsChangedBy(options_->wait_for_ready) &&
         NativeCall::CanBe(first_);
}

void DrivenCall::LaunchNatively(const core::CallDriver::Launch& launch) {
  auto* const metadata = first_->GetSendInitialMetadata();
  // Attempts that follow need copies: the batch is gone by then, and
  // interceptors after ours may have added to its metadata.
  if (options_->max_attempts() > 1) {
    own_metadata_ = *metadata;
    caller_.set_metadata(&own_metadata_);
  }
  if (options_->max_attempts() > 1 || fallback_ != nullptr) {
    own_request_ = *first_->GetSerializedSendMessage();
  }
  if (channel_->listener() != nullptr) {
    TellStart(launch, caller_.context(), metadata);
  }
  if (caller_.deadline() == core::kInfiniteFuture &&
      launch.deadline != core::kInfiniteFuture &&
      !channel_->core()->is_virtual()) {
    NativeCall::SendDeadline(core::Remaining(Now(), launch.deadline), metadata);
  }
  native_was_not_ready_ =
      launch.is_probe &&
      base_channel_->GetState(/*try_to_connect=*/false) != GRPC_CHANNEL_READY;
  // Interceptors before ours see one logical call, and those after ours see
  // attempts. Without hedging this channel is only fetched when there is
  // something to send again.
  if (options_->hedging) attempt_channel_ = first_->GetInterceptedChannel();
  attempts_.emplace_back();
  native_.Start(/*is_split=*/first_->GetRecvStatus() == nullptr);
  is_native_ = true;
  opens_ = std::exchange(first_, nullptr);
}

void DrivenCall::Launch(const core::CallDriver::Launch& launch) {
  auto attempt =
      std::make_shared<Attempt>(shared_from_this(), launch.attempt, kAttempt);
  CallerContext::Metadata own;
  if (channel_->listener() != nullptr) {
    own = caller_.metadata();
    TellStart(launch, &attempt->context, &own);
  }
  const bool is_virtual = channel_->core()->is_virtual();
  // The deadline of the whole call has a timer already.
  if (is_virtual && launch.deadline != deadline_) {
    attempt->timeout = Timeout::Start(channel_, attempt, launch.deadline);
  }
  caller_.CopyTo(is_virtual ? caller_.deadline() : launch.deadline,
                 launch.attempt,
                 channel_->listener() != nullptr ? own : caller_.metadata(),
                 options_->wait_for_ready, &attempt->context);
  grpc::ChannelInterface* const channel =
      launch.target == 0 ? base_channel_
                         : channel_->replica(launch.target).get();
  attempt->channel_was_not_ready =
      launch.is_probe &&
      channel->GetState(/*try_to_connect=*/false) != GRPC_CHANNEL_READY;
  if (!attempt_channel_) {
    attempt_channel_ = KeptBatch()->GetInterceptedChannel();
  }
  // The type is not known for a completion-queue call that has not asked for
  // its reply yet.
  if (void* const reply = *caller_reply_; reply != nullptr &&
                                          codec_ == Codec::kProtobuf &&
                                          kinds_->Fits(reply, codec_)) {
    attempt->typed_reply = TypedReply::Like(
        *static_cast<const google::protobuf::MessageLite*>(reply));
  }
  attempts_.push_back(attempt);
  grpc::CompletionQueue* const cq = IsOnCallerThread()
                                        ? caller_queue_->Begin()
                                        : channel_->core()->io()->Begin();
  Attempt::Start(
      std::move(attempt),
      launch.target > 0 ? channel_->replica(launch.target) : attempt_channel_,
      method_->method, Request(), cq);
}

DrivenCall::Methods* DrivenCall::KeptBatch() const {
  return first_ != nullptr ? first_ : native_.end();
}

const grpc::ByteBuffer& DrivenCall::Request() {
  // The message is serialized in every style of stub.
  return first_ != nullptr ? *first_->GetSerializedSendMessage() : own_request_;
}

void DrivenCall::TellStart(const core::CallDriver::Launch& launch,
                           const grpc::ClientContext* context,
                           CallerContext::Metadata* metadata) const {
  AttemptStart start;
  start.channel = channel_->name();
  start.method = method_->method;
  start.target = channel_->targets()[static_cast<size_t>(launch.target)];
  start.attempt = launch.attempt;
  start.kind = KindName(launch.kind);
  start.context = context;
  start.metadata = metadata;
  channel_->listener()->OnAttemptStart(start);
}

}  // namespace firebreak::interceptors
