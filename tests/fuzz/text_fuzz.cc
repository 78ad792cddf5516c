// Fuzzes durations, and how texts from outside are made printable.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "src/core/base/duration.h"
#include "src/core/base/nearest.h"
#include "src/core/base/printable.h"
#include "tests/fuzz/planted.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace firebreak;  // NOLINT(google-build-using-namespace)
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const auto duration = core::ParseDuration(text);
  if (duration.ok()) {
    testing::Always(*duration >= core::Duration::zero());
    const auto again = core::ParseDuration(core::FormatDuration(*duration));
    testing::Always(again.ok() && *again == *duration);
    testing::Planted(*duration > std::chrono::hours(1));
  }
  const std::string shown = core::Printable(text);
  testing::Always(core::IsUtf8(shown));
  if (size > 0) {
    // A printable character stays as it is, unless it is the backslash.
    const absl::string_view first = text.substr(0, core::PrintableLength(text));
    testing::Always(first == "\\" || core::Printable(first) == first);
  }
  const absl::string_view half = text.substr(0, size / 2);
  if (size < 200) {
    const int distance = core::EditDistance(half, text);
    testing::Always(distance == core::EditDistance(text, half));
    testing::Always(distance <= static_cast<int>(size));
  }
  return 0;
}
