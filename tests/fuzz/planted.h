// A fault that a fuzz target finds only if it works: it reaches what it is for.
//
//   Planted(set.ok() && set->method_size() > 1);
//
// With FIREBREAK_FUZZ_PLANTED in the environment the process ends there, as it
// would by a fault. scripts/fuzz has each target find its own before it
// believes it.
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

// What holds of every input. Says where it does not: a stack has no line, since
// all calls of abort() become one.
inline void Always(bool holds, int line = __builtin_LINE()) {
  if (holds) return;
  std::fprintf(stderr, "line %d does not hold\n", line);
  std::abort();
}

}  // namespace firebreak::testing

#endif  // FIREBREAK_TESTS_FUZZ_PLANTED_H_
