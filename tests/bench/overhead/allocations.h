// Counts what is taken from the heap, and whose code asked for it.
//
//   StartCounting(); ... ; Allocations a = StopCounting();
//
// Replaces malloc of the whole program by one that counts and then does what
// glibc's does. An allocation is firebreak's when the innermost function on the
// stack that belongs neither to the allocator, the standard library nor Abseil
// is in namespace firebreak (and not of this bench or its generated stub): what
// gRPC or Protobuf ask for by themselves, also while firebreak calls them, is
// theirs.
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
  std::vector<std::string> places;  // ours: "count function"
};

void StartCounting();
Allocations StopCounting();

}  // namespace firebreak::bench

#endif  // FIREBREAK_TESTS_BENCH_OVERHEAD_ALLOCATIONS_H_
