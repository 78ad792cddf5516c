// Runs libFuzzer over a fuzz target, in a program that g++ has built:
//
//   firebreak_fuzz TARGET [OPTION_OF_LIBFUZZER | CORPUS]...
//
// libFuzzer comes with clang. It sees which branches an input takes by counters
// that clang puts into the code. g++ can put a call at each branch instead
// (-fsanitize-coverage=trace-pc), and this file counts those calls. So the
// libraries of the tests under ASan are fuzzed, and nothing is built twice.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <iterator>

#include "tests/fuzz/targets.h"

extern "C" {
int LLVMFuzzerRunDriver(int* argc, char*** argv,
                        int (*run)(const uint8_t* bytes, size_t size));
void __sanitizer_cov_8bit_counters_init(uint8_t* begin, uint8_t* end);
// The start of the program, which the linker defines.
extern char __executable_start;  // NOLINT(bugprone-reserved-identifier)
}  // extern "C"

namespace {

constexpr int kBits = 17;
// One for each branch, except that a few branches share theirs. Counts may be
// lost when several threads count at once.
uint8_t counters[size_t{1} << kBits];

}  // namespace

// The linker (--wrap) replaces libFuzzer's own function, which does nothing, by
// this one. A branch has the same counter in each run.
// NOLINTNEXTLINE(bugprone-reserved-identifier)
extern "C" void __wrap___sanitizer_cov_trace_pc() {
  const auto place = reinterpret_cast<uint64_t>(__builtin_return_address(0)) -
                     reinterpret_cast<uint64_t>(&__executable_start);
  ++counters[place * 0x9e3779b97f4a7c15 >> (64 - kBits)];
}

int main(int argc, char** argv) {
  if (argc >= 2) {
    for (const auto& target : firebreak::testing::kFuzzTargets) {
      if (std::strcmp(argv[1], target.name) != 0) continue;
      __sanitizer_cov_8bit_counters_init(std::begin(counters),
                                         std::end(counters));
      argv[1] = argv[0];
      ++argv, --argc;
      return LLVMFuzzerRunDriver(&argc, &argv, target.run);
    }
  }
  std::fprintf(stderr, "usage: firebreak_fuzz TARGET [ARG...]\n");
  return 2;
}
