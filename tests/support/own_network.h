// Runs a test again in a network namespace of its own, as root.
//
//   if (!IsInOwnNetwork()) {
//     EXPECT_EQ(RunTestInOwnNetwork(), 0);
//     return;
//   }
//   ...  // here loopback is up, and there is no other interface
#ifndef FIREBREAK_TESTS_SUPPORT_OWN_NETWORK_H_
#define FIREBREAK_TESTS_SUPPORT_OWN_NETWORK_H_

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/support/server_process.h"

namespace firebreak::testing {

inline constexpr char kInOwnNetwork[] = "FIREBREAK_INSIDE_OWN_NETWORK";

inline bool IsInOwnNetwork() { return std::getenv(kInOwnNetwork) != nullptr; }

// Runs the current test in a process of its own. Returns its exit code.
inline int RunTestInOwnNetwork() {
  std::array<char, 4096> path{};
  const ssize_t n = readlink("/proc/self/exe", path.data(), path.size());
  const auto* const test =
      ::testing::UnitTest::GetInstance()->current_test_info();
  return RunProgram({"unshare", "--net", "sh", "-c",
                     absl::StrCat("ip link set lo up && ", kInOwnNetwork,
                                  "=1 exec \"$0\" \"$@\""),
                     std::string(path.data(), static_cast<size_t>(n)),
                     "--gtest_brief=1",
                     absl::StrCat("--gtest_filter=", test->test_suite_name(),
                                  ".", test->name())});
}

}  // namespace firebreak::testing

#endif  // FIREBREAK_TESTS_SUPPORT_OWN_NETWORK_H_
