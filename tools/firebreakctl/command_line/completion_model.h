// The command line as completion needs it, for any shell: the commands, their
// options and arguments, and the possible values of each.
//
//   const CommandModel all = ModelOf(app);
//   all.commands[0].options[0].name;   // "--target"
//
// Thread safety: pure functions.
#ifndef FIREBREAK_TOOLS_FIREBREAKCTL_COMMAND_LINE_COMPLETION_MODEL_H_
#define FIREBREAK_TOOLS_FIREBREAKCTL_COMMAND_LINE_COMPLETION_MODEL_H_

#include <CLI/CLI.hpp>
#include <functional>
#include <set>
#include <string>
#include <vector>

namespace firebreak::ctl {

struct ArgumentModel {
  enum class Value {
    kNone,      // a flag
    kAnything,  // there is nothing to suggest
    kFile,
    kMethod,  // a name that a server has
    kWord,    // one of `words`
  };
  std::string name;  // "--target", "METHOD"
  std::string about;
  Value value = Value::kNone;
  std::vector<std::string> words;
};

struct CommandModel {
  std::string name;  // "apply"
  std::string about;
  std::vector<ArgumentModel> options;    // with their long names
  std::vector<ArgumentModel> arguments;  // in their order
  std::vector<CommandModel> commands;
};

CommandModel ModelOf(const CLI::App& app);

// Whether it is an option that says where the server is or how to reach it, so
// that the shell passes it on when it asks for names of methods.
bool TellsWhere(const ArgumentModel& option);

// The names of the options, of a command and of those below it, for which
// `fits` is true. A name means the same in each command.
std::set<std::string> OptionsThat(
    const CommandModel& command,
    const std::function<bool(const ArgumentModel& option)>& fits);

inline bool TakesValue(const ArgumentModel& option) {
  return option.value != ArgumentModel::Value::kNone;
}

}  // namespace firebreak::ctl

#endif  // FIREBREAK_TOOLS_FIREBREAKCTL_COMMAND_LINE_COMPLETION_MODEL_H_
