#include "src/admin/views/policy_view.h"

#include "src/engine/policy/policy_fields.h"

namespace firebreak::admin {
namespace {

// --- fields that are not shown as the table of their part has them -----------
//
// Most parts are shown as they are, so a new one needs no code here.

template <class Options>
void Adapt(Options* /*options*/) {}
template <class Options>
void Tidy(const Options& /*options*/, v1::MethodPolicy* /*view*/) {}

// Where 0 means "the same as another field", that value is shown.
void Adapt(core::BreakerOptions* options) {
  options->probe_samples = options->samples();
}
void Adapt(core::RateLimitOptions* options) {
  options->burst = options->tokens();
}

void Tidy(const core::BreakerOptions& options, v1::MethodPolicy* view) {
  if (!options.ramp.duration) view->mutable_breaker()->clear_ramp();
}

// A policy may set the delay in one of two ways only.
void Tidy(const core::HedgingOptions& options, v1::MethodPolicy* view) {
  v1::HedgingPolicy* const hedging = view->mutable_hedging();
  if (options.quantile > 0) {
    hedging->clear_delay();
  } else {
    hedging->clear_quantile();
    hedging->clear_min_delay();
    hedging->clear_max_delay();
  }
  if (options.non_fatal_codes.empty()) hedging->set_all_codes_fatal(true);
}

}  // namespace

v1::MethodPolicy PolicyView(const core::MethodOptions& options,
                            const core::AdmissionControl& admission) {
  core::MethodOptions shown = options;
  shown.admission = admission.options();
  v1::MethodPolicy view;
  engine::WriteFields(shown.Fields(), &view);
  if (shown.timeout == core::Duration::zero()) view.clear_timeout();
  shown.VisitParts([&](const char* name, auto* part) {
    if (!part->has_value()) return;
    Adapt(&**part);
    engine::WriteFields((*part)->Fields(), engine::MakePart(&view, name));
    Tidy(**part, &view);
  });
  return view;
}

}  // namespace firebreak::admin
