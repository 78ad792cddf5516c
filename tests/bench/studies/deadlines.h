// How many attempts are sent although they cannot be answered in time.
//
//   DeadlineStudy study;
//   for (const DeadlineRow& row : RunDeadlines(study)) ...
//
// A server has 10 workers and log-normal service times. One attempt in ten
// fails and may be retried. The server works on for clients that have gone, so
// the study sees when each answer comes. Twenty clients call it with deadlines
// from half to ten times the median service time, mixed at random, since the
// callers of a method need not agree. There are three servers:
//
//   idle         is asked for 30 % of what it can do
//   overloaded   for 120 %, and refuses what would wait behind 50 others
//   drowned      for 120 %, and lets all wait
//
// An attempt is doomed if its answer comes after the call's deadline.
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

// What the gate applies to: nothing, retries (the default), or first attempts
// as well.
enum class Gate { kOff, kRetries, kAll };
const char* GateName(Gate gate);

struct DeadlineRow {
  std::string server;  // "idle", "overloaded", "drowned"
  Gate gate;
  std::vector<DeadlineCell> cells;  // for each deadline, then all
  double wasted;  // share of the server's work that was done for nobody

  const DeadlineCell& all() const { return cells.back(); }
};

// Runs each server with each gate.
std::vector<DeadlineRow> RunDeadlines(const DeadlineStudy& study);
const DeadlineRow& Find(const std::vector<DeadlineRow>& rows,
                        const std::string& server, Gate gate);

}  // namespace firebreak::studies

#endif  // FIREBREAK_TESTS_BENCH_STUDIES_DEADLINES_H_
