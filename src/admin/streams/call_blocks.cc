#include "src/admin/streams/call_blocks.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

#include "src/admin/message/selector.h"
#include "src/admin/message/text.h"
#include "src/core/breaker/breaker.h"

namespace firebreak::admin {
namespace {

using core::CallEnd;

constexpr int kMostCalls = 1000;
constexpr size_t kMostBytes = 500'000;
// About the size of a call or an attempt.
constexpr size_t kEach = 40;

static_assert(v1::RECORDED_END_SUCCESS ==
                      static_cast<int>(CallEnd::kSuccess) + 1 &&
                  v1::RECORDED_END_ABANDONED ==
                      static_cast<int>(CallEnd::kAbandoned) + 1,
              "the ends are in the same order");
static_assert(v1::RecordedAttempt::HEDGE ==
                  static_cast<int>(core::AttemptKind::kHedge),
              "so are the kinds");

// A server may send a number that is no status code.
v1::Code CodeOf(absl::StatusCode code) {
  const int number = static_cast<int>(code);
  return v1::Code_IsValid(number) ? static_cast<v1::Code>(number) : v1::UNKNOWN;
}

uint64_t Nanos(core::Duration d) {
  return d < core::Duration::zero() ? 0 : static_cast<uint64_t>(d.count());
}

// 0 means that there is no deadline, so one that has passed counts as 1 ns.
uint64_t Granted(core::Duration d) {
  return d == core::kInfiniteDuration ? 0 : std::max<uint64_t>(Nanos(d), 1);
}

}  // namespace

CallBlocks::CallBlocks(const engine::EngineCore* core,
                       v1::MethodSelector selector, double share)
    : core_(core), selector_(std::move(selector)), share_(share) {
  Begin();
}

void CallBlocks::Begin() {
  block_.Clear();
  block_.add_names("");
  block_.set_instance(core_->instance());
  if (share_ < 1) block_.set_share(share_);
  numbers_.clear();
  numbers_[""] = 0;
  bytes_ = 0;
}

const CallBlocks::Method& CallBlocks::MethodOf(const core::MethodStats* stats) {
  const auto found = methods_.find(stats);
  if (found != methods_.end()) return found->second;
  // The method is new, and others may be too. Methods are never removed.
  for (const std::shared_ptr<engine::MethodRuntime>& runtime :
       core_->Methods()) {
    Method method;
    method.channel = ToUtf8(runtime->channel);
    method.method = ToUtf8(runtime->method);
    method.is_wanted = Selects(selector_, *runtime);
    methods_.try_emplace(&runtime->stats, std::move(method));
  }
  return methods_[stats];
}

uint32_t CallBlocks::NumberOf(absl::string_view name) {
  const auto [found, is_new] =
      numbers_.try_emplace(name, static_cast<uint32_t>(block_.names_size()));
  if (is_new) {
    block_.add_names(std::string(name));
    bytes_ += name.size();
  }
  return found->second;
}

void CallBlocks::Take(const core::CallTape::Call& call,
                      const core::CallTape::Attempt* attempts) {
  const Method& method = MethodOf(call.method);
  if (!method.is_wanted) return;
  if (is_empty()) {
    base_ = call.started;
    block_.set_base_ns(std::chrono::duration_cast<std::chrono::nanoseconds>(
                           wall_clock_.At(base_).time_since_epoch())
                           .count());
  }
  v1::RecordedCall* const out = block_.add_calls();
  out->set_channel(NumberOf(method.channel));
  out->set_method(NumberOf(method.method));
  out->set_started_ns((call.started - base_).count());
  out->set_took_ns(Nanos(call.took));
  out->set_granted_ns(Granted(call.granted));
  out->set_end(static_cast<v1::RecordedEnd>(static_cast<int>(call.end) + 1));
  out->set_code(CodeOf(call.code));
  out->set_reason(NumberOf(core::ReasonName(call.reason)));
  out->set_from_fallback(call.from_fallback);
  out->set_is_stream(call.is_stream);
  bytes_ += kEach;
  for (int n = 0; n < call.attempts; ++n) {
    const core::CallTape::Attempt& from = attempts[n];
    v1::RecordedAttempt* const to = out->add_attempts();
    to->set_target(NumberOf(ToUtf8(from.breaker->identity().target)));
    to->set_after_ns(Nanos(from.started - call.started));
    to->set_took_ns(Nanos(from.took));
    to->set_granted_ns(Granted(from.granted));
    to->set_kind(
        static_cast<v1::RecordedAttempt::Kind>(static_cast<int>(from.kind)));
    to->set_code(CodeOf(from.code));
    to->set_attribution(NumberOf(core::AttributionName(from.attribution)));
    to->set_stopped(NumberOf(core::ReasonName(from.stopped)));
    to->set_answered(from.answered);
    bytes_ += kEach;
  }
}

bool CallBlocks::is_full() const {
  return block_.calls_size() >= kMostCalls || bytes_ >= kMostBytes;
}

v1::CallBlock CallBlocks::Cut() {
  v1::CallBlock cut;
  cut.Swap(&block_);
  Begin();
  return cut;
}

}  // namespace firebreak::admin
