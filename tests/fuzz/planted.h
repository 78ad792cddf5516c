// A planted fault, which a fuzz target finds only if it reaches the code that
// it is meant to test.
//
//   Planted(set.ok() && set->method_size() > 1);
//
// With FIREBREAK_FUZZ_PLANTED in the environment the process ends there, as a
// real fault would end it. scripts/fuzz trusts a target only after it has found
// its planted fault.
//
// Thread safety: safe from any thread.
#ifndef FIREBREAK_TESTS_FUZZ_PLANTED_H_
#define FIREBREAK_TESTS_FUZZ_PLANTED_H_

#include <cstdio>
#include <cstdlib>

namespace firebreak::testing {

inline void Planted(bool reached) {
  static const bool is_planted =
      std::getenv("FIREBREAK_FUZZ_PLANTED") != nullptr;
  if (!reached || !is_planted) return;
  std::fprintf(stderr, "the planted fault is found\n");
  std::abort();
}

// Ends the process unless `holds`, as it must for every input. It prints the
// line, since the compiler merges all calls of abort() and a stack is no help.
inline void Always(bool holds, int line = __builtin_LINE()) {
  if (holds) return;
  std::fprintf(stderr, "line %d does not hold\n", line);
  std::abort();
}

}  // namespace firebreak::testing

#endif  // FIREBREAK_TESTS_FUZZ_PLANTED_H_
