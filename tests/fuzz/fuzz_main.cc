// Runs libFuzzer over a fuzz target:
//
//   firebreak_fuzz TARGET [OPTION_OF_LIBFUZZER | CORPUS]...
//
// One program has all targets, since it links what the tests under ASan link.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "tests/fuzz/targets.h"

extern "C" int LLVMFuzzerRunDriver(int* argc, char*** argv,
                                   int (*run)(const uint8_t* bytes,
                                              size_t size));

int main(int argc, char** argv) {
  if (argc >= 2) {
    for (const auto& target : firebreak::testing::kFuzzTargets) {
      if (std::strcmp(argv[1], target.name) != 0) continue;
      argv[1] = argv[0];
      ++argv, --argc;
      return LLVMFuzzerRunDriver(&argc, &argv, target.run);
    }
  }
  std::fprintf(stderr, "usage: firebreak_fuzz TARGET [ARG...]\n");
  return 2;
}
