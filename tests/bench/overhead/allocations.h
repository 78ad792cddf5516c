// Counts what is taken from the heap, and by whose code.
//
//   StartCounting(); ... ; Allocations a = StopCounting();
//
// It replaces malloc in the whole program by one that counts and then does what
// glibc's does. To see whose an allocation is, it skips the functions of the
// allocator, the standard library and Abseil. If the innermost of the others is
// in namespace firebreak (but not of this bench or its generated stub), the
// allocation is firebreak's. So what gRPC or Protobuf allocate themselves is
// theirs, even while firebreak calls them.
//
// Thread safety: all threads are counted.
#ifndef FIREBREAK_TESTS_BENCH_OVERHEAD_ALLOCATIONS_H_
#define FIREBREAK_TESTS_BENCH_OVERHEAD_ALLOCATIONS_H_

#include <cstdint>
#include <string>
#include <vector>

namespace firebreak::bench {

struct Allocations {
  int64_t all = 0;
  int64_t ours = 0;
  std::vector<std::string> places;  // of ours: "count function"
};

void StartCounting();
Allocations StopCounting();

}  // namespace firebreak::bench

#endif  // FIREBREAK_TESTS_BENCH_OVERHEAD_ALLOCATIONS_H_
