#include "src/engine/policy/presets.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace firebreak::engine {
namespace {

constexpr Preset kPresets[] = {
    {"critical_service",
     R"(# On every path: when it fails, better to know at once.
# An answer later than this is as bad as none to whoever waits behind it.
timeout: "1s"
breaker {
  # Two in a row are no accident here, and a fifth failing hurts everybody.
  consecutive_failures: 2
  failure_rate: 0.2
  # Looked at each second, by default: each without it is an outage.
}
)"},
    {"database",
     R"(# Queries: quick as a rule, and soon in a jam that retries make worse.
# A query that takes longer holds a connection that others wait for.
timeout: "2s"
breaker {
  consecutive_failures: 3
  # A database in which 3 of 10 queries fail is on its way down.
  failure_rate: 0.3
  # Looked at each second, by default: one query is no load, and a failover
  # takes as long as it takes.
}
)"},
    {"external_api",
     R"(# Somebody else's service, far away: slower and rougher than our own.
# Networks between companies do take seconds.
timeout: "10s"
breaker {
  # A few failures are usual, so it takes more of them, and more than half.
  consecutive_failures: 5
  failure_rate: 0.6
  # Nobody here can repair it: asking more often only annoys.
  probe_interval: "10s"
}
)"},
    {"log_shipping", R"(# May come late, or not at all: nobody waits for it.
breaker {
  # There is no timeout, so calls that hang have to be found in flight.
  slow_call_duration: "60s"
  slow_call_rate: 0
  leaky_slow_calls: 20
  # Left alone until it is plainly gone.
  consecutive_failures: 20
  failure_rate: 0
  # What is lost meanwhile is in the buffer, or was not worth one.
  probe_interval: "30s"
}
)"},
    {"payment",
     R"(# Money moves: a call whose end is not known has to be looked into by a human.
# So it is never sent twice on a guess, and has no deadline from here: one that
# is cut off may have been charged.
idempotent: false
breaker {
  # But calls that hang are found while they are in flight, and not made more.
  slow_call_duration: "30s"
  slow_call_rate: 0
  leaky_slow_calls: 3
  # Each failure is a customer in doubt. No rate: few calls, each counts.
  consecutive_failures: 3
  failure_rate: 0
  # Each look is a customer in doubt, too; orders are queued meanwhile.
  probe_interval: "10s"
}
)"},
    {"recommendation", R"(# Nice to have: a page without it is still a page.
breaker {
  # There is no timeout, so calls that hang have to be found in flight.
  slow_call_duration: "5s"
  slow_call_rate: 0
  leaky_slow_calls: 10
  # Failures cost little, and so does trying: it is looked at each second.
  consecutive_failures: 10
  failure_rate: 0
}
)"},
};

}  // namespace

absl::Span<const Preset> Presets() { return kPresets; }

const Preset* FindPreset(absl::string_view name) {
  for (const Preset& preset : kPresets) {
    if (preset.name == name) return &preset;
  }
  return nullptr;
}

std::string PresetsAsPolicy() {
  std::string out =
      "# proto-file: firebreak/v1/policy.proto\n"
      "# proto-message: firebreak.v1.PolicySet\n"
      "#\n"
      "# The presets of firebreak. `preset: \"payment\"` in an entry inherits "
      "one as it\n"
      "# is here; copied, it is a `base` like any other.\n";
  for (const Preset& preset : kPresets) {
    absl::StrAppend(&out, "\nmethod {\n  id: \"", preset.name, "\"\n");
    for (absl::string_view line : absl::StrSplit(preset.text, '\n')) {
      if (!line.empty()) absl::StrAppend(&out, "  ", line, "\n");
    }
    absl::StrAppend(&out, "}\n");
  }
  return out;
}

}  // namespace firebreak::engine
