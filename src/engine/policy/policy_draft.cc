#include "src/engine/policy/policy_draft.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "src/engine/policy/policy_fields.h"

namespace firebreak::engine {
namespace {

using google::protobuf::Message;

// The duration of a `ramp` that does not set one. It is the time for which a
// breaker was open at first, so that recovery is as careful as opening.
constexpr core::Duration kRampDuration = std::chrono::seconds(10);

// --- what the table of a part does not say -----------------------------------
//
// Before() sets what its fields depend on, and After() what follows from them.
// Most parts have neither, and a new one needs neither.

template <class Options>
void Before(const Message& /*in*/, PolicyDraft* /*draft*/, Options* /*out*/) {}
template <class Options>
void After(const Message& /*in*/, FieldReader* /*read*/, Options* /*out*/) {}

void Before(const Message& message, PolicyDraft* draft,
            core::BreakerOptions* out) {
  const auto& in = static_cast<const v1::BreakerPolicy&>(message);
  using Window = core::WindowOptions::Kind;
  if (in.window().has_calls()) out->window.kind = Window::kCalls;
  if (in.window().has_duration()) out->window.kind = Window::kTime;
  // An entry that sets how long the breaker stays open wants no attempts before
  // that, unless it also says how to probe.
  draft->has_probe_interval |=
      in.has_probe_interval() || in.probe().has_health_check();
  if (in.probe().has_health_check() && !in.has_probe_interval() &&
      out->probe_interval == core::Duration::zero()) {
    out->probe_interval = core::BreakerOptions().probe_interval;
  }
  if (!draft->has_probe_interval &&
      (in.has_open_duration() || in.has_open_growth() ||
       in.has_max_open_duration())) {
    out->probe_interval = core::Duration::zero();
  }
}

void After(const Message& message, FieldReader* /*read*/,
           core::BreakerOptions* out) {
  const auto& in = static_cast<const v1::BreakerPolicy&>(message);
  if (in.has_ramp() && !in.ramp().has_duration() &&
      out->ramp.duration.value_or(core::Duration::zero()) ==
          core::Duration::zero()) {
    out->ramp.duration = kRampDuration;
  }
}

// Reads whether a part is on.
template <class Part>
void Switch(const std::string& name, const Part& in, PolicyDraft* draft) {
  const auto* field = in.GetDescriptor()->FindFieldByName("enabled");
  if (field == nullptr || !in.GetReflection()->HasField(in, field)) return;
  if (in.GetReflection()->GetBool(in, field)) {
    draft->off.erase(name);
  } else {
    draft->off.insert(name);
  }
}

void Before(const Message& message, PolicyDraft* draft,
            core::RetryOptions* out) {
  const auto& in = static_cast<const v1::RetryPolicy&>(message);
  if (in.has_max_attempts()) draft->retry_attempts = in.max_attempts();
  if (!in.has_adaptive()) return;
  if (!out->adaptive) out->adaptive.emplace();
  Switch("adaptive", in.adaptive(), draft);
}

void Before(const Message& message, PolicyDraft* draft,
            core::HedgingOptions* out) {
  const auto& in = static_cast<const v1::HedgingPolicy&>(message);
  if (in.has_max_attempts()) draft->hedging_attempts = in.max_attempts();
  if (in.has_delay()) out->quantile = 0;
}

void After(const Message& message, FieldReader* read,
           core::HedgingOptions* out) {
  const auto& in = static_cast<const v1::HedgingPolicy&>(message);
  if (in.has_quantile() && in.has_delay()) {
    read->Add("quantile", absl::StrCat("is ", in.quantile(),
                                       "; allowed: not beside delay"));
  }
  if (!in.has_all_codes_fatal()) return;
  if (in.all_codes_fatal()) {
    if (in.non_fatal_codes_size() > 0) {
      read->Add("all_codes_fatal",
                "is true; allowed: false, or no non_fatal_codes beside it");
    }
    out->non_fatal_codes = core::CodeSet();
  } else if (in.non_fatal_codes_size() == 0 && out->non_fatal_codes.empty()) {
    // Undoes the `true` of a base.
    out->non_fatal_codes = core::HedgingOptions().non_fatal_codes;
  }
}

// --- any part ----------------------------------------------------------------

// Reads the part of this name, if `entry` has it.
template <class Options>
void ApplyPart(const Message& entry, const char* name,
               absl::optional<Options>* part, PolicyDraft* draft,
               core::FieldErrors* errors) {
  const Message* const in = FindPart(entry, name);
  if (in == nullptr) return;
  if (!part->has_value()) part->emplace();
  Switch(name, *in, draft);
  FieldReader read(name, &draft->unreadable, errors);
  Before(*in, draft, &**part);
  read.Read(*in, (*part)->Fields());
  After(*in, &read, &**part);
}

// Removes a part that is switched off, and reports what is out of range in it:
// another entry may switch it on.
template <class Options>
void FinishPart(const char* name, absl::optional<Options>* part,
                const PolicyDraft& draft, core::FieldErrors* errors) {
  if (!draft.off.contains(name) || !part->has_value()) return;
  (*part)->Check(name, errors);
  part->reset();
}

core::AdmissionOptions FinishAdmission(const PolicyDraft& draft,
                                       core::FieldErrors* errors) {
  core::AdmissionOptions out = draft.options.admission;
  // If it is switched off, it may lack the one field that has no default.
  if (draft.off.contains("rate_limit") && out.rate_limit &&
      out.rate_limit->rate == 0) {
    out.rate_limit.reset();
  }
  out.VisitParts([&](const char* name, auto* part, bool* is_off) {
    *is_off = draft.off.contains(name);
    FinishPart(name, part, draft, errors);
  });
  return out;
}

// Retries and hedges have one limit, from whichever side sets it. Check()
// reports sides that differ.
void ShareAttempts(const PolicyDraft& draft, core::MethodOptions* options) {
  absl::optional<int> retry;
  absl::optional<int> hedging;
  if (options->retry) retry = draft.retry_attempts;
  if (options->hedging) hedging = draft.hedging_attempts;
  if (!retry) retry = hedging;
  if (!retry && options->retry) retry = options->retry->max_attempts;
  if (!hedging) hedging = retry;
  if (options->retry && retry) options->retry->max_attempts = *retry;
  if (options->hedging && hedging) options->hedging->max_attempts = *hedging;
}

// Reports errors, except those about values that could not be read.
void Report(core::FieldErrors found, const PolicyDraft& draft,
            core::FieldErrors* errors) {
  for (core::FieldError& error : found) {
    if (draft.unreadable.contains(error.field)) continue;
    // A number that comes from the other side is checked there.
    if (error.field == "retry.max_attempts" && !draft.retry_attempts) continue;
    if (error.field == "hedging.max_attempts" && !draft.hedging_attempts) {
      continue;
    }
    errors->push_back(std::move(error));
  }
}

}  // namespace

void ApplyEntry(const v1::MethodPolicy& entry, PolicyDraft* draft,
                core::FieldErrors* errors) {
  FieldReader("", &draft->unreadable, errors)
      .Read(entry, draft->options.Fields());
  draft->options.VisitParts([&](const char* name, auto* part) {
    ApplyPart(entry, name, part, draft, errors);
  });
}

core::MethodOptions Finish(const PolicyDraft& draft,
                           core::FieldErrors* errors) {
  core::MethodOptions options = draft.options;
  core::FieldErrors found;
  options.admission = FinishAdmission(draft, &found);
  options.VisitParts([&](const char* name, auto* part) {
    FinishPart(name, part, draft, &found);
  });
  ShareAttempts(draft, &options);
  options.Check("", &found);
  // It has been checked, like other parts that are off.
  if (options.retry && draft.off.contains("adaptive")) {
    options.retry->adaptive.reset();
  }
  Report(std::move(found), draft, errors);
  return options;
}

core::BudgetOptions ToBudget(const v1::ChannelPolicy& entry,
                             core::FieldErrors* errors) {
  // There are no times and no codes in it, so all of it can be read.
  absl::flat_hash_set<std::string> unreadable;
  core::BudgetOptions out;
  FieldReader("budget", &unreadable, errors).Read(entry.budget(), out.Fields());
  // A burst that is asked for is available at once.
  if (entry.budget().has_burst()) out.initial.reset();
  out.Check("budget", errors);
  if (!entry.has_throttling()) return out;
  // In the core this is part of the budget, in the language it is beside it.
  out.throttling.emplace();
  FieldReader("throttling", &unreadable, errors)
      .Read(entry.throttling(), out.throttling->Fields());
  out.throttling->Check("throttling", errors);
  return out;
}

core::AdmissionOptions ToAdmission(const v1::ChannelPolicy& entry,
                                   core::FieldErrors* errors) {
  PolicyDraft draft;
  draft.options.admission.VisitParts([&](const char* name, auto* part, bool*) {
    ApplyPart(entry, name, part, &draft, errors);
  });
  core::FieldErrors found;
  core::AdmissionOptions out = FinishAdmission(draft, &found);
  out.Check("", &found);
  Report(std::move(found), draft, errors);
  return out;
}

}  // namespace firebreak::engine
