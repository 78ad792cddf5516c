#include "src/engine/io/health_checks.h"

#include <grpcpp/client_context.h>
#include <grpcpp/generic/generic_stub.h>

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "src/engine/io/health_message.h"
#include "src/engine/io/own_call.h"

namespace grpc {

// This is how gRPC learns to serialize a type of message that is not
// Protobuf's.
template <>
class SerializationTraits<firebreak::engine::HealthMessage, void> {
 public:
  static Status Serialize(const firebreak::engine::HealthMessage& message,
                          ByteBuffer* bytes, bool* own_buffer) {
    *bytes = firebreak::engine::BytesOf(message);
    *own_buffer = true;
    return Status::OK;
  }
  static Status Deserialize(ByteBuffer* bytes,
                            firebreak::engine::HealthMessage* message) {
    const bool is_one = firebreak::engine::FromBytes(*bytes, message);
    bytes->Clear();
    return is_one ? Status::OK
                  : Status(StatusCode::INTERNAL, "it cannot be read");
  }
};

}  // namespace grpc

namespace firebreak::engine {
namespace {

constexpr core::Duration kShortestTimeout = std::chrono::seconds(1);
// An answer is good for other breakers, too, for this share of an interval.
// Breakers that opened together are due within a tenth of an interval.
constexpr double kGoodFor = 0.75;
// An answer is kept for this long, which is longer than intervals are.
constexpr core::Duration kKept = std::chrono::minutes(1);
// More targets with a health check than any program has.
constexpr size_t kMaxTold = 1000;

// Returned if nothing was asked, or if the channel that was asked has no other
// user.
core::HealthAnswer NoConnection() {
  return {core::TargetHealth::kNoConnection, "no connection"};
}

}  // namespace

// Allows other threads to cancel a check. The check may end meanwhile, and must
// do so on the engine's threads, since it may hold the last reference to the
// channel.
struct HealthChecks::Running {
  core::Mutex mu;
  grpc::ClientContext* context ABSL_GUARDED_BY(mu) = nullptr;
  bool is_cancelled ABSL_GUARDED_BY(mu) = false;
  std::weak_ptr<grpc::Channel> channel;

  void Cancel() {
    core::MutexLock lock(&mu);
    if (context == nullptr) return;
    is_cancelled = true;
    context->TryCancel();
  }
};

class HealthChecks::Check final : public Completion {
 public:
  Check(std::weak_ptr<HealthChecks> checks, Key key)
      : checks_(std::move(checks)), key_(std::move(key)) {}

  // The check may have ended, and been destroyed, when this returns.
  void Start(const std::shared_ptr<grpc::Channel>& channel, bool is_generic,
             core::Duration timeout, std::shared_ptr<Running> running,
             grpc::CompletionQueue* cq) {
    context_.set_deadline(
        std::chrono::system_clock::now() +
        std::chrono::duration_cast<std::chrono::system_clock::duration>(
            timeout));
    running_ = std::move(running);
    is_generic_ = is_generic;
    const HealthMessage request = HealthRequest(std::get<2>(key_));
    if (is_generic) {
      Send(channel, BytesOf(request), &bytes_, &bytes_reader_, cq);
    } else {
      Send(channel, request, &reply_, &reader_, cq);
    }
  }

  void OnComplete(bool ok) override {
    bool is_ours = false;
    {
      core::MutexLock lock(&running_->mu);
      running_->context = nullptr;
      is_ours = running_->is_cancelled;
    }
    // If `ok` is false, there was no valid reply.
    const bool is_read = ok && (!is_generic_ || FromBytes(bytes_, &reply_));
    if (auto checks = checks_.lock()) {
      checks->OnAnswer(
          key_,
          is_ours && status_.error_code() == grpc::StatusCode::CANCELLED
              ? NoConnection()
              : ReadHealth(status_, is_read ? &reply_ : nullptr),
          status_.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED);
    }
    delete this;
  }

 private:
  template <class Message>
  using Reader = std::unique_ptr<grpc::ClientAsyncResponseReader<Message>>;

  template <class Message>
  void Send(const std::shared_ptr<grpc::Channel>& channel,
            const Message& request, Message* reply, Reader<Message>* reader,
            grpc::CompletionQueue* cq) {
    grpc::TemplatedGenericStub<Message, Message> stub(channel);
    {
      OwnCall own(&context_);
      *reader = stub.PrepareUnaryCall(&context_, method_, request, cq);
    }
    auto* const call = reader->get();
    call->StartCall();
    {
      core::MutexLock lock(&running_->mu);
      running_->context = &context_;
    }
    call->Finish(reply, &status_, static_cast<Completion*>(this));
  }

  const std::weak_ptr<HealthChecks> checks_;
  const Key key_;
  std::shared_ptr<Running> running_;
  bool is_generic_ = false;
  // gRPC and interceptors keep pointers to it as long as the call lasts.
  const std::string method_ = kHealthCheckMethod;
  grpc::ClientContext context_;
  HealthMessage reply_;
  grpc::ByteBuffer bytes_;
  grpc::Status status_;
  // They live in the call's arena, so they must be destroyed before the
  // context.
  Reader<HealthMessage> reader_;
  Reader<grpc::ByteBuffer> bytes_reader_;
};

std::shared_ptr<HealthChecks> HealthChecks::Create(Io* io) {
  return std::shared_ptr<HealthChecks>(new HealthChecks(io));
}

void HealthChecks::SetOwner(std::weak_ptr<void> owner) {
  core::MutexLock lock(&mu_);
  owner_ = std::move(owner);
}

void HealthChecks::Stop() {
  std::vector<std::shared_ptr<Running>> running;
  {
    core::MutexLock lock(&mu_);
    stopped_ = true;
    for (auto& [key, asked] : asked_) {
      if (asked.running != nullptr) running.push_back(asked.running);
    }
    asked_.clear();
  }
  for (const auto& check : running) check->Cancel();
}

void HealthChecks::Look(core::Breaker* breaker,
                        const std::vector<HealthChannel>& channels,
                        core::Time now) {
  const core::Breaker::Identity& of = breaker->identity();
  const absl::optional<core::HealthAsk> ask = breaker->HealthCheckDue(now);
  if (!ask) return;
  const Key key(of.channel, of.target, ask->service);
  std::vector<core::Breaker*> told;
  absl::optional<core::HealthAnswer> known;
  core::Time begun;
  core::Duration timeout = core::Duration::zero();
  {
    core::MutexLock lock(&mu_);
    if (stopped_) return;
    Asked& asked = asked_[key];
    if (std::find(asked.breakers.begin(), asked.breakers.end(), breaker) ==
        asked.breakers.end()) {
      asked.breakers.push_back(breaker);
    }
    begun = asked.begun;
    if (asked.running != nullptr) {
      told = {breaker};
    } else if (asked.is_answered && begun >= ask->open_since &&
               now - begun < core::Scale(ask->interval, kGoodFor)) {
      told = {breaker};
      known = asked.answer;
    } else {
      told = asked.breakers;
      timeout =
          std::min(std::max({asked.timeout, ask->interval, kShortestTimeout}),
                   ask->timeout);
      asked.timeout = timeout;
    }
  }
  for (core::Breaker* each : told) each->HealthCheckBegins(ask->service, now);
  if (known) {
    breaker->NoteHealth(ask->service, *known, begun, now);
  } else if (timeout > core::Duration::zero() &&
             !Begin(key, timeout, channels, now)) {
    for (core::Breaker* each : told) {
      each->NoteHealth(ask->service, NoConnection(), now, now);
    }
  }
}

bool HealthChecks::Begin(const Key& key, core::Duration timeout,
                         const std::vector<HealthChannel>& channels,
                         core::Time now) {
  for (const HealthChannel& candidate : channels) {
    const std::shared_ptr<grpc::Channel> channel = candidate.channel.lock();
    if (channel == nullptr ||
        channel->GetState(/*try_to_connect=*/true) != GRPC_CHANNEL_READY) {
      continue;
    }
    auto running = std::make_shared<Running>();
    running->channel = candidate.channel;
    {
      core::MutexLock lock(&mu_);
      if (stopped_) return true;
      ForgetOld(now);
      Asked& asked = asked_[key];
      // Another thread may have looked at the same moment.
      if (asked.running != nullptr) return true;
      asked.running = running;
      asked.begun = now;
    }
    (new Check(weak_from_this(), key))
        ->Start(channel, candidate.is_generic, timeout, std::move(running),
                io_->Begin());
    return true;
  }
  return false;
}

void HealthChecks::CancelWhatNobodyUses() {
  std::vector<std::shared_ptr<Running>> unused;
  {
    core::MutexLock lock(&mu_);
    for (const auto& [key, asked] : asked_) {
      // The only user that is left is the check itself.
      if (asked.running != nullptr && asked.running->channel.use_count() <= 1) {
        unused.push_back(asked.running);
      }
    }
  }
  for (const auto& check : unused) check->Cancel();
}

void HealthChecks::OnAnswer(const Key& key, const core::HealthAnswer& answer,
                            bool timed_out) {
  // Declared first, so that it is destroyed last: it may destroy what it owns.
  std::shared_ptr<void> owner;
  std::vector<core::Breaker*> breakers;
  core::Time begun;
  {
    core::MutexLock lock(&mu_);
    owner = owner_.lock();
    const auto found = asked_.find(key);
    if (owner == nullptr || found == asked_.end()) return;
    Asked& asked = found->second;
    asked.running = nullptr;
    asked.answer = answer;
    asked.is_answered = true;
    asked.timeout = timed_out ? 2 * asked.timeout : core::Duration::zero();
    begun = asked.begun;
    breakers = asked.breakers;
  }
  const core::Time now = io_->Now();
  std::vector<core::Breaker*> done;
  for (core::Breaker* breaker : breakers) {
    const bool asks_on =
        breaker->NoteHealth(std::get<2>(key), answer, begun, now);
    if (!asks_on) done.push_back(breaker);
  }
  if (answer.health == core::TargetHealth::kNoWord && !breakers.empty()) {
    TellThatThereIsNoWord(key, answer, *breakers.front());
  }
  core::MutexLock lock(&mu_);
  const auto found = asked_.find(key);
  if (found == asked_.end()) return;
  std::vector<core::Breaker*>& left = found->second.breakers;
  left.erase(std::remove_if(left.begin(), left.end(),
                            [&](core::Breaker* breaker) {
                              return std::find(done.begin(), done.end(),
                                               breaker) != done.end();
                            }),
             left.end());
}

// Removes entries whose answer is too old to be used and that no breaker waits
// for.
void HealthChecks::ForgetOld(core::Time now) {
  for (auto it = asked_.begin(); it != asked_.end();) {
    const auto each = it++;
    const Asked& asked = each->second;
    if (asked.breakers.empty() && asked.running == nullptr &&
        now - asked.begun > kKept) {
      asked_.erase(each);
    }
  }
}

void HealthChecks::TellThatThereIsNoWord(const Key& key,
                                         const core::HealthAnswer& answer,
                                         const core::Breaker& breaker) {
  {
    core::MutexLock lock(&mu_);
    if (told_.size() >= kMaxTold || !told_.insert(key).second) return;
  }
  if (breaker.identity().log == nullptr) return;
  core::Event event;
  event.at = io_->Now();
  event.channel = breaker.identity().channel;
  event.target = breaker.identity().target;
  event.cause = absl::StrCat("the health check of \"", std::get<2>(key),
                             "\" answers ", answer.text,
                             ", which says nothing of the target: calls look "
                             "whether it is back instead");
  breaker.identity().log->Append(std::move(event));
}

}  // namespace firebreak::engine
