#include "src/engine/listeners.h"

#include <utility>

#include "src/engine/clock.h"

namespace firebreak::engine {
namespace {

// Before the next try when the callback pool is full.
constexpr core::Duration kPoolIsFull = std::chrono::milliseconds(10);

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
    case core::Event::Kind::kWarning:
      break;
  }
  return EngineEvent::Kind::kWarning;
}

bool IsSameRejection(const EngineEvent& a, const EngineEvent& b) {
  return a.kind == EngineEvent::Kind::kRejection && a.kind == b.kind &&
         a.cause == b.cause && a.method == b.method && a.channel == b.channel;
}

}  // namespace

std::shared_ptr<Listeners> Listeners::Create(Io* io, std::size_t capacity) {
  auto listeners = std::make_shared<Listeners>(Key{}, io, capacity);
  core::MutexLock lock(&listeners->mu_);
  listeners->timer_.client = listeners;
  return listeners;
}

void Listeners::Stop() {
  core::MutexLock lock(&mu_);
  is_stopped_ = true;
  if (is_armed_) io_->Disarm(&timer_);
}

void Listeners::Add(std::shared_ptr<EventListener> listener) {
  if (listener == nullptr) return;
  auto feed = std::make_shared<Feed>();
  feed->listener = std::move(listener);
  core::MutexLock lock(&mu_);
  feeds_.push_back(std::move(feed));
  has_any_ = true;
}

void Listeners::Remove(const EventListener* listener) {
  std::vector<std::shared_ptr<Feed>> kept;  // what goes, goes unlocked
  core::MutexLock lock(&mu_);
  for (const std::shared_ptr<Feed>& feed : feeds_) {
    if (feed->listener.get() == listener) {
      feed->is_removed = true;
    } else {
      kept.push_back(feed);
    }
  }
  feeds_.swap(kept);
  has_any_ = !feeds_.empty();
}

void Listeners::OnEvent(const core::Event& event) {
  if (!has_any_) return;
  EngineEvent out;
  out.kind = KindOf(event.kind);
  out.time = std::chrono::time_point_cast<
      std::chrono::system_clock::time_point::duration>(ToWallClock(event.at));
  out.channel = event.channel;
  out.target = event.target;
  out.method = event.method;
  out.from = event.from;
  out.to = event.to;
  out.cause = event.cause;
  out.actor = event.actor;
  out.action = event.action;
  out.refused = event.refused;
  Push(out);
}

void Listeners::OnRejection(const std::string& channel,
                            const std::string& method, core::Reason reason) {
  if (!has_any_) return;
  EngineEvent out;
  out.kind = EngineEvent::Kind::kRejection;
  out.time = std::chrono::system_clock::now();
  out.channel = channel;
  out.method = method;
  out.cause = std::string(core::ReasonName(reason));
  Push(out);
}

void Listeners::Push(const EngineEvent& event) {
  core::MutexLock lock(&mu_);
  if (is_stopped_) return;
  for (const std::shared_ptr<Feed>& feed : feeds_) {
    if (!feed->queue.empty() && IsSameRejection(feed->queue.back(), event)) {
      ++feed->queue.back().count;
      continue;
    }
    if (feed->queue.size() >= capacity_) {
      feed->missed += feed->queue.front().missed + 1;
      ++missed_;
      feed->queue.pop_front();
    }
    feed->queue.push_back(event);
  }
  if (!std::exchange(is_armed_, true)) {
    io_->Arm(&timer_, core::Time::min());
  }
}

void Listeners::OnTimer() {
  core::MutexLock lock(&mu_);
  is_armed_ = false;
  if (is_stopped_) return;
  for (const std::shared_ptr<Feed>& feed : feeds_) {
    if (feed->queue.empty() || feed->is_running) continue;
    feed->is_running =
        io_->Submit([self = shared_from_this(), feed] { self->Drain(feed); });
    if (!feed->is_running && !std::exchange(is_armed_, true)) {
      io_->Arm(&timer_, core::SaturatingAdd(Now(), kPoolIsFull));
    }
  }
}

void Listeners::Drain(const std::shared_ptr<Feed>& feed) {
  for (;;) {
    EngineEvent event;
    {
      core::MutexLock lock(&mu_);
      if (feed->queue.empty() || feed->is_removed) {
        feed->is_running = false;
        return;
      }
      event = std::move(feed->queue.front());
      feed->queue.pop_front();
      event.missed = std::exchange(feed->missed, 0);
    }
    // We do not throw; the application may.
    try {
      feed->listener->OnEvent(event);
    } catch (...) {
      ++threw_;
    }
  }
}

}  // namespace firebreak::engine
