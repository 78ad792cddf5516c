// The calls that `simulate` and `advise` use.
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iostream>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "src/core/base/duration.h"
#include "src/sim/distribution_text.h"
#include "tools/firebreakctl/ask/input.h"
#include "tools/firebreakctl/foresight/foresight.h"
#include "tools/firebreakctl/foresight/recorded_calls.h"
#include "tools/firebreakctl/foresight/recording_file.h"
#include "tools/firebreakctl/show/table.h"
#include "tools/firebreakctl/show/words.h"

namespace firebreak::ctl {
namespace {

using core::Duration;
using sim::Incident;

constexpr double kUsuallyBusy = 0.5;
constexpr int kMostReplicas = 1000;
constexpr Duration kAfterIncidents = std::chrono::minutes(1);
constexpr Duration kUsualLength = std::chrono::minutes(2);

absl::Status Of(const char* option, const absl::Status& problem) {
  if (problem.ok()) return problem;
  return absl::Status(problem.code(),
                      absl::StrCat(option, ": ", problem.message()));
}

absl::Status Wrong(const char* option, const std::string& problem) {
  return Of(option, absl::InvalidArgumentError(problem));
}

// Parses a share such as "1%".
absl::Status ReadShare(const char* option, absl::string_view text,
                       double* share) {
  if (text.empty()) return absl::OkStatus();
  double percent = 0;
  if (!absl::ConsumeSuffix(&text, "%") || !absl::SimpleAtod(text, &percent) ||
      !(percent >= 0) || percent > 100) {
    return Wrong(option, absl::StrCat("'", text, "' is not a share, as 1%"));
  }
  *share = percent / 100;
  return absl::OkStatus();
}

absl::Status ReadDuration(const char* option, const std::string& text,
                          Duration* duration) {
  if (text.empty()) return absl::OkStatus();
  const absl::StatusOr<Duration> read = core::ParseDuration(text);
  if (read.ok()) *duration = *read;
  return Of(option, read.status());
}

absl::Status ReadFile(const CallsArguments& typed, Calls* calls) {
  sim::Recording* const recording = &calls->recording;
  absl::StatusOr<sim::Recording> read =
      ReadRecordingFile(typed.recording, &calls->notes);
  if (!read.ok()) return read.status();
  *recording = *std::move(read);
  if (typed.only.empty()) return absl::OkStatus();
  sim::Recording chosen =
      sim::OnlyMethods(*recording, [&typed](const std::string& name) {
        return absl::StrContains(name, typed.only);
      });
  if (chosen.calls.empty()) {
    constexpr size_t kMostShown = 5;
    std::vector<std::string> shown = recording->methods;
    if (shown.size() > kMostShown) shown.resize(kMostShown);
    return Wrong("--method",
                 absl::StrCat("no call is of a method with \"", typed.only,
                              "\" in its name; the first methods: ",
                              absl::StrJoin(shown, ", ")));
  }
  *recording = std::move(chosen);
  return absl::OkStatus();
}

double MeanLatency(const sim::Workload& workload) {
  double sum = 0;
  int64_t n = 0;
  if (workload.recording != nullptr) {
    for (const sim::Recording::Call& call : workload.recording->calls) {
      sum += core::ToSeconds(call.latency);
      ++n;
    }
  } else {
    core::Rng rng(1);
    for (; n < 20'000; ++n) {
      sum += core::ToSeconds(workload.latency.Sample(&rng));
    }
  }
  return sum / static_cast<double>(n);
}

double CallsPerSecond(const sim::Workload& workload) {
  if (workload.recording == nullptr) return workload.per_second;
  return static_cast<double>(workload.recording->calls.size()) /
         std::max(1.0, core::ToSeconds(workload.span()));
}

// The fewest replicas of which the smallest share is a whole number.
int EnoughReplicas(const std::vector<Incident>& incidents) {
  for (int count = 1; count < 100; ++count) {
    const bool fits = std::all_of(
        incidents.begin(), incidents.end(), [count](const Incident& incident) {
          const double some = incident.share * count;
          return std::abs(some - std::round(some)) < 1e-6;
        });
    if (fits) return count;
  }
  return 100;
}

// Chooses replicas and workers that were not given: if the load changes, as
// many workers as are half busy, since without a limit more load would do no
// harm.
void ChooseReplicas(const CallsArguments& typed, Calls* calls) {
  sim::Workload& workload = calls->workload;
  sim::Replicas& replicas = workload.replicas;
  replicas.count =
      typed.replicas > 0 ? typed.replicas : EnoughReplicas(workload.incidents);
  if (typed.queue >= 0) replicas.queue = typed.queue;
  const size_t services = sim::ServicesOf(workload).size();
  // The busy workers of each service, on average.
  const double needed = CallsPerSecond(workload) * MeanLatency(workload) /
                        static_cast<double>(services);
  const bool load_changes = std::any_of(
      workload.incidents.begin(), workload.incidents.end(),
      [](const Incident& i) { return i.kind == Incident::Kind::kLoad; });
  if (typed.workers >= 0) {
    replicas.workers = typed.workers;
  } else if (load_changes) {
    replicas.workers = std::clamp(
        static_cast<int>(std::ceil(needed / kUsuallyBusy / replicas.count)), 1,
        100'000);
  }
  if (replicas.workers > 0) {
    calls->busy = needed / replicas.workers / replicas.count;
  }
}

// A length that is enough to see how the incidents end.
Duration LengthFor(const std::vector<Incident>& incidents) {
  Duration length = kUsualLength;
  for (const Incident& incident : incidents) {
    const Duration last = incident.end() == core::kInfiniteDuration
                              ? incident.at
                              : incident.end();
    length = std::max(length, last + kAfterIncidents);
  }
  return length;
}

}  // namespace

void AddCallsOptions(CLI::App* command, CallsArguments* typed) {
  command
      ->add_option("--recording", typed->recording,
                   "File that `record` has made, or CSV with the columns "
                   "start_ms, method, latency_ms, code; \"-\" for standard "
                   "input")
      ->type_name("TEXT");
  command->add_option("--method", typed->only,
                      "Only the recorded methods with this in their name; of "
                      "made-up calls the whole name, as the policy has it");
  command->add_option("--channel", typed->channel,
                      "The channel's name, for the policy");
  command->add_option(
      "--latency", typed->latency,
      "Calls that are made up instead: 20ms, exponential(20ms), "
      "lognormal(20ms, 30ms) by mean and deviation, pareto(5ms, 1.5), "
      "quantiles(p50=20ms, p99=180ms), \"95% 20ms + 5% 1s\"");
  command
      ->add_option("--rate", typed->per_second,
                   "How many of them a second (default 100)")
      ->type_name("N");
  command
      ->add_option("--length", typed->length,
                   "For how long (default: 2m, or a minute longer than the "
                   "what-if)")
      ->type_name("DURATION");
  command
      ->add_option("--calls", typed->calls, "Or until there are about so many")
      ->type_name("N")
      ->check(CLI::Range(int64_t{1}, int64_t{10'000'000}));
  command
      ->add_option("--fails", typed->fails,
                   "Share of them that fails with UNAVAILABLE: 1%")
      ->type_name("SHARE");
  command
      ->add_option("--deadline", typed->deadline,
                   "Deadline that callers set (default: none)")
      ->type_name("DURATION");
  command
      ->add_option("--replicas", typed->replicas,
                   "Servers of each service (default: 1, or as many as the "
                   "what-if needs)")
      ->type_name("N")
      ->check(CLI::Range(1, kMostReplicas));
  command
      ->add_option("--workers", typed->workers,
                   "Calls that each works on at a time, 0 for no limit "
                   "(default: 0; with a load in the what-if half busy without "
                   "it)")
      ->type_name("N")
      ->check(CLI::Range(0, 100'000));
  command
      ->add_option("--queue", typed->queue,
                   "Calls that wait at each at most; more are refused "
                   "(default: no limit)")
      ->type_name("N")
      ->check(CLI::Range(int64_t{0}, int64_t{1'000'000}));
  command
      ->add_option("--what-if", typed->what_if,
                   "What happens: \"payment frozen for 60s at 30s; load x15; "
                   "5% of replicas slow\". Each part is [WHO] frozen, down, "
                   "slow [xN], fails [N%] or load xN, then [for DURATION] "
                   "[at DURATION]")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->allow_extra_args(false);
  command
      ->add_option("--seed", typed->seed,
                   "Of all that is random (default 1); the same seed, the "
                   "same output")
      ->type_name("N");
}

absl::Status ReadCalls(const CallsArguments& typed, Calls* calls) {
  sim::Workload& workload = calls->workload;
  if (typed.recording.empty() == typed.latency.empty()) {
    return absl::InvalidArgumentError(
        "give either --recording or --latency: where calls come from");
  }
  const absl::StatusOr<std::vector<Incident>> incidents =
      sim::ParseWhatIf(absl::StrJoin(typed.what_if, ";"));
  absl::Status status = Of("--what-if", incidents.status());
  if (!status.ok()) return status;
  workload.incidents = *incidents;
  workload.seed = typed.seed;
  status = ReadDuration("--deadline", typed.deadline, &workload.deadline);
  if (status.ok()) {
    status = ReadShare("--fails", typed.fails, &workload.failure_rate);
  }
  if (!status.ok()) return status;
  if (!typed.recording.empty()) {
    status = ReadFile(typed, calls);
    if (!status.ok()) return status;
    workload.recording = &calls->recording;
  } else {
    const absl::StatusOr<sim::Distribution> latency =
        sim::ParseDistribution(typed.latency);
    if (!latency.ok()) return Of("--latency", latency.status());
    workload.latency = *latency;
    if (!typed.only.empty()) workload.method = typed.only;
    workload.per_second = typed.per_second;
    if (!(typed.per_second > 0) || typed.per_second > 1e6) {
      return Wrong("--rate", "is not in (0, 1000000]");
    }
    workload.length =
        typed.calls > 0
            ? core::Scale(std::chrono::seconds(1),
                          static_cast<double>(typed.calls) / typed.per_second)
            : LengthFor(workload.incidents);
    status = ReadDuration("--length", typed.length, &workload.length);
    if (!status.ok()) return status;
    const double all = core::ToSeconds(workload.length) * typed.per_second;
    if (all > 10e6) {
      return Wrong("--length", absl::StrFormat("at %g calls a second makes "
                                               "%.0f calls; allowed 10000000",
                                               typed.per_second, all));
    }
  }
  ChooseReplicas(typed, calls);
  return sim::CheckWorkload(workload, typed.channel);
}

std::string NotesOn(const sim::Recording& recording) {
  std::string out;
  if (recording.is_cut) {
    out +=
        "the recording is cut off: its last line has no end, and was left "
        "out\n";
  }
  if (recording.out_of_order > 0) {
    absl::StrAppend(&out, recording.out_of_order,
                    " calls began before one above them; they were sorted\n");
  }
  if (recording.of_other_methods > 0) {
    absl::StrAppend(&out, "over ", sim::Recording::kMaxMethods,
                    " methods: ", recording.of_other_methods,
                    " calls of further ones count as \"", sim::kOtherMethods,
                    "\"\n");
  }
  if (recording.of_nobody > 0) {
    absl::StrAppend(&out, recording.of_nobody,
                    " calls were refused before anything was sent: they meet "
                    "what the nearest attempts met\n");
  }
  if (recording.given_up > 0) {
    absl::StrAppend(&out, recording.given_up,
                    " first attempts were given up: they meet what others met "
                    "that took longer\n");
  }
  if (recording.left_out > 0) {
    absl::StrAppend(&out, recording.left_out,
                    " calls are left out: no attempt of their method was "
                    "answered\n");
  }
  return out;
}

absl::StatusOr<sim::Recording> ReadRecordingFile(const std::string& path,
                                                 std::string* notes) {
  std::ifstream file;
  const absl::StatusOr<std::istream*> in = OpenInput(path, &file);
  if (!in.ok()) return in.status();
  RecordedNotes of_blocks;
  absl::StatusOr<sim::Recording> read = IsRecordingFile(*in)
                                            ? ReadRecordedCalls(*in, &of_blocks)
                                            : sim::ReadRecording(*in);
  if (!read.ok()) return Of(path.c_str(), read.status());
  *notes = absl::StrCat(NotesOn(of_blocks), NotesOn(*read));
  return read;
}

std::string DescribeCalls(const Calls& calls) {
  const sim::Workload& workload = calls.workload;
  const double per_second = CallsPerSecond(workload);
  std::string out;
  if (workload.recording != nullptr) {
    absl::StrAppendFormat(
        &out, "%d recorded calls of %d method%s in %s, %s a second\n",
        workload.recording->calls.size(), workload.recording->methods.size(),
        workload.recording->methods.size() == 1 ? "" : "s",
        Brief(workload.span() / std::chrono::nanoseconds(1)),
        Figure(per_second));
  } else {
    absl::StrAppendFormat(&out, "%s calls a second for %s\n",
                          Figure(per_second),
                          Brief(workload.length / std::chrono::nanoseconds(1)));
  }
  for (const Incident& incident : workload.incidents) {
    absl::StrAppend(&out, "what if: ", Printable(sim::ToString(incident)),
                    "\n");
  }
  const sim::Replicas& replicas = workload.replicas;
  if (calls.busy) {
    absl::StrAppendFormat(
        &out,
        "servers of each service: %d, with %d worker%s each, %.0f%% busy "
        "without the what-if\n",
        replicas.count, replicas.workers, replicas.workers == 1 ? "" : "s",
        *calls.busy * 100);
  } else if (replicas.count > 1) {
    absl::StrAppend(&out, "servers of each service: ", replicas.count, "\n");
  }
  return out;
}

}  // namespace firebreak::ctl
