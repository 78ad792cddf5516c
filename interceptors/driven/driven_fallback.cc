// How a driven call asks its fallbacks, and gives caches the replies of
// servers. The driver decides which link is asked, and when (call_driver.h).
#include <utility>

#include "absl/strings/str_cat.h"
#include "interceptors/driven/driven_call.h"
#include "interceptors/reply/report.h"
#include "src/engine/callbacks/fallback_links.h"

namespace firebreak::interceptors {

// One link that is being asked. Posted as mail, it announces that it has ended.
struct DrivenCall::LinkRun : public Mail {
  enum class Stage { kWaits, kBegun, kTooLate };

  explicit LinkRun(int n) : Mail(kLink), link(n) {}

  // Returns false if the call has given it up.
  bool Begin() {
    auto waits = Stage::kWaits;
    return stage.compare_exchange_strong(waits, Stage::kBegun);
  }
  // Returns false if it has begun.
  bool Stop() {
    auto waits = Stage::kWaits;
    return stage.compare_exchange_strong(waits, Stage::kTooLate);
  }

  const int link;
  std::atomic<Stage> stage{Stage::kWaits};
  // Written before the mail is posted, and read by the call's owner after that.
  grpc::Status status;
  grpc::ByteBuffer reply;
  absl::optional<core::Duration> age;  // of a reply out of a cache
  // The key of the request in the link's cache, if it has one. Set before the
  // link is asked.
  std::string key;
  // Only the owner uses this: the members above may be read.
  bool has_ended = false;
};

namespace {

// Trailing metadata that the caller gets with the reply; see fallback.h.
constexpr char kFallbackKey[] = "firebreak-fallback";
constexpr char kStaleKey[] = "firebreak-stale-ms";

grpc::Status Ask(const Fallback& answer, const grpc::ByteBuffer& request,
                 const grpc::Status& failure, engine::EngineCore* core,
                 grpc::ByteBuffer* reply) {
  try {
    return answer(request, failure, reply);
  } catch (...) {
    ++core->callback_counters()->fallback_threw;
    return {grpc::StatusCode::UNKNOWN, "the fallback threw"};
  }
}

}  // namespace

void DrivenCall::AskLink(int link, const Finish& failed) {
  if (link == 0) {
    if (failed.attempt == Finish::kNoAttempt) {
      failure_ = OwnAnswer(failed).status;
    } else if (failed.attempt == 0 &&
               native_.stage() == NativeCall::Stage::kEnded) {
      failure_ = native_.status();
    } else {
      failure_ = answer_.status;
    }
  }
  const auto run = std::make_shared<LinkRun>(link);
  links_.push_back(run);
  if (AskHere(run.get())) {
    EndLink(run.get());
  } else if (fallback_->at(link).cache != nullptr) {
    Refill(run);
  } else {
    AskOnPool(run);
  }
}

bool DrivenCall::AskHere(LinkRun* run) {
  const engine::FallbackLinks::Link& link = fallback_->at(run->link);
  if (link.needs_no_thread) {
    run->status = link.answer(Request(), failure_, &run->reply);
    return true;
  }
  if (link.cache == nullptr) return false;
  run->key = fallback_->KeyOf(Request());
  const auto found = link.cache->Find(run->key, Now());
  if (found.has_value()) {
    run->reply = engine::BufferOf(*found->reply);
    run->age = found->age;
    return true;
  }
  if (link.answer) return false;
  run->status = {grpc::StatusCode::NOT_FOUND,
                 "the cache has no reply to this request"};
  return true;
}

void DrivenCall::AskOnPool(const std::shared_ptr<LinkRun>& run) {
  // The request is copied, since the call may end meanwhile.
  auto work = [self = shared_from_this(), run, failure = failure_,
               request = Request()] {
    // The call ended before a thread of the pool was free, so nobody would see
    // the reply.
    if (!run->Begin()) return;
    run->status = Ask(self->fallback_->at(run->link).answer, request, failure,
                      self->channel_->core().get(), &run->reply);
    self->Post(run.get());
  };
  if (channel_->core()->io()->Submit(std::move(work))) return;
  const core::Time now = Now();
  Act(driver_.OnLinkNotBegun(run->link, now), now);
}

void DrivenCall::Refill(const std::shared_ptr<LinkRun>& run) {
  using core::ReplyCache;
  const std::shared_ptr<ReplyCache> cache = fallback_->at(run->link).cache;
  // Held weakly, so that a refill that hangs does not keep calls alive.
  auto waiter = [weak = weak_from_this(),
                 run](const absl::optional<ReplyCache::Found>& found) {
    const auto self = weak.lock();
    // If this call leads the refill, its link has begun already.
    if (self == nullptr || run->stage == LinkRun::Stage::kTooLate) return;
    run->Begin();
    if (found.has_value()) {
      run->reply = engine::BufferOf(*found->reply);
      if (found->age > core::Duration::zero()) run->age = found->age;
    } else {
      run->status = {grpc::StatusCode::NOT_FOUND, "the refill has no reply"};
    }
    self->Post(run.get());
  };
  const ReplyCache::Turn turn = cache->Join(run->key, std::move(waiter));
  if (turn == ReplyCache::Turn::kWait) return;
  auto work = [channel = channel_, fallback = fallback_, run, cache,
               failure = failure_, request = Request()] {
    // Others may wait for this refill even if this call is over.
    run->Begin();
    grpc::ByteBuffer reply;
    // Another call may have filled the cache since we looked.
    absl::optional<ReplyCache::Found> found =
        cache->Find(run->key, channel->core()->Now());
    if (!found.has_value() &&
        Ask(fallback->at(run->link).answer, request, failure,
            channel->core().get(), &reply)
            .ok() &&
        reply.Valid()) {
      found.emplace();
      found->reply =
          std::make_shared<const std::string>(engine::BytesOf(reply));
      cache->Keep(run->key, *found->reply, channel->core()->Now());
    }
    for (const ReplyCache::Waiter& each : cache->Land(run->key)) each(found);
  };
  if (turn == ReplyCache::Turn::kLead) {
    if (channel_->core()->io()->Submit(std::move(work))) return;
    // Calls that have joined meanwhile are answered on another thread, since
    // this one owns this call.
    run->Stop();
    channel_->core()->io()->Dispose(
        [waiters = cache->Land(run->key)] {
          for (const ReplyCache::Waiter& each : waiters) each(absl::nullopt);
        },
        channel_);
  }
  const core::Time now = Now();
  Act(driver_.OnLinkNotBegun(run->link, now), now);
}

void DrivenCall::HandleLink(Mail* mail) {
  EndLink(static_cast<LinkRun*>(mail));
}

void DrivenCall::EndLink(LinkRun* run) {
  run->has_ended = true;
  if (concluded_.has_value()) return;
  void* const reply = *caller_reply_;
  if (run->status.ok() && reply != nullptr &&
      !(kinds_->Fits(reply, codec_) && CanRead(run->reply, reply, codec_))) {
    run->status = {grpc::StatusCode::INTERNAL,
                   "the fallback's reply cannot be read"};
    // Otherwise later calls would find it, and fail to read it, until it is too
    // old.
    const auto& cache = fallback_->at(run->link).cache;
    if (cache != nullptr) cache->Forget(run->key);
  }
  const core::Time now = Now();
  Act(driver_.OnLinkEnd(run->link, run->status.ok(), now), now);
}

void DrivenCall::NoteLinkBegun(core::Time now) {
  const absl::optional<int> link = driver_.link_in_flight();
  if (!link.has_value() || now < driver_.wake_at()) return;
  if (!links_.back()->Stop()) driver_.OnLinkBegin(*link);
}

void DrivenCall::StopLink() {
  if (!links_.empty()) links_.back()->Stop();
}

void DrivenCall::CountLinks() const {
  for (size_t n = 0; n < driver_.links().size(); ++n) {
    fallback_->links()[n].counters->Add(driver_.links()[n].end);
  }
}

Answer DrivenCall::LinkAnswer() {
  LinkRun& run = *links_.back();
  Answer answer;
  answer.reply.Swap(&run.reply);
  answer.trailing.emplace_back(kFallbackKey, fallback_->at(run.link).name);
  if (run.age.has_value()) {
    answer.trailing.emplace_back(
        kStaleKey,
        absl::StrCat(
            std::chrono::duration_cast<std::chrono::milliseconds>(*run.age)
                .count()));
  }
  return answer;
}

void DrivenCall::AddLinks(v1::CallReport* report) const {
  if (links_.empty()) return;
  SetFailure(failure_, report);
  for (size_t n = 0; n < links_.size(); ++n) {
    const LinkRun& run = *links_[n];
    v1::CallReport::FallbackLink* const link =
        AddLink(fallback_->links()[n].name, driver_.links()[n], began_, report);
    if (run.has_ended) DescribeLink(run.status, run.age, link);
  }
}

void DrivenCall::LearnReply(const Finish& finish) {
  if (finish.attempt == Finish::kNoAttempt || !answer_.status.ok() ||
      finish.code != absl::StatusCode::kOk) {
    return;
  }
  std::string bytes;
  const bool stands =
      finish.attempt == 0 && native_.stage() == NativeCall::Stage::kEnded;
  // An OK may come without a message, or with one that cannot be read. gRPC
  // then shows none, and the caller's object may hold its old content.
  if (stands && native_.end()->GetRecvMessage() == nullptr) return;
  if (stands || answer_.reply_is_read) {
    void* const reply = *caller_reply_;
    if (reply == nullptr || !kinds_->Fits(reply, codec_)) return;
    bytes = codec_ == Codec::kByteBuffer
                ? engine::BytesOf(*static_cast<grpc::ByteBuffer*>(reply))
                : static_cast<google::protobuf::MessageLite*>(reply)
                      ->SerializePartialAsString();
  } else if (answer_.typed_reply) {
    bytes = answer_.typed_reply.get()->SerializePartialAsString();
  } else {
    if (!answer_.reply.Valid()) return;
    bytes = engine::BytesOf(answer_.reply);
  }
  fallback_->Learn(Request(), bytes, Now());
}

}  // namespace firebreak::interceptors
