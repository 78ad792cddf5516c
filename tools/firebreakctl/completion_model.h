// The command line as completion sees it, whatever the shell: commands, their
// options and arguments, and what can stand for each.
//
//   const CommandModel all = ModelOf(app);
//   all.commands[0].options[0].name;   // "--target"
//
// Thread safety: pure functions.
#ifndef FIREBREAK_TOOLS_FIREBREAKCTL_COMPLETION_MODEL_H_
#define FIREBREAK_TOOLS_FIREBREAKCTL_COMPLETION_MODEL_H_

#include <CLI/CLI.hpp>
#include <functional>
#include <set>
#include <string>
#include <vector>

namespace firebreak::ctl {

struct ArgumentModel {
  enum class Value {
    kNone,      // a flag
    kAnything,  // nobody can guess it
    kFile,
    kMethod,  // a server knows
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
  std::vector<ArgumentModel> options;    // by their long names
  std::vector<ArgumentModel> arguments;  // in their order
  std::vector<CommandModel> commands;
};

CommandModel ModelOf(const CLI::App& app);

// Options with a value that say where the server is and how to ask it, so that
// they count when a shell asks for names of methods.
bool TellsWhere(const ArgumentModel& option);

// The names of those of a command, and of those below it, that `fits`: a name
// means the same in each.
std::set<std::string> OptionsThat(
    const CommandModel& command,
    const std::function<bool(const ArgumentModel& option)>& fits);

inline bool TakesValue(const ArgumentModel& option) {
  return option.value != ArgumentModel::Value::kNone;
}

}  // namespace firebreak::ctl

#endif  // FIREBREAK_TOOLS_FIREBREAKCTL_COMPLETION_MODEL_H_
