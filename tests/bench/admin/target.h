// A process that operators look at while it calls a server.
//
// It has called 200 methods once; then it does blocks of calls as told: its
// input is lines with a number of calls, and for each it answers a line "median
// latency, wall time, CPU time of the process, calls that were answered", times
// in nanoseconds.
#ifndef FIREBREAK_TESTS_BENCH_ADMIN_TARGET_H_
#define FIREBREAK_TESTS_BENCH_ADMIN_TARGET_H_

#include <string>

namespace firebreak::bench {

inline constexpr int kMethods = 200;
// One of them that no block calls.
inline constexpr char kSpareMethod[] = "/bench.v1.Service/Method7";

// `echo`: the server to call. The admin service is at the Unix socket `admin`.
int RunTarget(const std::string& echo, const std::string& admin);

}  // namespace firebreak::bench

#endif  // FIREBREAK_TESTS_BENCH_ADMIN_TARGET_H_
