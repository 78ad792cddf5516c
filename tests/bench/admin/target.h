// A process that operators look at while it calls a server.
//
// It first calls each of 200 methods, and prints "ready". Then it answers each
// line of its input with a line. "calls N" makes a block of N calls; the answer
// is the median latency, the wall time, the CPU time of the process, and how
// many calls succeeded. "rest MS" waits for so many milliseconds; the answer is
// the CPU time of the process. All times are in nanoseconds.
#ifndef FIREBREAK_TESTS_BENCH_ADMIN_TARGET_H_
#define FIREBREAK_TESTS_BENCH_ADMIN_TARGET_H_

#include <string>

namespace firebreak::bench {

inline constexpr int kMethods = 200;
// One of the methods, which no block calls.
inline constexpr char kSpareMethod[] = "/bench.v1.Service/Method7";

// `echo` is the address of the server to call; `admin` is that of the admin
// service, a Unix socket.
int RunTarget(const std::string& echo, const std::string& admin);

}  // namespace firebreak::bench

#endif  // FIREBREAK_TESTS_BENCH_ADMIN_TARGET_H_
