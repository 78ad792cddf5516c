// Fuzzes policies as text: in the text format, as JSON, or as service configs.
#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "src/core/base/printable.h"
#include "src/engine/policy/lint.h"
#include "src/engine/policy/policy.h"
#include "tests/fuzz/planted.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace firebreak;  // NOLINT(google-build-using-namespace)
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const auto table = engine::ParsePolicyText(text, "fuzz");
  if (!table.ok()) {
    // The error is told in readable text, whatever bytes are wrong.
    testing::Always(!table.status().message().empty());
    testing::Always(core::IsUtf8(table.status().message()));
    return 0;
  }
  const auto options = table->Find("payment", "/shop.v1.PaymentService/Charge");
  for (const LintFinding& each : engine::Lint(*table)) {
    testing::Always(!each.problem.empty());
  }
  testing::Planted(options != nullptr && options->breaker.has_value() &&
                   options->retry.has_value());
  return 0;
}
