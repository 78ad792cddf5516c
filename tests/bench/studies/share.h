// A target that answers a part of its calls: which share of them is to be sent?
//
//   for (const ShareRow& row : RunShare(ShareStudy{})) ...
//
// 100 clients with 8 calls a second each, and retries as by default, against
//  - a server that fails each attempt by itself, with a probability of 0.3, 0.5
//    or 0.7: every call that is not sent is a loss;
//  - a server with half of the capacity that it is asked for, which refuses the
//    rest at once, as UNAVAILABLE or as RESOURCE_EXHAUSTED: nothing that is
//    sent costs it anything;
//  - the same, where a refusal takes it half as much work as an answer;
//  - the same, where the rest waits, and is late.
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
  double calls_per_second = 8;  // of each
  Duration warm_up = Sec(10);   // the server is well, and serves all
  Duration length = Sec(130);   // with that
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
  double changes;  // of a client's breaker in a minute
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
