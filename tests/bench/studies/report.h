// Runs each study, prints its tables and its last line, and writes its files.
//
//   ReportStorm("build/bench-results");    // storm.json, storm.dat; prints
//
// A .dat file has a block for each line of a plot (fanout.dat: for each plot),
// in the form that gnuplot indexes. Returns false if the files cannot be
// written.
#ifndef FIREBREAK_TESTS_BENCH_STUDIES_REPORT_H_
#define FIREBREAK_TESTS_BENCH_STUDIES_REPORT_H_

#include <string>

namespace firebreak::studies {

bool ReportStorm(const std::string& folder);
bool ReportFanout(const std::string& folder);
bool ReportDeadlines(const std::string& folder);

}  // namespace firebreak::studies

#endif  // FIREBREAK_TESTS_BENCH_STUDIES_REPORT_H_
