#include <unistd.h>

#include <fstream>
#include <iostream>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "src/engine/policy/policy.h"
#include "tools/firebreakctl/ask/policy_file.h"
#include "tools/firebreakctl/foresight/foresight.h"
#include "tools/firebreakctl/foresight/render_forecast.h"
#include "tools/firebreakctl/foresight/sim_policy.h"

namespace firebreak::ctl {
namespace {

constexpr char kWithoutAny[] = "without firebreak";
// The colours of a picture, without the one for no policy.
constexpr size_t kMostPolicies = 7;

struct SimulateArguments {
  CallsArguments calls;
  std::vector<std::string> policies;
  std::string svg;
  bool json = false;
};

struct NamedPolicy {
  std::string name;
  sim::Policy policy;
};

// How many of the workload's methods the policy does not cover.
size_t LeftAlone(const sim::Policy& policy, const sim::Workload& workload,
                 size_t* all) {
  std::vector<std::string> methods = {workload.method};
  if (workload.recording != nullptr) methods = workload.recording->methods;
  *all = methods.size();
  size_t count = 0;
  for (const std::string& method : methods) {
    if (policy.find(method) == nullptr) ++count;
  }
  return count;
}

absl::StatusOr<std::vector<NamedPolicy>> ReadPolicies(
    const SimulateArguments& typed, const sim::Workload& workload) {
  std::vector<NamedPolicy> policies;
  policies.push_back({kWithoutAny, {}});
  for (const std::string& path : typed.policies) {
    const absl::StatusOr<engine::PolicyTable> table =
        engine::LoadPolicyFile(path);
    if (!table.ok()) return table.status();
    policies.push_back({path, PolicyOf(*table, typed.calls.channel)});
    size_t all = 0;
    const size_t alone = LeftAlone(policies.back().policy, workload, &all);
    if (alone == 0) continue;
    std::cerr << "firebreakctl: note: " << Printable(path)
              << " says nothing of " << alone << " of " << all
              << " methods in channel \"" << Printable(typed.calls.channel)
              << "\"; they run without firebreak\n";
  }
  return policies;
}

int Simulate(const SimulateArguments& typed, const Style& style) {
  if (typed.policies.size() > kMostPolicies) {
    Complain(absl::InvalidArgumentError(absl::StrCat(
        typed.policies.size(), " policies; allowed at most ", kMostPolicies)));
    return kExitUsage;
  }
  Calls calls;
  const absl::Status read = ReadCalls(typed.calls, &calls);
  if (!read.ok()) {
    Complain(read);
    return kExitUsage;
  }
  std::cerr << calls.notes;
  const absl::StatusOr<std::vector<NamedPolicy>> policies =
      ReadPolicies(typed, calls.workload);
  if (!policies.ok()) {
    Complain(policies.status());
    return kExitFailed;
  }
  std::vector<NamedForecast> forecasts;
  for (const NamedPolicy& each : *policies) {
    Progress progress(each.name);
    forecasts.push_back(
        {each.name, sim::RunForecast(
                        calls.workload, each.policy,
                        [&progress](double share) { progress.Show(share); })});
    if (typed.json) std::cout << ForecastJson(forecasts.back()) << std::flush;
  }
  if (!typed.json) {
    std::cout << DescribeCalls(calls) << "\n"
              << RenderForecasts(forecasts, style);
  }
  std::cout << std::flush;
  if (typed.svg.empty()) return kExitOk;
  std::ofstream file(typed.svg, std::ios::trunc);
  file << ForecastsSvg(forecasts);
  file.close();
  if (!file) {
    Complain(absl::FailedPreconditionError(
        absl::StrCat(typed.svg, ": cannot be written")));
    return kExitFailed;
  }
  return kExitOk;
}

}  // namespace

Progress::Progress(std::string what)
    : what_(std::move(what)),
      is_terminal_(isatty(STDERR_FILENO) == 1),
      next_(Clock::now() + std::chrono::seconds(2)) {}

Progress::~Progress() {
  if (has_shown_ && is_terminal_) std::cerr << "\r\x1b[K" << std::flush;
}

void Progress::Show(double share) {
  if (Clock::now() < next_) return;
  next_ = Clock::now() + std::chrono::seconds(is_terminal_ ? 1 : 2);
  has_shown_ = true;
  std::cerr << (is_terminal_ ? "\r" : "")
            << absl::StrFormat("%s: %.0f%%", Printable(what_), share * 100)
            << (is_terminal_ ? "" : "\n") << std::flush;
}

void Complain(const absl::Status& status) {
  for (const absl::string_view line :
       absl::StrSplit(status.message(), '\n', absl::SkipEmpty())) {
    std::cerr << "firebreakctl: " << Printable(line) << "\n";
  }
}

void AddForesightCommands(CLI::App* app, Arguments* args, Command* chosen,
                          std::function<int()>* chosen_here) {
  CLI::App* const simulate = app->add_subcommand(
      "simulate",
      "Show what policies would do to calls, recorded or made up, in virtual "
      "time");
  simulate->footer(
      "Examples:\n"
      "  firebreakctl simulate --recording calls.csv a.textproto b.textproto\n"
      "  firebreakctl simulate --latency 'lognormal(20ms, 30ms)' --rate 200 "
      "--what-if 'frozen for 60s at 30s' policy.textproto\n"
      "  firebreakctl simulate --recording calls.csv --what-if 'load x15' "
      "--svg load.svg policy.textproto\n\n"
      "No server is asked, and none is called.\n\n"
      "Exit codes: 0 done; 1 a policy is not accepted, or the picture cannot "
      "be "
      "written; 2 wrong usage, or calls that cannot be read.");
  auto typed = std::make_shared<SimulateArguments>();
  simulate
      ->add_option("FILE", typed->policies,
                   "Policy files, compared with each other and with none")
      ->type_name("")
      ->expected(-1);
  AddCallsOptions(simulate, &typed->calls);
  simulate
      ->add_option("--svg", typed->svg, "File for a picture: success and load")
      ->type_name("TEXT");
  simulate->add_flag("--json", typed->json,
                     "Print JSON, an object a line for each policy");
  simulate->callback([typed, args, chosen_here] {
    *chosen_here = [typed, args] {
      return Simulate(*typed, args->settings.style);
    };
  });
  AddAdviseCommand(app, args, chosen, chosen_here);
  AddConvertCommand(app, chosen_here);
}

}  // namespace firebreak::ctl
