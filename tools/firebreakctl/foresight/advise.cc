// `firebreakctl advise`: suggests numbers from a recording, or records the
// calls first.
#include <chrono>
#include <iostream>
#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "src/core/base/duration.h"
#include "src/engine/policy/policy.h"
#include "src/sim/advice.h"
#include "tools/firebreakctl/foresight/advise_on.h"
#include "tools/firebreakctl/foresight/foresight.h"

namespace firebreak::ctl {
namespace {

struct AdviseArguments {
  std::string recording;
  std::string policy;
  std::string length = "1m";
  uint64_t seed = 1;
};

// Finds a method of the recording by the end of its name.
absl::StatusOr<std::string> FindMethod(const sim::Recording& recording,
                                       const std::string& wanted) {
  std::vector<std::string> found;
  for (const std::string& name : recording.methods) {
    if (name == wanted) return name;
    if (absl::EndsWith(name, absl::StrCat("/", wanted)) ||
        absl::EndsWith(name, absl::StrCat(".", wanted))) {
      found.push_back(name);
    }
  }
  if (found.size() == 1) return found.front();
  constexpr size_t kMostShown = 5;
  std::vector<std::string> shown = found.empty() ? recording.methods : found;
  if (shown.size() > kMostShown) shown.resize(kMostShown);
  return absl::NotFoundError(
      found.empty()
          ? absl::StrCat("no recorded method is \"", wanted,
                         "\"; the first ones: ", absl::StrJoin(shown, ", "))
          : absl::StrCat("\"", wanted, "\" fits several methods: ",
                         absl::StrJoin(shown, ", ")));
}

int AdviseFromFile(const AdviseArguments& typed, const Arguments& args) {
  std::string notes;
  const absl::StatusOr<sim::Recording> recording =
      ReadRecordingFile(typed.recording, &notes);
  if (!recording.ok()) {
    Complain(recording.status());
    return kExitUsage;
  }
  std::cerr << notes;
  const absl::StatusOr<std::string> method =
      FindMethod(*recording, args.method);
  if (!method.ok()) {
    Complain(method.status());
    return kExitUsage;
  }
  absl::StatusOr<engine::PolicyTable> table = engine::PolicyTable();
  if (!typed.policy.empty()) table = engine::LoadPolicyFile(typed.policy);
  if (!table.ok()) {
    Complain(table.status());
    return kExitFailed;
  }
  return AdviseOn({*method, args.settings.channel, typed.seed}, *recording,
                  *table, args.settings.style);
}

}  // namespace

void AddAdviseCommand(CLI::App* app, Arguments* args, Command* chosen,
                      std::function<int()>* chosen_here) {
  CLI::App* const advise = AddCommand(
      app, args, "advise",
      "Propose numbers for a method's policy, from its calls",
      "  firebreakctl advise Charge --target order-1:50051\n"
      "  firebreakctl advise Charge --target order-1:50051 --for 10m\n"
      "  firebreakctl advise Charge --recording calls.fbr\n"
      "  firebreakctl advise PaymentService/Charge --recording calls.csv "
      "--policy policy.textproto\n\n"
      "Without --recording the calls of the targets are recorded, as `record` "
      "does, and compared with the policy that they have; with it no server "
      "is asked.\n\n"
      "What is proposed has been simulated on these calls, as they were and "
      "with frozen servers, and makes neither worse.\n\n"
      "Exit codes: 0 done; 1 too few calls, a target that failed, or a policy "
      "that is not accepted; 2 wrong usage, or calls that cannot be read.",
      nullptr, chosen);
  auto typed = std::make_shared<AdviseArguments>();
  advise
      ->add_option("METHOD", args->method,
                   "A method; its end is enough while it fits one only: "
                   "\"Charge\"")
      ->required()
      ->type_name("");
  CLI::Option* const recording =
      advise
          ->add_option("--recording", typed->recording,
                       "File of calls, as for `simulate`")
          ->type_name("TEXT");
  advise
      ->add_option("--for", typed->length,
                   "For how long to record otherwise (default 1m); Ctrl-C "
                   "ends it before")
      ->type_name("DURATION")
      ->check(DurationCheck(sim::kEnoughTime, std::chrono::hours(1),
                            "[1m, 1h]: less is too little to advise on"))
      ->excludes(recording);
  advise
      ->add_option("--policy", typed->policy,
                   "Policy file that holds now (default: that of the targets; "
                   "with --recording none)")
      ->type_name("TEXT");
  advise->add_option("--seed", typed->seed, "As for `simulate`")
      ->type_name("N");
  AddReason(advise, args);
  advise->callback([typed, args, chosen, chosen_here] {
    if (!typed->recording.empty()) {
      *chosen_here = [typed, args] { return AdviseFromFile(*typed, *args); };
      return;
    }
    *chosen = [typed, args](Client* client) {
      AdviseLiveRequest wanted;
      wanted.method = args->method;
      wanted.duration = *core::ParseDuration(typed->length);
      wanted.policy = typed->policy;
      wanted.seed = typed->seed;
      return client->Advise(wanted);
    };
  });
}

}  // namespace firebreak::ctl
