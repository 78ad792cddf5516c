// What each method counted lately: two looks at its counters, and more.
//
//   RecentCounts recent;
//   recent.Advance(core->Methods(), now);           // now and then
//   RecentCounts::Counts counts = recent.Of(*runtime, now).Last(10s).counts;
//   counts.codes[...];                              // of those seconds alone
//
// The engine only counts from its start on; what is going on now takes two
// looks at the counters. Whoever reports keeps one of these and lets it look
// every few seconds: a hundred loads for each method, and 4 kB of it. What was
// counted before its first look is of no time it knows.
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
  // Looks that are older say nothing of now.
  static constexpr core::Duration kOldest = std::chrono::seconds(70);
  // From that share on, of the calls of a span that are not OK, they fail.
  static constexpr double kFailingShare = 0.25;

  // Counted in a span, or since the start.
  struct Counts {
    int64_t started = 0;
    int64_t failures = 0;
    int64_t rejected = 0;
    int64_t ended = 0;  // in whatever way
    // Of `rejected`: by a breaker.
    int64_t refused = 0;
    // Attempts that say something of the server, and those that say no good.
    int64_t attempts = 0;
    int64_t bad_attempts = 0;
    // Attempts that failed by the caller's doing: its deadline was too short,
    // or this process's gRPC refused them.
    int64_t own_faults = 0;
    // Calls that found no place in the bulkhead, and retries and hedges that
    // found no token, be it of the budget or of gRFC A6's throttling.
    int64_t no_place = 0;
    int64_t no_token = 0;
    // Calls that got a status, by its code; not those that their caller
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

  // One method's, read once, for as many spans as are asked for.
  class Reading {
   public:
    // Between the looks, oldest first; the last is that until now.
    std::vector<Counts> Steps() const;
    // From the last look that is `ago` old or older. Where there is none, from
    // the oldest; of a method that was never looked at, all it has counted.
    Span Last(core::Duration ago) const { return LastCalls(ago, 0); }
    // The shortest that is `least` long, or longer where it has less than
    // `calls` with a status, up to a minute.
    Span LastCalls(core::Duration least, int64_t calls) const;

   private:
    friend class RecentCounts;
    std::vector<Look> looks_;  // oldest first; never empty
    Look now_;
  };

  // Looks at all of them.
  // This and the next are exported for libfirebreak_prometheus.
  FIREBREAK_EXPORT void Advance(
      const std::vector<std::shared_ptr<MethodRuntime>>& methods,
      core::Time now);

  // The same, if the last look is that old.
  FIREBREAK_EXPORT void AdvanceIfOlder(
      core::Duration age,
      const std::vector<std::shared_ptr<MethodRuntime>>& methods,
      core::Time now);

  Reading Of(const MethodRuntime& runtime, core::Time now) const;
  // From the oldest look until now.
  Counts All(const MethodRuntime& runtime) const;
  // Since when kFailingShare and more of the calls are not OK, to a look
  // exactly; nothing while they are.
  absl::optional<core::Time> failing_since(const MethodRuntime& runtime,
                                           core::Time now) const;

 private:
  struct History {
    std::deque<Look> looks;  // never empty
    absl::optional<core::Time> failing_since;
  };

  static Counts Read(const MethodRuntime& runtime);

  mutable core::Mutex mu_;
  // The first time that anything was looked at, and the last.
  absl::optional<core::Time> first_ ABSL_GUARDED_BY(mu_);
  core::Time last_ ABSL_GUARDED_BY(mu_);
  // By address, which stays: the engine forgets no method. Those that are not
  // in it are newer than the last look, and had counted nothing then.
  std::map<const MethodRuntime*, History> methods_ ABSL_GUARDED_BY(mu_);
};

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_RECENT_COUNTS_H_
