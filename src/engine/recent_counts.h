// What each method has counted recently, from looks at its counters.
//
//   RecentCounts recent;
//   recent.Advance(core->Methods(), now);           // now and then
//   RecentCounts::Counts counts = recent.Of(*runtime, now).Last(10s).counts;
//   counts.codes[...];                              // of those seconds alone
//
// The engine's counters count from its start, so it takes two looks at them to
// see what is happening now. A reporter has an object of this class and lets it
// look every few seconds. That costs a hundred loads and 4 kB for each method.
// Counts from before its first look belong to no span that it knows.
//
// Thread safety: safe from any thread. Memory: bounded by the engine's limit of
// methods.
#ifndef FIREBREAK_SRC_ENGINE_RECENT_COUNTS_H_
#define FIREBREAK_SRC_ENGINE_RECENT_COUNTS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/types/optional.h"
#include "firebreak/export.h"
#include "src/core/base/mutex.h"
#include "src/core/base/outcome.h"
#include "src/core/base/time.h"
#include "src/engine/method_runtime.h"

namespace firebreak::engine {

class RecentCounts {
 public:
  static constexpr std::size_t kLooks = 12;
  // Older looks say nothing about the present.
  static constexpr core::Duration kOldest = std::chrono::seconds(70);
  // If at least this share of the calls of a span is not OK, the method is
  // failing.
  static constexpr double kFailingShare = 0.25;

  // The counts of a span, or since the start.
  struct Counts {
    int64_t started = 0;
    int64_t failures = 0;
    int64_t rejected = 0;
    int64_t ended = 0;  // in whatever way
    // Those of `rejected` that a breaker has refused.
    int64_t refused = 0;
    // Attempts that say something about the server, and those that show a
    // failure.
    int64_t attempts = 0;
    int64_t bad_attempts = 0;
    // Attempts that failed because of the caller: its deadline was too short,
    // or gRPC in this process refused them.
    int64_t own_faults = 0;
    // Calls that found no slot in the bulkhead, and retries and hedges that
    // found no token, in the budget or in gRFC A6's throttling.
    int64_t no_place = 0;
    int64_t no_token = 0;
    // Calls that got a status, by its code, except those that the caller has
    // cancelled.
    std::array<int64_t, core::kStatusCodes> codes{};

    int64_t with_status() const;
    int64_t not_ok() const { return with_status() - codes[0]; }
    Counts& operator-=(const Counts& from);
  };
  struct Span {
    Counts counts;
    core::Duration length = core::Duration::zero();  // zero: nothing is known
  };

  struct Look {
    core::Time at;
    Counts counts;
  };

  // The counts of one method, read once for as many spans as are asked for.
  class Reading {
   public:
    // Returns the counts between the looks, oldest first. The last are those
    // until now.
    std::vector<Counts> Steps() const;
    // Returns the counts since the last look that is at least `ago` old, or
    // since the oldest look if none is. For a method that was never looked at,
    // it returns all that the method has counted.
    Span Last(core::Duration ago) const { return LastCalls(ago, 0); }
    // Returns the shortest span of at least `least` in which at least `calls`
    // calls got a status; or a span of a minute, if that has fewer.
    Span LastCalls(core::Duration least, int64_t calls) const;

   private:
    friend class RecentCounts;
    std::vector<Look> looks_;  // oldest first; never empty
    Look now_;
  };

  // Looks at all methods. This function and the next are exported for
  // libfirebreak_prometheus.
  FIREBREAK_EXPORT void Advance(
      const std::vector<std::shared_ptr<MethodRuntime>>& methods,
      core::Time now);

  // Does the same if the last look is at least `age` old.
  FIREBREAK_EXPORT void AdvanceIfOlder(
      core::Duration age,
      const std::vector<std::shared_ptr<MethodRuntime>>& methods,
      core::Time now);

  Reading Of(const MethodRuntime& runtime, core::Time now) const;
  // Returns the counts from the oldest look until now.
  Counts All(const MethodRuntime& runtime) const;
  // Returns since when at least kFailingShare of the calls have not been OK, to
  // the precision of the looks. Returns nothing if the method is not failing.
  absl::optional<core::Time> failing_since(const MethodRuntime& runtime,
                                           core::Time now) const;

 private:
  struct History {
    std::deque<Look> looks;  // never empty
    absl::optional<core::Time> failing_since;
  };

  static Counts Read(const MethodRuntime& runtime);

  mutable core::Mutex mu_;
  // When this first looked at anything, and when last.
  absl::optional<core::Time> first_ ABSL_GUARDED_BY(mu_);
  core::Time last_ ABSL_GUARDED_BY(mu_);
  // By address, which stays valid since the engine drops no method. A method
  // that is not in here is newer than the last look, and had counted nothing
  // then.
  std::map<const MethodRuntime*, History> methods_ ABSL_GUARDED_BY(mu_);
};

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_RECENT_COUNTS_H_
