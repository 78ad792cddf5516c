// Fuzzes gRPC's service configs: an accepted one compiles, as service_config.h
// promises.
#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "src/engine/policy/policy.h"
#include "src/engine/policy/service_config.h"
#include "tests/fuzz/planted.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace firebreak;  // NOLINT(google-build-using-namespace)
  if (size == 0) return 0;
  const bool clamp = (data[0] & 1) != 0;
  const absl::string_view json(reinterpret_cast<const char*>(data) + 1,
                               size - 1);
  const bool retries = engine::HasRetryPolicy(json);
  const auto set = engine::FromServiceConfig(json, clamp);
  if (!set.ok()) return 0;
  const auto table = engine::CompilePolicy(*set, "fuzz");
  testing::Always(table.ok());
  testing::Planted(retries && set->method_size() > 0 &&
                   set->method(0).has_retry());
  return 0;
}
