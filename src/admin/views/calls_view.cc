#include "src/admin/views/calls_view.h"

#include <cstddef>
#include <string>

#include "src/admin/message/time_view.h"
#include "src/core/base/outcome.h"
#include "src/core/base/reason.h"
#include "src/engine/recent_counts.h"

namespace firebreak::admin {
namespace {

// Appends a NamedCount for each counter that is not zero.
template <class Counters, class NameOf, class Field>
void AddNamed(const Counters& counters, NameOf name_of, Field* field) {
  for (size_t i = 0; i < counters.size(); ++i) {
    if (counters[i] == 0) continue;
    v1::NamedCount* const named = field->Add();
    named->set_name(std::string(name_of(i)));
    named->set_count(counters[i]);
  }
}

absl::string_view ReasonAt(size_t i) {
  return core::ReasonName(static_cast<core::Reason>(i));
}

// Adds the counts of all codes except OK and those that are zero.
template <class Counts, class Field>
void AddCodes(const Counts& codes, Field* field) {
  for (size_t code = 1; code < codes.size(); ++code) {
    if (codes[code] == 0) continue;
    v1::CodeCount* const each = field->Add();
    each->set_code(static_cast<v1::Code>(code));
    each->set_count(codes[code]);
  }
}

v1::CallsNow NowView(const engine::RecentCounts::Span& span,
                     const core::MethodOptions& options) {
  const engine::CallErrors errors = engine::ErrorsOf(span.counts, options);
  const double seconds = core::ToSeconds(span.length);
  v1::CallsNow view;
  *view.mutable_over() = DurationOf(span.length);
  if (seconds > 0) {
    view.set_calls_per_second(static_cast<double>(span.counts.started) /
                              seconds);
  }
  view.set_answered(span.counts.with_status());
  view.set_not_ok(span.counts.not_ok());
  view.set_errors(errors.errors);
  view.set_rejected(span.counts.rejected);
  AddCodes(span.counts.codes, view.mutable_codes());
  return view;
}

}  // namespace

v1::CallCounts CallsView(const core::MethodCounts& counts,
                         const engine::Hang& hang) {
  v1::CallCounts view;
  view.set_hanging(hang.calls);
  view.set_hanging_is_at_least(hang.is_at_least);
  if (hang.oldest) *view.mutable_oldest_in_flight() = TimestampOf(*hang.oldest);
  view.set_started(counts.calls);
  view.set_in_flight(counts.in_flight);
  view.set_successes(counts.end(core::CallEnd::kSuccess));
  view.set_failures(counts.end(core::CallEnd::kFailure));
  view.set_rejected(counts.end(core::CallEnd::kRejected));
  view.set_cancelled(counts.end(core::CallEnd::kCancelled));
  view.set_abandoned(counts.end(core::CallEnd::kAbandoned));
  view.set_fallbacks(counts.fallbacks);
  AddCodes(counts.codes, view.mutable_codes());
  AddNamed(counts.rejections, ReasonAt, view.mutable_rejections());
  return view;
}

void AddFallbackLinks(const engine::MethodRuntime& runtime,
                      v1::CallCounts* view) {
  using engine::LinkEnd;
  const auto fallback = runtime.fallback();
  if (fallback == nullptr) return;
  for (const engine::FallbackLinks::Link& link : fallback->links()) {
    v1::FallbackCounts* const counts = view->add_fallback_links();
    counts->set_name(link.name);
    counts->set_answered(link.counters->of(LinkEnd::kAnswered));
    counts->set_failed(link.counters->of(LinkEnd::kFailed));
    counts->set_late(link.counters->of(LinkEnd::kLate));
    counts->set_not_begun(link.counters->of(LinkEnd::kNotBegun));
    counts->set_abandoned(link.counters->of(LinkEnd::kAbandoned));
  }
}

v1::AttemptCounts AttemptsView(const core::MethodCounts& counts) {
  v1::AttemptCounts view;
  view.set_first(counts.attempts_of(core::AttemptKind::kFirst));
  view.set_retries(counts.attempts_of(core::AttemptKind::kRetry));
  view.set_hedges(counts.attempts_of(core::AttemptKind::kHedge));
  view.set_hedge_wins(counts.hedge_wins);
  AddNamed(counts.stops, ReasonAt, view.mutable_stops());
  AddNamed(
      counts.attributions,
      [](size_t i) {
        return core::AttributionName(static_cast<core::Attribution>(i));
      },
      view.mutable_attributions());
  return view;
}

v1::RecentCalls RecentView(const engine::RecentCalls& recent,
                           const core::MethodOptions& options) {
  v1::RecentCalls view;
  *view.mutable_now() = NowView(recent.judged, options);
  *view.mutable_step() = DurationOf(Rates::kStep);
  for (const Rates::Step& step : recent.counts.Steps()) {
    view.add_started(step.started);
    view.add_failures(step.failures);
    view.add_rejected(step.rejected);
  }
  return view;
}

}  // namespace firebreak::admin
