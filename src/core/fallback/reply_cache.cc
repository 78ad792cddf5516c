#include "src/core/fallback/reply_cache.h"

#include <utility>

namespace firebreak::core {

void ReplyCache::Drop(Entries::iterator entry) {
  bytes_ -= SizeOf(*entry);
  by_key_.erase(entry->key);
  entries_.erase(entry);
}

void ReplyCache::Keep(absl::string_view key, std::string reply, Time now) {
  Entry entry{std::string(key),
              std::make_shared<const std::string>(std::move(reply)), now};
  const std::size_t size = SizeOf(entry);
  MutexLock lock(&mu_);
  if (const auto known = by_key_.find(key); known != by_key_.end()) {
    Drop(known->second);
  }
  if (size > options_.max_bytes || options_.max_entries == 0) return;
  while (!entries_.empty() && (entries_.size() >= options_.max_entries ||
                               bytes_ + size > options_.max_bytes)) {
    Drop(std::prev(entries_.end()));
  }
  entries_.push_front(std::move(entry));
  by_key_.emplace(entries_.front().key, entries_.begin());
  bytes_ += size;
}

absl::optional<ReplyCache::Found> ReplyCache::Find(absl::string_view key,
                                                   Time now) {
  MutexLock lock(&mu_);
  const auto known = by_key_.find(key);
  if (known == by_key_.end()) return absl::nullopt;
  const Entries::iterator entry = known->second;
  const Duration age = Remaining(entry->kept, now);
  if (age > options_.max_age) {
    Drop(entry);
    return absl::nullopt;
  }
  entries_.splice(entries_.begin(), entries_, entry);
  return Found{entry->reply, age};
}

void ReplyCache::Forget(absl::string_view key) {
  MutexLock lock(&mu_);
  const auto known = by_key_.find(key);
  if (known != by_key_.end()) Drop(known->second);
}

ReplyCache::Turn ReplyCache::Join(const std::string& key, Waiter waiter) {
  MutexLock lock(&mu_);
  const auto [flight, is_first] = flights_.try_emplace(key);
  if (flight->second.size() >= kMaxWaiters) return Turn::kFull;
  flight->second.push_back(std::move(waiter));
  return is_first ? Turn::kLead : Turn::kWait;
}

std::vector<ReplyCache::Waiter> ReplyCache::Land(const std::string& key) {
  MutexLock lock(&mu_);
  const auto flight = flights_.find(key);
  if (flight == flights_.end()) return {};
  std::vector<Waiter> waiters = std::move(flight->second);
  flights_.erase(flight);
  return waiters;
}

std::size_t ReplyCache::entries() const {
  MutexLock lock(&mu_);
  return entries_.size();
}

std::size_t ReplyCache::bytes() const {
  MutexLock lock(&mu_);
  return bytes_;
}

}  // namespace firebreak::core
