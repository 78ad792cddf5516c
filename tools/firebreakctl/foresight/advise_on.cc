#include "tools/firebreakctl/foresight/advise_on.h"

#include <google/protobuf/text_format.h>

#include <algorithm>
#include <iostream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "firebreak/v1/policy.pb.h"
#include "src/core/base/duration.h"
#include "src/engine/policy/policy.h"
#include "src/engine/policy/policy_diff.h"
#include "src/sim/advice.h"
#include "tools/firebreakctl/foresight/foresight.h"
#include "tools/firebreakctl/foresight/sim_policy.h"
#include "tools/firebreakctl/show/render.h"
#include "tools/firebreakctl/show/words.h"

namespace firebreak::ctl {
namespace {

using core::Duration;
using Field = sim::Suggestion::Field;

// The policy with an entry for this method only, and the entry's index.
struct Draft {
  v1::PolicySet set;
  int index = 0;

  v1::MethodPolicy* entry() { return set.mutable_method(index); }
};

Draft DraftFor(const engine::PolicyTable& table, const std::string& channel,
               const std::string& method) {
  Draft draft;
  draft.set = *table.source();
  v1::MethodPolicy::Name name;
  name.set_channel(channel);
  name.set_service(sim::ServiceOf(method));
  name.set_method(method.substr(method.rfind('/') + 1));
  const auto options = table.Find(channel, method);
  v1::MethodPolicy entry;
  for (int i = 0; options != nullptr && i < draft.set.method_size(); ++i) {
    const v1::MethodPolicy& each = draft.set.method(i);
    const bool is_it = each.id().empty()
                           ? options->policy == absl::StrCat("method[", i, "]")
                           : options->policy == each.id();
    if (!is_it) continue;
    if (each.name_size() == 1 && each.name(0).service() == name.service() &&
        each.name(0).method() == name.method()) {
      draft.index = i;
      return draft;
    }
    // A method uses one entry only, so the new one inherits from this one.
    entry = each;
    if (!each.id().empty()) {
      entry.Clear();
      entry.set_base(each.id());
    }
  }
  entry.clear_name();
  *entry.add_name() = name;
  draft.index = draft.set.method_size();
  *draft.set.add_method() = entry;
  return draft;
}

void Apply(const sim::Suggestion& s, v1::MethodPolicy* entry) {
  const std::string duration = core::FormatDuration(s.duration);
  const int number = static_cast<int>(s.number);
  switch (s.field) {
    case Field::kTimeout:
      entry->set_timeout(duration);
      break;
    case Field::kHedgeQuantile:
      entry->mutable_hedging()->set_quantile(s.number);
      entry->mutable_hedging()->set_max_delay(duration);
      break;
    case Field::kMaxAttempts:
      entry->mutable_retry()->set_max_attempts(number);
      break;
    case Field::kSlowCallDuration:
      entry->mutable_breaker()->set_slow_call_duration(duration);
      break;
    case Field::kMinimumCalls:
      entry->mutable_breaker()->set_minimum_calls(number);
      break;
    case Field::kMaxConcurrent:
      entry->mutable_bulkhead()->set_max_concurrent(number);
      break;
  }
}

// The value as a policy file has it.
std::string ValueOf(const sim::Suggestion& s) {
  if (s.duration > Duration::zero() && s.number == 0) {
    return core::FormatDuration(s.duration);
  }
  return absl::StrCat(s.number);
}

// Simulates the calls as recorded, and with servers that hang for a while.
class Trial {
 public:
  Trial(const sim::Recording* calls, Duration useful_within, uint64_t seed) {
    as_recorded_.recording = calls;
    as_recorded_.useful_within = useful_within;
    as_recorded_.seed = seed;
    frozen_ = as_recorded_;
    sim::Incident incident;
    incident.kind = sim::Incident::Kind::kFrozen;
    const auto span =
        std::chrono::floor<std::chrono::seconds>(calls->calls.back().at);
    incident.at = span / 3;
    incident.lasts =
        std::min<std::chrono::seconds>(std::chrono::minutes(1), span / 6);
    frozen_.incidents = {incident};
  }

  struct Result {
    sim::Forecast as_recorded;
    sim::Forecast frozen;
  };
  Result Run(const sim::Policy& policy) const {
    return {sim::RunForecast(as_recorded_, policy),
            sim::RunForecast(frozen_, policy)};
  }

  // Says why the result is worse than before; "" if it is not.
  std::string Worse(const Result& before, const Result& after) const {
    // A timeout may cost the share of calls that its reason states, and a
    // breaker may need two probes before it closes.
    constexpr double kCost = 0.0005;
    const double back_within = 3 / core::ToSeconds(frozen_.span());
    const double lost =
        before.as_recorded.usefulness() - after.as_recorded.usefulness();
    if (lost > kCost) {
      return absl::StrFormat(
          "on the recording %.2g%% fewer calls succeed in "
          "time",
          lost * 100);
    }
    // Failures count as the slowest calls, so that a retry that turns a failure
    // into a success does not make the result slower.
    if (core::ToSeconds(P99OfAll(after.as_recorded)) >
        1.02 * core::ToSeconds(P99OfAll(before.as_recorded))) {
      return "on the recording the 99th of a hundred calls is slower";
    }
    if (before.frozen.usefulness() - after.frozen.usefulness() >
        kCost + back_within) {
      return "with frozen servers fewer calls succeed in time";
    }
    if (after.frozen.seconds_in_vain > 1.02 * before.frozen.seconds_in_vain) {
      return "with frozen servers callers wait longer in vain";
    }
    return "";
  }

  static Duration P99OfAll(const sim::Forecast& f) {
    const int64_t calls = f.calls - f.cancelled;
    const int64_t rank = calls - calls / 100;
    if (rank > f.successes) return core::kInfiniteDuration;
    return std::chrono::microseconds(
        f.latencies_us[static_cast<size_t>(std::max<int64_t>(rank, 1) - 1)]);
  }

  const sim::Incident& incident() const { return frozen_.incidents[0]; }

 private:
  sim::Workload as_recorded_;
  sim::Workload frozen_;
};

void AddRow(const std::string& what, const sim::Forecast& f, Table* table) {
  table->AddRow({what, absl::StrFormat("%.2f%%", f.usefulness() * 100),
                 Brief(f.Latency(0.5) / std::chrono::nanoseconds(1)),
                 Brief(f.Latency(0.99) / std::chrono::nanoseconds(1)),
                 absl::StrFormat("+%.1f%%", f.extra_load() * 100),
                 absl::StrCat(f.refused()),
                 Brief(static_cast<int64_t>(f.seconds_in_vain * 1e9))});
}

std::string Compared(const Trial& trial, const Trial::Result& before,
                     const Trial::Result& after, const Style& style) {
  Table table({{"SIMULATED"},
               {"IN TIME", kRight},
               {"P50", kRight},
               {"P99", kRight},
               {"EXTRA LOAD", kRight},
               {"REFUSED", kRight},
               {"WAITED IN VAIN", kRight}});
  const std::string frozen = sim::ToString(trial.incident());
  AddRow("as recorded, now", before.as_recorded, &table);
  AddRow("as recorded, proposed", after.as_recorded, &table);
  AddRow(frozen + ", now", before.frozen, &table);
  AddRow(frozen + ", proposed", after.frozen, &table);
  return table.Render(style);
}

// Leaves out the numbers that count the calls of one process, since the
// recording has those of several.
void LeaveOutCounts(const sim::Recording& recording,
                    std::vector<sim::Suggestion>* suggestions) {
  for (sim::Suggestion& s : *suggestions) {
    if (s.field != Field::kMinimumCalls && s.field != Field::kMaxConcurrent) {
      continue;
    }
    s.is_proposed = false;
    s.reason = absl::StrCat("the calls are of ", recording.processes,
                            " processes, and each counts its own: ask one "
                            "of them alone");
  }
}

// The differences in the form of RenderDifferences().
std::string DiffText(const v1::PolicySet& before, const v1::PolicySet& after,
                     const Style& style) {
  v1::ApplyPolicyResponse view;
  const engine::PolicyDiff diff = engine::DiffPolicies(before, after);
  view.set_changed(!diff.differences.empty());
  for (const PolicyDifference& each : diff.differences) {
    v1::PolicyDifference* const line = view.add_differences();
    line->set_path(each.path);
    line->set_before(each.before);
    line->set_after(each.after);
  }
  return RenderDifferences(view, style);
}

}  // namespace

int AdviseOn(const AdviseRequest& request, const sim::Recording& recording,
             const engine::PolicyTable& table, const Style& style) {
  const std::string& method = request.method;
  const sim::Recording calls = sim::OnlyMethods(
      recording, [&](const std::string& name) { return name == method; });
  const absl::StatusOr<sim::Facts> facts = sim::FactsOf(calls);
  if (!facts.ok()) {
    Complain(facts.status());
    return kExitFailed;
  }
  const auto options = table.Find(request.channel, method);
  std::vector<sim::Suggestion> suggestions = sim::Suggest(
      *facts, options != nullptr ? *options : core::MethodOptions());
  if (recording.processes > 1) LeaveOutCounts(recording, &suggestions);
  std::cout << absl::StrFormat(
      "%s: %d calls in %s, %s a second; %s%% fail\n"
      "p50 %s, p95 %s, p99 %s, p99.9 %s\n\n",
      Printable(method), facts->calls,
      Brief(facts->span / std::chrono::nanoseconds(1)),
      Figure(facts->per_second), Figure(facts->failing * 100),
      Brief(facts->Quantile(0.5) / std::chrono::nanoseconds(1)),
      Brief(facts->Quantile(0.95) / std::chrono::nanoseconds(1)),
      Brief(facts->Quantile(0.99) / std::chrono::nanoseconds(1)),
      Brief(facts->Quantile(0.999) / std::chrono::nanoseconds(1)));

  // A later answer counts as too late.
  const Trial trial(&calls, suggestions[0].duration, request.seed);
  Draft draft = DraftFor(table, request.channel, method);
  const Trial::Result before = trial.Run(PolicyOf(table, request.channel));
  Trial::Result so_far = before;
  Progress progress("simulating");
  double done = 0;
  std::vector<bool> verdicts;
  for (const sim::Suggestion& s : suggestions) {
    done += 1.0 / static_cast<double>(suggestions.size());
    std::string verdict;
    std::string reason = s.reason;
    if (s.is_proposed) {
      Draft candidate = draft;
      Apply(s, candidate.entry());
      const absl::StatusOr<engine::PolicyTable> compiled =
          engine::CompilePolicy(candidate.set, "the proposal");
      std::string against;
      Trial::Result result;
      if (compiled.ok()) {
        result = trial.Run(PolicyOf(*compiled, request.channel));
        against = trial.Worse(so_far, result);
        progress.Show(done);
      } else {
        // The suggested value may be out of the field's range.
        against = std::string(compiled.status().message());
      }
      if (against.empty()) {
        verdict = ValueOf(s);
        draft = std::move(candidate);
        so_far = std::move(result);
      } else {
        reason += "; but " + against;
      }
    }
    verdicts.push_back(!verdict.empty());
    std::cout << sim::FieldName(s.field) << ": "
              << (verdict.empty() ? "no change" : verdict) << "\n    "
              << Printable(reason) << "\n";
  }
  std::cout << "\n" << Compared(trial, before, so_far, style) << "\n";
  // (The draft has its own entry for the method, even if nothing changes.)
  const bool changes = std::any_of(verdicts.begin(), verdicts.end(),
                                   [](bool accepted) { return accepted; });
  if (!changes) {
    std::cout << "no difference\n";
    return kExitOk;
  }
  std::cout << DiffText(*table.source(), draft.set, style);
  std::string text;
  google::protobuf::TextFormat::PrintToString(*draft.entry(), &text);
  std::cout << "\nmethod {\n";
  for (const absl::string_view line :
       absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    std::cout << "  " << line << "\n";
  }
  std::cout << "}\n";
  return kExitOk;
}

}  // namespace firebreak::ctl
