// Keeps the last good reply to each request, for when the server gives none.
//
//   ReplyCache cache({.max_entries = 1000, .max_age = minutes(5)});
//   cache.Keep(key, bytes, now);                  // of each call that succeeds
//   if (auto found = cache.Find(key, now)) ...    // found->reply, found->age
//
// A reply older than `max_age` is not found. Past `max_entries` or `max_bytes`
// the least recently used entry is removed: the one that was last kept or found
// before all others.
//
// If a missing reply can be fetched elsewhere, there is one fetch at a time per
// key, however many calls wait for it (a "single flight"):
//
//   switch (cache.Join(key, std::move(waiter))) {
//     case ReplyCache::Turn::kLead:  ...  fetch, Keep(), then:
//       for (auto& waiter : cache.Land(key)) waiter(found);
//     case ReplyCache::Turn::kWait:  ...  the leader will call the waiter
//     case ReplyCache::Turn::kFull:  ...  too many wait; it is never called
//   }
//
// Thread safety: safe from any thread. The caller of Land() calls the waiters,
// outside of the lock. Time: passed in.
#ifndef FIREBREAK_SRC_CORE_FALLBACK_REPLY_CACHE_H_
#define FIREBREAK_SRC_CORE_FALLBACK_REPLY_CACHE_H_

#include <chrono>
#include <cstddef>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "src/core/base/mutex.h"
#include "src/core/base/time.h"

namespace firebreak::core {

class ReplyCache {
 public:
  struct Options {
    std::size_t max_entries = 1000;
    std::size_t max_bytes = 16 << 20;  // of keys and replies
    Duration max_age = std::chrono::minutes(5);
  };
  struct Found {
    std::shared_ptr<const std::string> reply;
    Duration age = Duration::zero();
  };
  // Gets the reply that was fetched, or nullopt.
  using Waiter = std::function<void(const absl::optional<Found>& found)>;
  enum class Turn { kLead, kWait, kFull };
  // The most waiters for one reply. More of them show that it does not come.
  static constexpr std::size_t kMaxWaiters = 1000;

  explicit ReplyCache(const Options& options) : options_(options) {}

  // Keeps a reply. One that is too large to be kept removes the previous one,
  // which is no longer the last good reply.
  void Keep(absl::string_view key, std::string reply, Time now);
  absl::optional<Found> Find(absl::string_view key, Time now);
  // Removes an entry, for instance one that cannot be parsed.
  void Forget(absl::string_view key);

  // The first to join leads. Land() ends the fetch and returns all waiters, the
  // leader's included.
  Turn Join(const std::string& key, Waiter waiter);
  std::vector<Waiter> Land(const std::string& key);

  const Options& options() const { return options_; }
  std::size_t entries() const;
  std::size_t bytes() const;

 private:
  struct Entry {
    std::string key;
    std::shared_ptr<const std::string> reply;
    Time kept;
  };
  using Entries = std::list<Entry>;

  static std::size_t SizeOf(const Entry& entry) {
    return entry.key.size() + entry.reply->size();
  }
  void Drop(Entries::iterator entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const Options options_;
  mutable Mutex mu_;
  Entries entries_ ABSL_GUARDED_BY(mu_);  // the most recently used is first
  // The keys are those of the entries.
  std::map<absl::string_view, Entries::iterator> by_key_ ABSL_GUARDED_BY(mu_);
  std::size_t bytes_ ABSL_GUARDED_BY(mu_) = 0;
  std::map<std::string, std::vector<Waiter>> flights_ ABSL_GUARDED_BY(mu_);
};

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_FALLBACK_REPLY_CACHE_H_
