#include "src/core/measure/event_log.h"

#include <algorithm>
#include <utility>

namespace firebreak::core {

void EventLog::Append(Event event) {
  MutexLock lock(&mu_);
  event.sequence = ++last_;
  events_.push_back(std::move(event));
  if (sink_ != nullptr) sink_->OnEvent(events_.back());
  if (events_.size() > capacity_) events_.pop_front();
}

void EventLog::SetSink(EventSink* sink) {
  MutexLock lock(&mu_);
  sink_ = sink;
}

EventLog::Page EventLog::Since(int64_t cursor, size_t limit) const {
  MutexLock lock(&mu_);
  Page page;
  const int64_t oldest = last_ - static_cast<int64_t>(events_.size());
  const int64_t from = std::clamp<int64_t>(cursor, 0, last_);
  page.missed = std::max<int64_t>(0, oldest - from);
  const int64_t start = std::max(from, oldest);
  for (auto i = static_cast<size_t>(start - oldest);
       i < events_.size() && page.events.size() < limit; ++i) {
    page.events.push_back(events_[i]);
  }
  page.next = start + static_cast<int64_t>(page.events.size());
  return page;
}

int64_t EventLog::last() const {
  MutexLock lock(&mu_);
  return last_;
}

}  // namespace firebreak::core
