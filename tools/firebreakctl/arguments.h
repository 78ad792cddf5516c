// What is typed behind `firebreakctl`: options and commands.
//
//   Arguments args;
//   Command chosen;                  // what to do, once all is understood
//   AddCommonOptions(&app, &args);
//   AddPolicyCommands(&app, &args, &chosen, &chosen_here);
//
// Thread safety: none.
#ifndef FIREBREAK_TOOLS_FIREBREAKCTL_ARGUMENTS_H_
#define FIREBREAK_TOOLS_FIREBREAKCTL_ARGUMENTS_H_

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

#include "src/core/base/time.h"
#include "tools/firebreakctl/commands.h"
#include "tools/firebreakctl/serve.h"
#include "tools/firebreakctl/top.h"

namespace firebreak::ctl {

// What was typed.
struct Arguments {
  Settings settings;
  std::string timeout;
  std::string method;
  std::string state;
  std::string override_for;
  EventsRequest events;
  bool names_only = false;
  int last = 20;  // of the decisions
  ListRequest list;
  AlertsRequest alerts;
  PolicyRequest policy;
  RecordRequest record;
  std::string record_for = "1m";
  std::string record_share;
  ServeOptions serve;
  TopOptions top;
  std::string top_interval = "1s";
  std::string shell;
};

// Of a server.
using Command = std::function<int(Client*)>;

// The text of a duration within [low, high], which messages call `range`.
CLI::Validator DurationCheck(core::Duration low, core::Duration high,
                             const std::string& range);
CLI::Validator TimeoutCheck();

// Options that every command takes, before and after its name.
void AddCommonOptions(CLI::App* app, Arguments* args);
// Why something is changed.
void AddReason(CLI::App* app, Arguments* args);
// One that asks servers; null: its callback is set by the caller.
CLI::App* AddCommand(CLI::App* app, Arguments* args, const std::string& name,
                     const std::string& description,
                     const std::string& examples, Command command,
                     Command* chosen);
// `local` is chosen where a file is all that is asked.
void AddPolicyCommands(CLI::App* app, Arguments* args, Command* chosen,
                       std::function<int()>* local);
// What is looked at while it changes.
void AddLiveCommands(CLI::App* app, Arguments* args, Command* chosen);
// Commands for which no server is asked.
void AddLocalCommands(CLI::App* app, Arguments* args,
                      std::function<int()>* chosen);

// Spaces around names are nobody's intention: "a:1, b:1".
void Trim(Settings* settings);

}  // namespace firebreak::ctl

#endif  // FIREBREAK_TOOLS_FIREBREAKCTL_ARGUMENTS_H_
