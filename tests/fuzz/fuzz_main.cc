// libFuzzer over the fuzz targets, in a program that g++ has built:
//
//   firebreak_fuzz TARGET [OPTION_OF_LIBFUZZER | CORPUS]...
//
// libFuzzer comes with clang, and counts which branches an input takes by what
// clang puts into the code. g++ has a call at each branch instead
// (-fsanitize-coverage=trace-pc), which is counted here. So what the tests
// under ASan are linked with is fuzzed, and nothing is built a second time.
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
// Where the program begins: the linker says so.
extern char __executable_start;  // NOLINT(bugprone-reserved-identifier)
}  // extern "C"

namespace {

constexpr int kBits = 17;
// One for each branch, but for a few that share theirs. Threads may lose
// counts.
uint8_t counters[size_t{1} << kBits];

}  // namespace

// The linker puts this in the place of libFuzzer's own, which does nothing
// (--wrap). The same branch has the same counter in each run.
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
