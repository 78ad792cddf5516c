#include "src/core/measure/decision_log.h"

#include <algorithm>
#include <tuple>

namespace firebreak::core {
namespace {

bool AreAlike(const Decision& a, const Decision& b) {
  const auto key = [](const Decision& d) {
    return std::tie(d.kind, d.reason, d.code, d.attempt, d.epoch);
  };
  return key(a) == key(b);
}

// Cuts the text between two characters.
void Cut(std::string* text, size_t longest) {
  if (text->size() <= longest) return;
  size_t end = longest;
  while (end > 0 && (static_cast<unsigned char>((*text)[end]) & 0xC0) == 0x80) {
    --end;
  }
  text->resize(end);
  text->append("...");
}

}  // namespace

bool DecisionLog::IsCounted(const Decision& decision, Time now) {
  if (!mu_.TryLock()) {
    uncounted_.fetch_add(1, std::memory_order_relaxed);
    return true;
  }
  const bool found = CountAlike(decision, now);
  mu_.Unlock();
  return found;
}

bool DecisionLog::CountAlike(const Decision& decision, Time now) {
  const size_t size = kept_.size();
  for (size_t back = 0; back < std::min(size, kCompared); ++back) {
    Decision& known = kept_[(newest_ + size - back) % size];
    if (!AreAlike(known, decision) || now >= known.first + kTogether) continue;
    known.last = std::max(known.last, now);
    ++known.count;
    return true;
  }
  return false;
}

void DecisionLog::Keep(Decision decision) {
  Cut(&decision.why, kLongest);
  MutexLock lock(&mu_);
  // Another thread may have logged the same while the text was made.
  if (CountAlike(decision, decision.last)) return;
  if (kept_.size() < kCapacity) {
    kept_.push_back(std::move(decision));
    newest_ = kept_.size() - 1;
    return;
  }
  newest_ = (newest_ + 1) % kCapacity;
  std::swap(kept_[newest_], decision);
}

DecisionLog::Page DecisionLog::Last(size_t limit) const {
  Page page;
  page.uncounted = uncounted_.load(std::memory_order_relaxed);
  {
    MutexLock lock(&mu_);
    const size_t size = kept_.size();
    page.decisions.reserve(size);
    for (size_t back = 0; back < size; ++back) {
      page.decisions.push_back(kept_[(newest_ + size - back) % size]);
    }
  }
  page.total = total_.load(std::memory_order_relaxed);
  std::stable_sort(
      page.decisions.begin(), page.decisions.end(),
      [](const Decision& a, const Decision& b) { return a.last > b.last; });
  if (page.decisions.size() > limit) page.decisions.resize(limit);
  return page;
}

}  // namespace firebreak::core
