// The newest decisions on the calls of one method, with reasons, in bounded
// memory.
//
//   Decision decision;
//   decision.kind = DecisionKind::kRefused;
//   decision.reason = Reason::kBreakerOpen;
//   log.Note(decision, now, [&] { return "the breaker is open: " + cause; });
//   DecisionLog::Page page = log.Last(20);           // newest first
//
// Decisions are refusals, retries and hedges, and retries and hedges that were
// wanted but not made. A call that is simply sent has none, and pays nothing.
//
// Decisions often come in floods of equal ones. So a decision that equals one
// of the newest is counted with it, up to ten seconds after the first; `why` is
// only made for the first. A flood of refusals thus does not displace the
// retries before it, and needs no further text.
//
// Such a flood does not contend for the lock: a thread that finds the log in
// use goes on, and its decision is only counted. Only a decision that is kept,
// once in ten seconds per kind, waits for the lock.
//
// Thread safety: safe from any thread.
#ifndef FIREBREAK_SRC_CORE_MEASURE_DECISION_LOG_H_
#define FIREBREAK_SRC_CORE_MEASURE_DECISION_LOG_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "src/core/base/mutex.h"
#include "src/core/base/reason.h"
#include "src/core/base/time.h"

namespace firebreak::core {

enum class DecisionKind {
  kRefused,     // the call was not sent
  kRetried,     // another attempt follows a failure
  kHedged,      // another attempt runs beside a slow one
  kNotRetried,  // the code may be retried, but a limit forbade it
  kNotHedged,
};

struct Decision {
  DecisionKind kind = DecisionKind::kRefused;
  Reason reason = Reason::kNone;  // of a refusal, or why none was made
  // For a retry, made or not: the code of the failure before it.
  absl::StatusCode code = absl::StatusCode::kOk;
  int attempt = 0;     // the last before the decision; 0: none, or the first
  uint64_t epoch = 0;  // of the breaker, if it decided
  // The members below are set by the log.
  Time first;
  Time last;
  int64_t count = 1;
  std::string why;  // one line, of the first
};

class DecisionLog {
 public:
  static constexpr size_t kCapacity = 100;
  static constexpr Duration kTogether = std::chrono::seconds(10);
  // A decision is compared with this many of the newest. More kinds than that
  // rarely alternate.
  static constexpr size_t kCompared = 8;
  // The longest `why`, in bytes: it contains names that applications choose.
  static constexpr size_t kLongest = 400;

  struct Page {
    std::vector<Decision> decisions;  // by `last`, newest first
    int64_t total = 0;                // ever made, overwritten ones included
    int64_t uncounted = 0;  // of these, not logged: the log was in use
  };

  // `explain()` returns the text; it is called without the lock, and only for a
  // decision that is kept.
  template <class Explain>
  void Note(Decision decision, Time now, const Explain& explain) {
    total_.fetch_add(1, std::memory_order_relaxed);
    if (IsCounted(decision, now)) return;
    decision.first = decision.last = now;
    decision.why = explain();
    Keep(std::move(decision));
  }

  Page Last(size_t limit) const;

 private:
  // Counts the decision if that is enough. False if Keep() must follow.
  bool IsCounted(const Decision& decision, Time now);
  bool CountAlike(const Decision& decision, Time now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Keep(Decision decision);

  std::atomic<int64_t> total_{0};
  std::atomic<int64_t> uncounted_{0};
  mutable Mutex mu_;
  // A ring once it is full; `newest_` is the index of the newest.
  std::vector<Decision> kept_ ABSL_GUARDED_BY(mu_);
  size_t newest_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_MEASURE_DECISION_LOG_H_
