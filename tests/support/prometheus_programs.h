// Finds Prometheus' own programs, if they are installed.
//
//   const std::string promtool = FindPrometheusProgram("promtool");
//   if (promtool.empty()) SKIP_WITHOUT_PROMETHEUS();
#ifndef FIREBREAK_TESTS_SUPPORT_PROMETHEUS_PROGRAMS_H_
#define FIREBREAK_TESTS_SUPPORT_PROMETHEUS_PROGRAMS_H_

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace firebreak::testing {

inline constexpr char kNoPrometheus[] =
    "there is no Prometheus here: scripts/test unpacks Debian's package";

// In CI no one would notice a skipped test, so it fails there instead.
inline bool IsInCi() {
  const char* const ci = std::getenv("CI");
  return ci != nullptr && *ci != '\0';
}

// The program that scripts/test has unpacked, or the one on the PATH; empty if
// there is neither.
inline std::string FindPrometheusProgram(const std::string& name) {
  const char* const path = std::getenv("PATH");
  for (const absl::string_view dir :
       absl::StrSplit(absl::StrCat(PROMETHEUS_DIR, ":", path ? path : ""), ':',
                      absl::SkipEmpty())) {
    std::string program = absl::StrCat(dir, "/", name);
    if (access(program.c_str(), X_OK) == 0) return program;
  }
  return "";
}

}  // namespace firebreak::testing

#define SKIP_WITHOUT_PROMETHEUS()                        \
  do {                                                   \
    if (::firebreak::testing::IsInCi()) {                \
      FAIL() << ::firebreak::testing::kNoPrometheus;     \
    }                                                    \
    GTEST_SKIP() << ::firebreak::testing::kNoPrometheus; \
  } while (false)

#endif  // FIREBREAK_TESTS_SUPPORT_PROMETHEUS_PROGRAMS_H_
