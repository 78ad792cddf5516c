#include "src/engine/callbacks/listeners.h"

#include <algorithm>
#include <utility>

#include "src/engine/io/clock.h"

namespace firebreak::engine {
namespace {

// How long to wait before the next try if the pool is full.
constexpr core::Duration kPoolIsFull = std::chrono::milliseconds(10);
// How many events a job delivers before another job of the pool has its turn.
constexpr int kInARow = 16;
// How many refusals are searched for one that says the same. This is more than
// the reasons and methods that are refused at a time, and few enough to search
// at each refusal.
constexpr size_t kLookBack = 64;

EngineEvent::Kind KindOf(core::Event::Kind kind) {
  switch (kind) {
    case core::Event::Kind::kTransition:
      return EngineEvent::Kind::kStateChange;
    case core::Event::Kind::kOverrideSet:
      return EngineEvent::Kind::kOverrideSet;
    case core::Event::Kind::kOverrideEnded:
      return EngineEvent::Kind::kOverrideEnded;
    case core::Event::Kind::kReset:
      return EngineEvent::Kind::kReset;
    case core::Event::Kind::kAudit:
      return EngineEvent::Kind::kAudit;
    case core::Event::Kind::kPolicy:
      return EngineEvent::Kind::kPolicy;
    case core::Event::Kind::kWarning:
      break;
  }
  return EngineEvent::Kind::kWarning;
}

TripEvidence EvidenceOf(const core::Trip& trip) {
  const auto share = [](int64_t part, int64_t of) {
    return of > 0 ? static_cast<double>(part) / static_cast<double>(of) : 0.0;
  };
  TripEvidence out;
  out.calls = trip.calls;
  out.failures = trip.failures;
  out.failure_rate = share(trip.failures, trip.calls);
  out.slow_calls = trip.slow;
  out.slow_call_rate = share(trip.slow, trip.timed);
  out.slowest = trip.slowest;
  return out;
}

bool IsRejection(const EngineEvent& event) {
  return event.kind == EngineEvent::Kind::kRejection;
}

// Returns the refusal that this one can be counted with, or null.
EngineEvent* FindSame(std::deque<EngineEvent>* queue,
                      const std::string& channel, const std::string& method,
                      absl::string_view cause) {
  size_t looked_at = 0;
  for (auto it = queue->rbegin(); it != queue->rend(); ++it) {
    if (!IsRejection(*it) || ++looked_at > kLookBack) break;
    if (it->cause == cause && it->method == method && it->channel == channel) {
      return &*it;
    }
  }
  return nullptr;
}

}  // namespace

std::shared_ptr<Listeners> Listeners::Create(Io* io, std::size_t capacity) {
  auto listeners = std::make_shared<Listeners>(Key{}, io, capacity);
  core::MutexLock lock(&listeners->mu_);
  listeners->timer_.client = listeners;
  return listeners;
}

void Listeners::Stop() {
  std::vector<std::shared_ptr<Feed>> gone;  // destroyed unlocked
  core::MutexLock lock(&mu_);
  is_stopped_ = true;
  has_any_ = false;
  gone.swap(feeds_);
  if (is_armed_) io_->Disarm(&timer_);
}

void Listeners::Add(std::shared_ptr<EventListener> listener,
                    Interest interest) {
  if (listener == nullptr) return;
  auto feed = std::make_shared<Feed>();
  feed->listener = std::move(listener);
  feed->interest = interest;
  core::MutexLock lock(&mu_);
  if (is_stopped_) return;
  feeds_.push_back(std::move(feed));
  NoteInterests();
}

void Listeners::NoteInterests() {
  has_any_ = !feeds_.empty();
  has_any_of_rejections_ = std::any_of(
      feeds_.begin(), feeds_.end(),
      [](const auto& feed) { return feed->interest == Interest::kAll; });
}

void Listeners::Remove(const EventListener* listener) {
  std::vector<std::shared_ptr<Feed>> kept;  // old feeds are destroyed unlocked
  core::MutexLock lock(&mu_);
  for (const std::shared_ptr<Feed>& feed : feeds_) {
    if (feed->listener.get() == listener) {
      feed->is_removed = true;
    } else {
      kept.push_back(feed);
    }
  }
  feeds_.swap(kept);
  NoteInterests();
}

void Listeners::OnEvent(const core::Event& event) {
  if (!has_any()) return;
  EngineEvent out;
  out.kind = KindOf(event.kind);
  out.time = ToWallClock(event.at);
  out.channel = event.channel;
  out.target = event.target;
  out.method = event.method;
  out.from = event.from;
  out.to = event.to;
  out.shadow = event.shadow;
  out.cause = event.cause;
  if (event.trip) out.trip = EvidenceOf(*event.trip);
  out.actor = event.actor;
  out.action = event.action;
  out.refused = event.refused;
  core::MutexLock lock(&mu_);
  for (const std::shared_ptr<Feed>& feed : feeds_) Push(feed.get(), out);
  WakeIdle();
}

void Listeners::OnRejection(const std::string& channel,
                            const std::string& method, core::Reason reason,
                            core::Time at) {
  if (!has_any_of_rejections()) return;
  const absl::string_view cause = core::ReasonName(reason);
  EngineEvent out;  // filled when it is needed
  core::MutexLock lock(&mu_);
  for (const std::shared_ptr<Feed>& feed : feeds_) {
    if (feed->interest == Interest::kNoRejections) continue;
    if (EngineEvent* same = FindSame(&feed->queue, channel, method, cause)) {
      ++same->count;
      continue;
    }
    if (out.cause.empty()) {
      out.kind = EngineEvent::Kind::kRejection;
      out.time = ToWallClock(at);
      out.channel = channel;
      out.method = method;
      out.cause = std::string(cause);
    }
    Push(feed.get(), out);
  }
  WakeIdle();
}

void Listeners::Push(Feed* feed, const EngineEvent& event) {
  std::deque<EngineEvent>& queue = feed->queue;
  queue.push_back(event);
  if (IsRejection(event)) ++feed->rejections;
  if (queue.size() <= capacity_) return;
  ++feed->missed;
  ++missed_;
  if (feed->rejections == 0) {
    queue.pop_front();
    return;
  }
  queue.erase(std::find_if(queue.begin(), queue.end(), IsRejection));
  --feed->rejections;
}

void Listeners::WakeIdle() {
  for (const std::shared_ptr<Feed>& feed : feeds_) {
    // A job that is running looks again at its end.
    if (feed->is_running || feed->queue.empty()) continue;
    if (!std::exchange(is_armed_, true)) io_->Arm(&timer_, core::Time::min());
    return;
  }
}

void Listeners::OnTimer() {
  core::MutexLock lock(&mu_);
  is_armed_ = false;
  if (is_stopped_) return;
  for (const std::shared_ptr<Feed>& feed : feeds_) {
    if (feed->queue.empty() || feed->is_running) continue;
    Submit(feed);
  }
}

void Listeners::Submit(const std::shared_ptr<Feed>& feed) {
  feed->is_running = io_->SubmitAside(
      [self = shared_from_this(), feed] { self->Drain(feed); });
  if (!feed->is_running && !std::exchange(is_armed_, true)) {
    io_->Arm(&timer_, core::SaturatingAdd(io_->Now(), kPoolIsFull));
  }
}

void Listeners::Drain(const std::shared_ptr<Feed>& feed) {
  for (int told = 0;; ++told) {
    EngineEvent event;
    {
      core::MutexLock lock(&mu_);
      // If the engine has ended, `io_` is gone too.
      if (feed->queue.empty() || feed->is_removed || is_stopped_) {
        feed->is_running = false;
        return;
      }
      if (told == kInARow) {
        Submit(feed);
        return;
      }
      event = std::move(feed->queue.front());
      feed->queue.pop_front();
      if (IsRejection(event)) --feed->rejections;
      event.missed = std::exchange(feed->missed, 0);
    }
    // Our own code throws no exceptions, but the application may.
    try {
      feed->listener->OnEvent(event);
    } catch (...) {
      ++threw_;
    }
  }
}

}  // namespace firebreak::engine
