// `firebreakctl policy shadow|compare|promote`.
#include <cstdint>
#include <limits>

#include "tools/firebreakctl/command_line/arguments.h"

namespace firebreak::ctl {

void AddCandidateCommands(CLI::App* policy, Arguments* args, Command* chosen) {
  CLI::App* const shadow = AddCommand(
      policy, args, "shadow",
      "Put a candidate policy beside the one in force, which only counts",
      "  firebreakctl policy shadow policy.textproto\n"
      "  firebreakctl policy shadow --off\n\n"
      "What it would do with each call is computed, and never done: see "
      "`policy compare`. Another file takes its place.",
      [args](Client* client) { return client->Shadow(args->candidate); },
      chosen);
  CLI::Option* const file =
      shadow
          ->add_option("FILE", args->candidate.path,
                       "Policy file, \"-\" for standard input")
          ->type_name("");
  CLI::Option* const off =
      shadow->add_flag("--off", args->candidate.off,
                       "Take the candidate away, with all it has counted");
  off->excludes(file);
  shadow
      ->add_option("--if-version", args->candidate.if_version,
                   "Only beside this version of the policy (default: any)")
      ->check(CLI::Range(int64_t{1}, std::numeric_limits<int64_t>::max()))
      ->excludes(off);
  shadow
      ->add_option(
          "--if-candidate", args->candidate.if_candidate,
          "Only in the place of this candidate (default: any, or none)")
      ->check(CLI::Range(int64_t{1}, std::numeric_limits<int64_t>::max()));
  AddReason(shadow, args);
  AddCommand(
      policy, args, "compare",
      "Tell what the candidate would have done, and who was right",
      "  firebreakctl policy compare\n"
      "  firebreakctl policy compare Charge --json",
      [args](Client* client) { return client->Compare(args->method); }, chosen)
      ->add_option("METHOD", args->method, "Which (default: all)")
      ->type_name("");
  CLI::App* const promote = AddCommand(
      policy, args, "promote", "Put the candidate into force",
      "  firebreakctl policy promote --reason \"ticket 1234\"\n\n"
      "Breakers, windows, overrides and budgets stay as after `policy apply`; "
      "those of the candidate go. Of several servers all or none, as far as a "
      "look before can tell.",
      [args](Client* client) { return client->Promote(args->candidate); },
      chosen);
  promote->add_flag("--force", args->candidate.force,
                    "Also when the policy in force has changed since the "
                    "candidate was set");
  AddReason(promote, args);
}

}  // namespace firebreak::ctl
