// Runs each fuzz target over its corpus and over slightly changed inputs: a few
// seconds of what scripts/fuzz does at night, and every input that it ever
// found. A fault in a target ends this program; the last test that began shows
// which target it was.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "src/core/base/rng.h"
#include "tests/fuzz/targets.h"

namespace firebreak {
namespace {

constexpr int kVariants = 20;

class FuzzReplayTest : public ::testing::TestWithParam<testing::FuzzTarget> {
 protected:
  static void Run(const std::string& input) {
    GetParam().run(reinterpret_cast<const uint8_t*>(input.data()),
                   input.size());
  }
};

std::string Changed(std::string input, core::Rng* rng) {
  for (int n = 0; n < 4 && !input.empty(); ++n) {
    const auto at =
        static_cast<size_t>(rng->Uniform() * static_cast<double>(input.size()));
    switch (static_cast<int>(rng->Uniform() * 4)) {
      case 0:
        input[at] = static_cast<char>(rng->Next());
        break;
      case 1:
        input.erase(at, 1 + at % 5);
        break;
      case 2:
        input.insert(at, input.substr(at / 2, 20));
        break;
      default:
        input += static_cast<char>(rng->Next());
    }
  }
  return input;
}

TEST_P(FuzzReplayTest, BearsItsCorpusAndWhatIsLikeIt) {
  const std::filesystem::path corpus =
      std::filesystem::path(FUZZ_CORPUS_PATH) / GetParam().name;
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(corpus)) {
    files.push_back(entry.path());
  }
  ASSERT_FALSE(files.empty()) << corpus;
  std::sort(files.begin(), files.end());
  core::Rng rng(2026);
  for (const auto& path : files) {
    std::ifstream file(path, std::ios::binary);
    const std::string input((std::istreambuf_iterator<char>(file)),
                            std::istreambuf_iterator<char>());
    Run(input);
    for (int i = 0; i < kVariants; ++i) Run(Changed(input, &rng));
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, FuzzReplayTest,
                         ::testing::ValuesIn(testing::kFuzzTargets),
                         [](const auto& each) { return each.param.name; });

}  // namespace
}  // namespace firebreak
