// The command line of `firebreakctl`: options and commands.
//
//   Arguments args;
//   Command chosen;                  // what to do, once all is parsed
//   AddCommonOptions(&app, &args);
//   AddPolicyCommands(&app, &args, &chosen, &chosen_here);
//
// Thread safety: none.
#ifndef FIREBREAK_TOOLS_FIREBREAKCTL_COMMAND_LINE_ARGUMENTS_H_
#define FIREBREAK_TOOLS_FIREBREAKCTL_COMMAND_LINE_ARGUMENTS_H_

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

#include "src/core/base/time.h"
#include "tools/firebreakctl/ask/commands.h"
#include "tools/firebreakctl/live/serve.h"
#include "tools/firebreakctl/live/top.h"

namespace firebreak::ctl {

// The parsed command line.
struct Arguments {
  Settings settings;
  std::string timeout;
  std::string method;
  std::string state;
  std::string override_for;
  EventsRequest events;
  bool names_only = false;
  int last = 20;  // the number of decisions
  ListRequest list;
  AlertsRequest alerts;
  PolicyRequest policy;
  CandidateRequest candidate;
  RecordRequest record;
  std::string record_for = "1m";
  std::string record_share;
  ServeOptions serve;
  TopOptions top;
  std::string top_interval = "1s";
  std::string shell;
};

// A command that asks servers; it returns the exit code.
using Command = std::function<int(Client*)>;

// Accepts the text of a duration within [low, high], which messages call
// `range`.
CLI::Validator DurationCheck(core::Duration low, core::Duration high,
                             const std::string& range);
CLI::Validator TimeoutCheck();

// Adds the options that every command takes, before and after its name.
void AddCommonOptions(CLI::App* app, Arguments* args);
// Adds --reason, for commands that change something.
void AddReason(CLI::App* app, Arguments* args);
// Adds a command that asks servers. If `command` is null, the caller sets its
// callback.
CLI::App* AddCommand(CLI::App* app, Arguments* args, const std::string& name,
                     const std::string& description,
                     const std::string& examples, Command command,
                     Command* chosen);
// Sets `local` for a command that only needs a file.
void AddPolicyCommands(CLI::App* app, Arguments* args, Command* chosen,
                       std::function<int()>* local);
// Adds the commands for the candidate policy.
void AddCandidateCommands(CLI::App* policy, Arguments* args, Command* chosen);
// Adds the commands that show live data.
void AddLiveCommands(CLI::App* app, Arguments* args, Command* chosen);
// Adds the commands that ask no server.
void AddLocalCommands(CLI::App* app, Arguments* args,
                      std::function<int()>* chosen);

// Removes spaces around names, as in "a:1, b:1".
void Trim(Settings* settings);

}  // namespace firebreak::ctl

#endif  // FIREBREAK_TOOLS_FIREBREAKCTL_COMMAND_LINE_ARGUMENTS_H_
