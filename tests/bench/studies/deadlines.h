// What is sent although it cannot be answered in time.
//
//   DeadlineStudy study;
//   for (const DeadlineRow& row : RunDeadlines(study)) ...
//
// A server of 10 workers and log-normal service times, of which one in ten
// fails and may be retried; it works on for clients that have gone, so each
// attempt's fate is known. Twenty clients call it with deadlines from half to
// ten times the median service time, mixed at random: a method's callers are
// not all of one mind. Three servers:
//
//   idle         asked for 30 % of what it can do
//   overloaded   for 120 %, and refuses what would wait behind 50 others
//   drowned      for 120 %, and lets all wait
//
// An attempt is doomed when its answer comes after the call's deadline.
#ifndef FIREBREAK_TESTS_BENCH_STUDIES_DEADLINES_H_
#define FIREBREAK_TESTS_BENCH_STUDIES_DEADLINES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "tests/bench/studies/strategies.h"

namespace firebreak::studies {

struct DeadlineStudy {
  int clients = 20;
  int workers = 10;
  Duration mean_service = Ms(10);
  Duration service_deviation = Ms(10);
  double failure_rate = 0.1;
  double idle = 0.3;
  double overloaded = 1.2;
  int64_t queue_limit = 50;  // of the overloaded server
  std::vector<double> deadlines = {0.5, 0.75, 1, 1.5, 2, 3, 5, 10};  // medians
  Duration length = Sec(60);
  uint64_t seed = 1;

  Duration median() const;  // of the service time
};

struct DeadlineCell {
  double deadline;  // in medians; 0: all of them
  double doomed;    // share of attempts sent
  double success;   // share of calls
  double load;      // attempts per call
};

// What the gate is for: nothing, retries (the default), or first attempts too.
enum class Gate { kOff, kRetries, kAll };
const char* GateName(Gate gate);

struct DeadlineRow {
  std::string server;  // "idle", "overloaded", "drowned"
  Gate gate;
  std::vector<DeadlineCell> cells;  // for each deadline, then all
  double wasted;  // of the server's work, share that came to nobody

  const DeadlineCell& all() const { return cells.back(); }
};

// Each server with each gate.
std::vector<DeadlineRow> RunDeadlines(const DeadlineStudy& study);
const DeadlineRow& Find(const std::vector<DeadlineRow>& rows,
                        const std::string& server, Gate gate);

}  // namespace firebreak::studies

#endif  // FIREBREAK_TESTS_BENCH_STUDIES_DEADLINES_H_
