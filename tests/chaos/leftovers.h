// What of a test is still there after it: threads and descriptors.
//
//   const Leftovers before = Leftovers::Now();
//   ...
//   EXPECT_TRUE(Eventually([&] { return Leftovers::Now().MoreThan(before)
//                                           .empty(); }));
//
// Native gRPC keeps some of its own: the threads of its pools, which it names,
// and the descriptors they poll. Measured on gRPC 1.51 (leftovers_test.cc):
// once a server, a sync, a callback and a completion queue call have run in a
// process, the same again leaves nothing but further threads in those pools. A
// socket of the last channel may be left to gRPC's backup poller, up to 10 s.
#ifndef FIREBREAK_TESTS_CHAOS_LEFTOVERS_H_
#define FIREBREAK_TESTS_CHAOS_LEFTOVERS_H_

#include <map>
#include <string>

namespace firebreak::testing {

class Leftovers {
 public:
  static Leftovers Now();

  // "threads chaos_tests: 2 more; descriptors socket: 1 more", or "".
  std::string MoreThan(const Leftovers& before) const;

 private:
  // By the names of threads, and by what descriptors are of.
  std::map<std::string, int> counts_;
};

}  // namespace firebreak::testing

#endif  // FIREBREAK_TESTS_CHAOS_LEFTOVERS_H_
