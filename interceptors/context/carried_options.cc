#include "interceptors/context/carried_options.h"

#include <cstring>
#include <random>
#include <type_traits>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "interceptors/context/context_access.h"
#include "interceptors/context/wire.h"
#include "src/core/base/duration.h"

namespace firebreak {
namespace {

constexpr absl::string_view kPrefix = "firebreak-";
constexpr std::chrono::nanoseconds kHour = std::chrono::hours(1);

// CallOptions, except what the context carries itself.
struct Wire {
  int8_t idempotent = -1;  // unset
  int8_t no_retry = 0;
  int8_t no_hedge = 0;
  int8_t report = 0;
  int32_t max_attempts = 0;  // unset
  int64_t hedge_delay = -1;  // unset
  int64_t timeout = -1;      // unset
};
static_assert(std::is_trivially_copyable_v<Wire>);

}  // namespace

absl::Status CallOptions::Set(grpc::ClientContext* context) const {
  if (context->c_call() != nullptr) {
    return absl::FailedPreconditionError(
        "call options: the context's call has begun; allowed: before it");
  }
  core::FieldErrors errors;
  if (max_attempts && (*max_attempts < 1 || *max_attempts > 10)) {
    errors.push_back({"max_attempts",
                      absl::StrCat("is ", *max_attempts, "; allowed [1, 10]")});
  }
  if (hedge_delay &&
      (*hedge_delay < hedge_delay->zero() || *hedge_delay > kHour)) {
    errors.push_back(
        {"hedge_delay", absl::StrCat("is ", core::FormatDuration(*hedge_delay),
                                     "; allowed [0s, 1h]")});
  }
  if (timeout && (*timeout <= timeout->zero() || *timeout > kHour)) {
    errors.push_back(
        {"timeout", absl::StrCat("is ", core::FormatDuration(*timeout),
                                 "; allowed (0s, 1h]")});
  }
  if (!absl::c_all_of(authority, absl::ascii_isgraph)) {
    errors.push_back(
        {"authority", absl::StrCat("is \"", absl::CHexEscape(authority),
                                   "\"; allowed: printable ASCII")});
  }
  if (!errors.empty()) return core::ToStatus(errors);
  if (wait_for_ready) context->set_wait_for_ready(*wait_for_ready);
  if (!authority.empty()) context->set_authority(authority);
  Wire wire;
  if (idempotent) wire.idempotent = *idempotent ? 1 : 0;
  wire.no_retry = no_retry ? 1 : 0;
  wire.no_hedge = no_hedge ? 1 : 0;
  wire.report = report ? 1 : 0;
  wire.max_attempts = max_attempts.value_or(0);
  if (hedge_delay) wire.hedge_delay = hedge_delay->count();
  if (timeout) wire.timeout = timeout->count();
  std::string value(sizeof wire, '\0');
  std::memcpy(value.data(), &wire, sizeof wire);
  context->AddMetadata(interceptors::OptionsKey(), value);
  return absl::OkStatus();
}

void InheritFrom(const grpc::ServerContextBase& server,
                 grpc::ClientContext* context) {
  // A server context gives its deadline by the wall clock.
  const auto at = server.deadline();
  if (at < context->deadline()) context->set_deadline(at);
  interceptors::SetParent(server, context);
}

namespace interceptors {

const std::string& OptionsKey() {
  static const std::string* const key =
      new std::string(NewSecretKey("options"));
  return *key;
}

std::string NewSecretKey(absl::string_view what) {
  std::random_device random;
  std::string token;
  for (int i = 0; i < 4; ++i) absl::StrAppendFormat(&token, "%08x", random());
  return absl::StrCat(kPrefix, what, "-", token, "-bin");
}

Taken TakeCallOptions(std::multimap<std::string, std::string>* metadata) {
  Taken taken;
  if (metadata->empty()) return taken;
  auto it = metadata->lower_bound(std::string(kPrefix));
  while (it != metadata->end() && absl::StartsWith(it->first, kPrefix)) {
    Wire wire;
    if (it->first != OptionsKey() || it->second.size() != sizeof wire) {
      ++taken.foreign;
    } else {
      taken.is_set_twice = std::exchange(taken.is_set, true);
      std::memcpy(&wire, it->second.data(), sizeof wire);
      if (wire.idempotent >= 0) taken.options.idempotent = wire.idempotent > 0;
      taken.options.no_retry = wire.no_retry != 0;
      taken.options.no_hedge = wire.no_hedge != 0;
      taken.options.report = wire.report != 0;
      if (wire.max_attempts > 0) taken.options.max_attempts = wire.max_attempts;
      if (wire.hedge_delay >= 0) {
        taken.options.hedge_delay = std::chrono::nanoseconds(wire.hedge_delay);
      }
      if (wire.timeout >= 0) {
        taken.options.timeout = std::chrono::nanoseconds(wire.timeout);
      }
    }
    it = metadata->erase(it);
  }
  return taken;
}

std::shared_ptr<const core::MethodOptions> AdjustOptions(
    std::shared_ptr<const core::MethodOptions> options,
    const CallOptions& call) {
  if (!call.idempotent && !call.no_retry && !call.no_hedge &&
      !call.max_attempts && !call.hedge_delay && !call.timeout) {
    return options;
  }
  auto mine = std::make_shared<core::MethodOptions>(*options);
  if (call.idempotent) mine->idempotent = call.idempotent;
  if (call.timeout) mine->timeout = *call.timeout;
  // Retries and hedging each allow more attempts, so both have to go.
  const bool once = call.max_attempts == 1;
  if (call.no_retry || once) mine->retry.reset();
  if (call.no_hedge || once) mine->hedging.reset();
  if (call.max_attempts) {
    if (mine->retry) mine->retry->max_attempts = *call.max_attempts;
    if (mine->hedging) mine->hedging->max_attempts = *call.max_attempts;
  }
  if (call.hedge_delay && mine->hedging) {
    mine->hedging->delay = *call.hedge_delay;
    mine->hedging->quantile = 0;  // else it would take precedence
  }
  return mine;
}

}  // namespace interceptors
}  // namespace firebreak
