#include "src/admin/streams/event_streams.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/types/optional.h"
#include "src/admin/message/selector.h"
#include "src/admin/message/status.h"
#include "src/admin/message/time_view.h"
#include "src/admin/streams/paced_stream.h"
#include "src/admin/views/method_view.h"
#include "src/engine/io/clock.h"

namespace firebreak::admin {
namespace {

// Fast enough for people; each tick takes the timer thread about 50 us.
constexpr core::Duration kTick = std::chrono::milliseconds(100);
// The most events that are read for one response: well below gRPC's message
// limit.
constexpr size_t kPage = 100;
constexpr core::Duration kHeartbeat = std::chrono::seconds(10);
constexpr core::Duration kShortestHeartbeat = std::chrono::milliseconds(100);
constexpr core::Duration kLongestHeartbeat = std::chrono::hours(1);

// nullopt if it is out of range.
absl::optional<core::Duration> HeartbeatOf(
    const v1::WatchEventsRequest& request) {
  if (!request.has_heartbeat()) return kHeartbeat;
  return DurationIn(request.heartbeat(), kShortestHeartbeat, kLongestHeartbeat);
}

// Whether the reader resumes from an earlier process, so that all events are
// new to it.
bool IsOfAnother(const engine::EngineCore& core,
                 const v1::WatchEventsRequest& request) {
  return request.instance() != 0 && request.instance() != core.instance();
}

}  // namespace

class EventStreams::Stream final : public PacedStream<v1::WatchEventsResponse> {
 public:
  Stream(EventStreams* owner, const engine::EngineCore* core,
         grpc::CallbackServerContext* context,
         const v1::WatchEventsRequest& request)
      : PacedStream(core, context),
        owner_(owner),
        selector_(request.selector()),
        stop_at_(request.stop_at_newest() ? core->events().last() : -1),
        heartbeat_(HeartbeatOf(request).value_or(kHeartbeat)),
        cursor_(FirstCursor(*core, request)) {}

  // Whether Pump() would do anything. `last`: the newest event's number.
  bool IsDue(core::Time now, int64_t last) {
    core::MutexLock lock(&mu_);
    return !busy_ &&
           (end_.has_value() || cursor_ < last || now >= heartbeat_due_);
  }

 private:
  static int64_t FirstCursor(const engine::EngineCore& core,
                             const v1::WatchEventsRequest& request) {
    if (IsOfAnother(core, request)) return 0;
    if (request.after_sequence() > 0) return request.after_sequence();
    return request.replay() || request.stop_at_newest() ? 0
                                                        : core.events().last();
  }

  absl::optional<grpc::Status> EndNow() override
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (!end_.has_value() && greeted_ && stop_at_ >= 0 && cursor_ >= stop_at_) {
      return grpc::Status::OK;
    }
    return end_;
  }

  bool Fill() override ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    const core::EventLog::Page page = core_->events().Since(cursor_, kPage);
    const core::Time now = core_->Now();
    if (page.events.empty() && greeted_ && now < heartbeat_due_) return false;
    heartbeat_due_ = now + heartbeat_;
    // A reader that requests a replay wants the events that are kept; it has
    // missed none.
    const bool is_replay = cursor_ == 0 && !greeted_;
    const int64_t missed = is_replay ? 0 : page.missed;
    greeted_ = true;
    cursor_ = page.next;
    response_.Clear();
    EventFilter filter(core_, &selector_);
    const engine::WallClock clock;
    for (const core::Event& event : page.events) {
      if (!filter.Takes(event)) continue;
      *response_.add_events() = EventView(event, clock);
    }
    response_.set_missed(missed);
    response_.set_instance(core_->instance());
    response_.set_last_sequence(page.next);
    *response_.mutable_as_of() = TimestampOf(now, clock);
    return true;
  }

  void Leave() override { owner_->Remove(this); }

  EventStreams* const owner_;
  const v1::MethodSelector selector_;
  const int64_t stop_at_;  // -1: never
  const core::Duration heartbeat_;
  bool greeted_ ABSL_GUARDED_BY(mu_) = false;
  int64_t cursor_ ABSL_GUARDED_BY(mu_);
  core::Time heartbeat_due_ ABSL_GUARDED_BY(mu_);
};

std::shared_ptr<EventStreams> EventStreams::Create(
    std::shared_ptr<engine::EngineCore> core) {
  auto streams =
      std::shared_ptr<EventStreams>(new EventStreams(std::move(core)));
  streams->timer_.client = streams;
  return streams;
}

EventStreams::~EventStreams() { core_->io()->Disarm(&timer_); }

EventStreams::Reactor* EventStreams::Open(grpc::CallbackServerContext* context,
                                          const v1::WatchEventsRequest& request,
                                          const absl::Status& may) {
  absl::Status refused = may.ok() ? Check(request) : may;
  std::shared_ptr<Stream> stream;
  if (refused.ok()) {
    stream = std::make_shared<Stream>(this, core_.get(), context, request);
    refused = Add(stream);
  }
  if (!refused.ok()) return new RefusedStream<v1::WatchEventsResponse>(refused);
  stream->Pump();
  return stream.get();
}

absl::Status EventStreams::Check(const v1::WatchEventsRequest& request) const {
  const int64_t after = request.after_sequence();
  if (after < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("after_sequence: is ", after,
                     "; allowed [0, number of the newest event]"));
  }
  if (!HeartbeatOf(request).has_value()) {
    return absl::InvalidArgumentError(
        absl::StrCat("heartbeat: is ", request.heartbeat().seconds(), "s and ",
                     request.heartbeat().nanos(), "ns; allowed [100ms, 1h]"));
  }
  // A number past the last event is most likely from an earlier process, before
  // a restart. Waiting for it would hide what has happened since.
  const int64_t last = core_->events().last();
  if (after > last && !IsOfAnother(*core_, request)) {
    return absl::OutOfRangeError(absl::StrCat(
        "after_sequence: is ", after, "; allowed [0, ", last,
        "]: the newest event has the number ", last, ". Was it restarted?"));
  }
  return absl::OkStatus();
}

absl::Status EventStreams::Add(std::shared_ptr<Stream> stream) {
  bool start;
  {
    core::MutexLock lock(&mu_);
    if (shut_down_) {
      return absl::UnavailableError("the admin service is shutting down");
    }
    if (streams_.size() >= kMaxStreams) {
      return absl::ResourceExhaustedError(absl::StrCat(
          "too many event streams: ", streams_.size(), " of ", kMaxStreams));
    }
    streams_.push_back(std::move(stream));
    start = !ticking_;
    ticking_ = true;
  }
  if (start) core_->io()->Arm(&timer_, core_->Now() + kTick);
  return absl::OkStatus();
}

void EventStreams::Remove(Stream* stream) {
  std::shared_ptr<Stream> last;  // destroyed after the lock is released
  core::MutexLock lock(&mu_);
  auto found =
      std::find_if(streams_.begin(), streams_.end(),
                   [&](const auto& each) { return each.get() == stream; });
  if (found == streams_.end()) return;
  last = std::move(*found);
  streams_.erase(found);
}

void EventStreams::Shutdown() {
  {
    core::MutexLock lock(&mu_);
    shut_down_ = true;
  }
  for (const auto& stream : Streams()) {
    stream->End(grpc::Status(grpc::StatusCode::UNAVAILABLE,
                             "the admin service is shutting down"));
  }
}

std::vector<std::shared_ptr<EventStreams::Stream>> EventStreams::Streams()
    const {
  core::MutexLock lock(&mu_);
  return streams_;
}

void EventStreams::OnTimer() {
  std::vector<std::shared_ptr<Stream>> streams;
  {
    core::MutexLock lock(&mu_);
    streams = streams_;
    ticking_ = !streams.empty();
  }
  const core::Time now = core_->Now();
  const int64_t last = core_->events().last();
  bool serve = false;
  for (const auto& stream : streams) {
    stream->BreakOffIfOverdue(now);
    serve = serve || stream->IsDue(now, last);
  }
  if (serve) {
    core::MutexLock lock(&mu_);
    serve = !is_served_;
    is_served_ = true;
  }
  if (serve && !core_->io()->SubmitAside([self = shared_from_this()] {
        for (const auto& stream : self->Streams()) stream->Pump();
        core::MutexLock lock(&self->mu_);
        self->is_served_ = false;
      })) {
    // The pool is full; the next tick tries again.
    core::MutexLock lock(&mu_);
    is_served_ = false;
  }
  if (!streams.empty()) core_->io()->Arm(&timer_, now + kTick);
}

}  // namespace firebreak::admin
