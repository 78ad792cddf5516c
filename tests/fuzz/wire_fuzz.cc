// Fuzzes what comes over the wire with a call or its end: metadata that may
// look like ours, details of a status, texts that tell its origin, and answers
// to health checks.
#include <fuzzer/FuzzedDataProvider.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/slice.h>
#include <grpcpp/support/status.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "absl/strings/match.h"
#include "interceptors/context/carried_options.h"
#include "interceptors/context/origin.h"
#include "interceptors/context/wire.h"
#include "src/core/base/printable.h"
#include "src/engine/io/health_message.h"
#include "tests/fuzz/planted.h"

namespace firebreak::interceptors {
namespace {

void Metadata(FuzzedDataProvider* data) {
  std::multimap<std::string, std::string> metadata;
  while (data->ConsumeBool() && metadata.size() < 20) {
    std::string key = data->ConsumeRandomLengthString(40);
    if (data->ConsumeBool()) key = "firebreak-" + key;
    // Nobody outside this program can know this key, which is secret.
    if (key == OptionsKey()) continue;
    metadata.emplace(std::move(key), data->ConsumeRandomLengthString(200));
  }
  const Taken taken = TakeCallOptions(&metadata);
  testing::Always(!taken.is_set && !taken.is_set_twice);
  for (const auto& each : metadata) {
    testing::Always(!absl::StartsWith(each.first, "firebreak-"));
  }
}

void End(FuzzedDataProvider* data) {
  EndFacts facts;
  facts.code = static_cast<grpc::StatusCode>(data->ConsumeIntegral<int8_t>());
  facts.message = data->ConsumeRandomLengthString(100);
  facts.peer = data->ConsumeRandomLengthString(60);
  facts.debug = data->ConsumeRandomLengthString(100);
  facts.has_details = data->ConsumeBool();
  facts.has_trailing = data->ConsumeBool();
  facts.has_credentials = data->ConsumeBool();
  facts.target_is_address = data->ConsumeBool();
  const core::Origin origin = OriginOf(facts);
  // An attempt that never left the client may be sent again. One whose end a
  // server has sent did leave.
  if (facts.has_details || facts.has_trailing ||
      facts.code == grpc::StatusCode::OK) {
    testing::Always(origin == core::Origin::kPeer);
  }
}

void Details(FuzzedDataProvider* data) {
  const std::string details = data->ConsumeRemainingBytesAsString();
  const auto delay = RetryInfoDelay(details);
  if (delay) testing::Always(*delay >= core::Duration::zero());
  testing::Planted(delay && *delay > core::Duration::zero());
  std::multimap<grpc::string_ref, grpc::string_ref> trailing;
  trailing.emplace("grpc-retry-pushback-ms", grpc::string_ref(details));
  (void)ResultOf(grpc::Status(grpc::StatusCode::UNAVAILABLE, "", details),
                 trailing);
}

void Health(FuzzedDataProvider* data) {
  const auto code =
      static_cast<grpc::StatusCode>(data->ConsumeIntegralInRange<int>(-1, 17));
  const std::string bytes = data->ConsumeRemainingBytesAsString();
  const grpc::Slice slices[] = {grpc::Slice(bytes.substr(0, bytes.size() / 2)),
                                grpc::Slice(bytes.substr(bytes.size() / 2))};
  engine::HealthMessage reply;
  const bool is_message =
      engine::FromBytes(grpc::ByteBuffer(slices, 2), &reply);
  const core::HealthAnswer answer =
      engine::ReadHealth(grpc::Status(code, ""), is_message ? &reply : nullptr);
  testing::Always(core::IsUtf8(answer.text));
}

}  // namespace
}  // namespace firebreak::interceptors

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  FuzzedDataProvider data(bytes, size);
  switch (data.ConsumeIntegralInRange<int>(0, 3)) {
    case 0:
      firebreak::interceptors::Metadata(&data);
      break;
    case 1:
      firebreak::interceptors::End(&data);
      break;
    case 2:
      firebreak::interceptors::Health(&data);
      break;
    default:
      firebreak::interceptors::Details(&data);
  }
  return 0;
}
