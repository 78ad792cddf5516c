// What was decided on the calls of one method, and why: the newest decisions,
// in bounded memory.
//
//   Decision decision;
//   decision.kind = DecisionKind::kRefused;
//   decision.reason = Reason::kBreakerOpen;
//   log.Note(decision, now, [&] { return "the breaker is open: " + cause; });
//   DecisionLog::Page page = log.Last(20);           // newest first
//
// Only refusals, retries, hedges, and those that were wanted and not made are
// decisions: a call that is simply sent has none, and pays nothing.
//
// They come in floods, and then say the same. So a decision that is like one of
// the newest, and not ten seconds younger than its first, is counted with that;
// `why` is asked for once and is of the first. A flood of refusals thus does
// not wash away the retries before it, and costs no text.
//
// A flood does not wait here: who finds the log in use goes on, and is only
// counted. Only what is kept, once in ten seconds of its kind, waits for its
// turn.
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
  kNotRetried,  // the code may be retried, and something stood against it
  kNotHedged,
};

struct Decision {
  DecisionKind kind = DecisionKind::kRefused;
  Reason reason = Reason::kNone;  // of a refusal, and of what was not made
  // Of a retry, made or not: the code of the failure before it.
  absl::StatusCode code = absl::StatusCode::kOk;
  int attempt = 0;  // the last one before the decision; 0: none, or the first
  uint64_t epoch = 0;  // of the breaker, where that has decided
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
  // The newest so many are compared with. More kinds than that do not
  // alternate.
  static constexpr size_t kCompared = 8;
  // Of `why`, in bytes: names in it come from applications.
  static constexpr size_t kLongest = 400;

  struct Page {
    std::vector<Decision> decisions;  // by `last`, newest first
    int64_t total = 0;                // ever, those that are gone included
    int64_t uncounted = 0;            // of them: the log was in use
  };

  // `explain()` makes the text, unlocked, and only where it is kept.
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
  // True: there is nothing left to do.
  bool IsCounted(const Decision& decision, Time now);
  bool CountAlike(const Decision& decision, Time now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Keep(Decision decision);

  std::atomic<int64_t> total_{0};
  std::atomic<int64_t> uncounted_{0};
  mutable Mutex mu_;
  // A ring once it is full; `newest_` is the place of the newest.
  std::vector<Decision> kept_ ABSL_GUARDED_BY(mu_);
  size_t newest_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_MEASURE_DECISION_LOG_H_
