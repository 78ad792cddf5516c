// The last good reply to each request, for when the server has none.
//
//   ReplyCache cache({.max_entries = 1000, .max_age = minutes(5)});
//   cache.Keep(key, bytes, now);                  // of each call that succeeds
//   if (auto found = cache.Find(key, now)) ...    // found->reply, found->age
//
// A reply past `max_age` is not found. Past `max_entries` or `max_bytes` the
// entry goes that was neither kept nor found for the longest time.
//
// Where a missing reply can be had from elsewhere, it is fetched once at a time
// for each key, however many wait for it (a "single flight"):
//
//   switch (cache.Join(key, std::move(waiter))) {
//     case ReplyCache::Turn::kLead:  ...  fetch, Keep(), then:
//       for (auto& waiter : cache.Land(key)) waiter(found);
//     case ReplyCache::Turn::kWait:  ...  the leader calls the waiter
//     case ReplyCache::Turn::kFull:  ...  too many wait; it is never called
//   }
//
// Thread safety: safe from any thread; waiters are called by whoever has them
// from Land(), outside of the lock. Time: handed in.
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
  // Of the reply that was fetched, or nothing.
  using Waiter = std::function<void(const absl::optional<Found>& found)>;
  enum class Turn { kLead, kWait, kFull };
  // That wait for one reply. More are a sign that it does not come.
  static constexpr std::size_t kMaxWaiters = 1000;

  explicit ReplyCache(const Options& options) : options_(options) {}

  // One that is too large to be kept drops the one before it, which is not the
  // last good reply any more.
  void Keep(absl::string_view key, std::string reply, Time now);
  absl::optional<Found> Find(absl::string_view key, Time now);
  // What nobody can read, say.
  void Forget(absl::string_view key);

  // The first to join leads. Its waiter is among those of Land() too.
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
  Entries entries_ ABSL_GUARDED_BY(mu_);  // used last in front
  // The keys are those of the entries.
  std::map<absl::string_view, Entries::iterator> by_key_ ABSL_GUARDED_BY(mu_);
  std::size_t bytes_ ABSL_GUARDED_BY(mu_) = 0;
  std::map<std::string, std::vector<Waiter>> flights_ ABSL_GUARDED_BY(mu_);
};

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_FALLBACK_REPLY_CACHE_H_
