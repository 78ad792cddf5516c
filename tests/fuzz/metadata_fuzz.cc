// Fuzzes what is read from a call's metadata: what a server sends with the end
// of a call (pushback, details, the reason of a refusal, a report), and the
// options that a caller has put into its context.
#include <fuzzer/FuzzedDataProvider.h>
#include <grpcpp/client_context.h>
#include <grpcpp/support/status.h>
#include <grpcpp/test/client_context_test_peer.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "firebreak/call_options.h"
#include "firebreak/call_report.h"
#include "firebreak/reason.h"
#include "interceptors/context/carried_options.h"
#include "interceptors/context/wire.h"
#include "interceptors/reply/answer.h"
#include "interceptors/reply/report.h"
#include "src/core/base/outcome.h"
#include "src/core/options.h"
#include "tests/fuzz/planted.h"

namespace firebreak::interceptors {
namespace {

using std::chrono::nanoseconds;

// gRPC has no public way to set what a server has sent, so this gets at the
// private member as context_access.cc does.
template <class Tag, auto kMember>
struct Expose {
  friend constexpr auto Member(Tag) { return kMember; }
};
struct TrailingMetadata {
  friend constexpr auto Member(TrailingMetadata);
};
template struct Expose<TrailingMetadata,
                       &grpc::ClientContext::trailing_metadata_>;

constexpr char kPushback[] = "grpc-retry-pushback-ms";

std::string SomeValue(FuzzedDataProvider* data) {
  static const char* const kWords[] = {
      "0",    "-1",   "250", "2147483647", "breaker_open", "pushback",
      "none", "\xff", "",    "1e3",        "rate_limited", "unknown"};
  if (data->ConsumeBool()) return data->PickValueInArray(kWords);
  return data->ConsumeRandomLengthString(200);
}

void End(FuzzedDataProvider* data) {
  const std::string kKeys[] = {kPushback, kReasonKey, ReportKey(),
                               "injected-fault"};
  grpc::ClientContext context;
  auto* const trailing = (context.*Member(TrailingMetadata{})).map();
  std::deque<std::string> storage;  // a deque does not move its elements
  for (int i = data->ConsumeIntegralInRange<int>(0, 6); i > 0; --i) {
    storage.push_back(data->ConsumeBool() ? data->PickValueInArray(kKeys)
                                          : data->ConsumeRandomLengthString());
    const std::string& key = storage.back();
    storage.push_back(SomeValue(data));
    trailing->emplace(key, storage.back());
  }
  const auto code = static_cast<grpc::StatusCode>(data->ConsumeIntegral<int>());
  const std::string message = data->ConsumeRandomLengthString(100);
  const std::string details = data->ConsumeRemainingBytesAsString();
  const grpc::Status status(code, message, details);

  const core::AttemptEnd end =
      ReadEnd(status, context, {"dns:///shop:443", "ipv4:10.0.0.7:443"});
  // A status that is not OK stays so, whatever number its code has.
  testing::Always((end.code == absl::StatusCode::kOk) == status.ok());
  const auto asked = trailing->find(kPushback);
  if (!status.ok() && asked != trailing->end()) {
    testing::Always(end.pushback.has_value());
    const absl::string_view text(asked->second.data(), asked->second.size());
    testing::Always(*end.pushback == core::ParsePushback(text));
  }
  for (const bool overload_counts : {false, true}) {
    core::BlameRules rules;
    rules.overload_counts = overload_counts;
    const core::Attribution who = core::Attribute(end, rules);
    testing::Always(!core::AttributionName(who).empty());
    // An OK is never a failure, whatever else came with it.
    if (status.ok()) testing::Always(core::IsAnswer(who));
  }
  const Reason reason = ReasonOf(context);
  testing::Always((reason == Reason::kNone) ==
                  (trailing->count(kReasonKey) == 0));
  if (const auto report = GetCallReport(context)) {
    std::ostringstream line;
    line << *report;
    testing::Always(line.str().find('\n') == std::string::npos);
  }
  (void)ResultOf(status, *trailing);
  testing::Planted(end.pushback > nanoseconds(1) &&
                   reason == Reason::kBreakerOpen);
}

core::MethodOptions Policy() {
  core::MethodOptions options;
  options.timeout = std::chrono::seconds(1);
  options.retry = core::RetryOptions{};
  options.hedging = core::HedgingOptions{};
  options.hedging->max_attempts = options.retry->max_attempts;
  options.hedging->quantile = 0.9;
  return options;
}

void Options(FuzzedDataProvider* data) {
  CallOptions options;
  if (data->ConsumeBool()) options.idempotent = data->ConsumeBool();
  options.no_retry = data->ConsumeBool();
  options.no_hedge = data->ConsumeBool();
  options.report = data->ConsumeBool();
  if (data->ConsumeBool()) options.max_attempts = data->ConsumeIntegral<int>();
  if (data->ConsumeBool()) {
    options.hedge_delay = nanoseconds(data->ConsumeIntegral<int64_t>());
  }
  if (data->ConsumeBool()) {
    options.timeout = nanoseconds(data->ConsumeIntegral<int64_t>());
  }
  if (data->ConsumeBool()) options.wait_for_ready = data->ConsumeBool();
  options.authority = data->ConsumeRandomLengthString(30);
  grpc::ClientContext context;
  const absl::Status set = options.Set(&context);
  auto metadata =
      grpc::testing::ClientContextTestPeer(&context).GetSendInitialMetadata();
  testing::Always(set.ok() == !metadata.empty());
  while (data->ConsumeBool() && metadata.size() < 10) {
    metadata.emplace("firebreak-" + data->ConsumeRandomLengthString(40),
                     data->ConsumeRandomLengthString(60));
  }
  const Taken taken = TakeCallOptions(&metadata);
  testing::Always(taken.is_set == set.ok() && metadata.empty());
  const auto policy = std::make_shared<const core::MethodOptions>(Policy());
  const auto mine = AdjustOptions(policy, taken.options);
  // A timeout may be too short for any hedge, which Validate() would refuse.
  core::MethodOptions timeless = *mine;
  timeless.timeout = core::Duration::zero();
  testing::Always(timeless.Validate().ok());
  if (!set.ok()) return;
  testing::Always(taken.options.idempotent == options.idempotent);
  testing::Always(taken.options.no_retry == options.no_retry);
  testing::Always(taken.options.no_hedge == options.no_hedge);
  testing::Always(taken.options.report == options.report);
  testing::Always(taken.options.max_attempts == options.max_attempts);
  testing::Always(taken.options.hedge_delay == options.hedge_delay);
  testing::Always(taken.options.timeout == options.timeout);
  if (options.max_attempts) {
    testing::Always(mine->max_attempts() <= *options.max_attempts);
  }
}

}  // namespace
}  // namespace firebreak::interceptors

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  FuzzedDataProvider data(bytes, size);
  if (data.ConsumeBool()) {
    firebreak::interceptors::Options(&data);
  } else {
    firebreak::interceptors::End(&data);
  }
  return 0;
}
