// The channels that have been made: their names and targets, the factory that
// handles their calls, and findings about them.
//
//   registry.Add("payment", {"a:1", "b:1"});
//   registry.Names();                             // {"payment"}
//   if (!registry.Claim(channel, this)) ...       // another one handles it
//
// Its memory is bounded, since a program may go on making and dropping
// channels.
//
// Thread safety: safe from any thread. Ownership: `events` must outlive it.
#ifndef FIREBREAK_SRC_ENGINE_CHANNEL_REGISTRY_H_
#define FIREBREAK_SRC_ENGINE_CHANNEL_REGISTRY_H_

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"
#include "firebreak/policy_update.h"
#include "src/core/base/mutex.h"
#include "src/core/measure/event_log.h"
#include "src/engine/io/clock.h"
#include "src/engine/policy/lint_traffic.h"

namespace firebreak::engine {

class ChannelRegistry {
 public:
  explicit ChannelRegistry(core::EventLog* events,
                           EngineClock clock = EngineClock())
      : clock_(std::move(clock)), events_(events) {}

  // Records that a channel of this name has been made, to these targets.
  void Add(const std::string& name, const std::vector<std::string>& targets);
  // Returns the names that channels have been made with, sorted.
  std::vector<std::string> Names() const;
  // Returns the targets of these channels, sorted; none for an unknown name.
  std::vector<std::string> TargetsOf(const std::string& name) const;

  // Adds a finding about a channel to the lint, and logs it as a warning at
  // once.
  void AddFinding(const std::string& channel, LintFinding finding);
  // Records the service of a method that was called and has no policy.
  void NoteUnguarded(absl::string_view method);
  // Adds all of this to the traffic that the lint examines.
  void Describe(Traffic* traffic) const;

  // If there are several factories on one channel, only the first may act, or a
  // call would be counted once for each. Returns true for the first `factory`
  // that claims `channel`, and again each time that it repeats the claim.
  bool Claim(const void* channel, const void* factory);
  void Release(const void* factory);

 private:
  // The limit for names, findings and services each: more than any program has.
  static constexpr std::size_t kMaxChannels = 1000;

  const EngineClock clock_;
  core::EventLog* const events_;

  mutable core::Mutex mu_;
  // The targets of each name.
  absl::flat_hash_map<std::string, absl::btree_set<std::string>> channels_
      ABSL_GUARDED_BY(mu_);
  std::vector<LintFinding> findings_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_set<std::string> unguarded_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_map<const void*, const void*> claims_ ABSL_GUARDED_BY(mu_);
};

// Returns "shop.v1.PaymentService" for "/shop.v1.PaymentService/Charge".
absl::string_view ServiceOf(absl::string_view method);

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_CHANNEL_REGISTRY_H_
