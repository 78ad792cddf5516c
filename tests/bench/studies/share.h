// Which share of the calls to send to a target that answers only a part.
//
//   for (const ShareRow& row : RunShare(ShareStudy{})) ...
//
// 100 clients make 8 calls a second each, with the default number of retries.
// The target is one of these:
//  - a server that fails each attempt by itself, with a probability of 0.3, 0.5
//    or 0.7. Every call that is not sent is a loss.
//  - a server with half of the capacity that it is asked for, which refuses the
//    rest at once, with UNAVAILABLE or RESOURCE_EXHAUSTED. Refusals cost it
//    nothing.
//  - the same, but a refusal takes it half as much work as an answer.
//  - the same, but the rest waits, and is answered late.
//
// All strategies meet the same calls with the same luck.
#ifndef FIREBREAK_TESTS_BENCH_STUDIES_SHARE_H_
#define FIREBREAK_TESTS_BENCH_STUDIES_SHARE_H_

#include <string>
#include <vector>

#include "tests/bench/studies/strategies.h"

namespace firebreak::studies {

struct ShareStudy {
  int clients = 100;
  double calls_per_second = 8;  // of each client
  Duration warm_up = Sec(10);   // until then the capacity is enough
  Duration length = Sec(130);   // including the warm-up
  Duration attempt_timeout = Ms(250);
  Duration service = Ms(10);
  int workers = 10;  // 1000 calls a second
  double speed = 0.4;
  uint64_t seed = 1;
};

enum class Part {
  kFails30,
  kFails50,
  kFails70,
  kRefuses,    // UNAVAILABLE
  kSheds,      // RESOURCE_EXHAUSTED
  kLateSheds,  // the same, after half of the work
  kQueues,
};
inline constexpr Part kParts[] = {
    Part::kFails30, Part::kFails50,   Part::kFails70, Part::kRefuses,
    Part::kSheds,   Part::kLateSheds, Part::kQueues};
const char* PartName(Part part);

struct ShareRow {
  std::string strategy;
  Part part;
  double success;  // share of the calls after the warm-up
  double load;     // attempts sent per call
  double changes;  // of the state of a client's breaker, per minute
};

std::vector<ShareRow> RunShare(const ShareStudy& study);
const ShareRow& Find(const std::vector<ShareRow>& rows,
                     const std::string& strategy, Part part);

// Names of strategies.
inline constexpr char kRetryAlone[] = "retry";
inline constexpr char kWithBreaker[] = "retry, breaker";
inline constexpr char kWithThrottle[] = "retry, throttle";
inline constexpr char kWithBoth[] = "retry, breaker, throttle";

}  // namespace firebreak::studies

#endif  // FIREBREAK_TESTS_BENCH_STUDIES_SHARE_H_
