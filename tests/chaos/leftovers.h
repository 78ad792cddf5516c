// The threads and descriptors that a test leaves behind.
//
//   const Leftovers before = Leftovers::Now();
//   ...
//   EXPECT_TRUE(Eventually([&] { return Leftovers::Now().MoreThan(before)
//                                           .empty(); }));
//
// Native gRPC keeps some of its own: the threads of its pools, which have their
// own names, and the descriptors that they poll. As measured with gRPC 1.51
// (leftovers_test.cc): once a process has run a server and a synchronous, a
// callback and a completion queue call, the same again leaves only further
// threads in those pools. gRPC's backup poller may keep a socket of the last
// channel for up to 10 s.
#ifndef FIREBREAK_TESTS_CHAOS_LEFTOVERS_H_
#define FIREBREAK_TESTS_CHAOS_LEFTOVERS_H_

#include <map>
#include <string>

namespace firebreak::testing {

class Leftovers {
 public:
  static Leftovers Now();

  // Returns for example "threads chaos_tests: 2 more; descriptors socket: 1
  // more", or "".
  std::string MoreThan(const Leftovers& before) const;

 private:
  // By the names of threads, and by the kinds of descriptors.
  std::map<std::string, int> counts_;
};

}  // namespace firebreak::testing

#endif  // FIREBREAK_TESTS_CHAOS_LEFTOVERS_H_
