#include "tools/firebreakctl/command_line/completion_model.h"

#include <string>

#include "tools/firebreakctl/command_line/completion.h"

namespace firebreak::ctl {
namespace {

bool IsOneOf(const std::string& name, std::initializer_list<const char*> all) {
  for (const char* each : all) {
    if (name == each) return true;
  }
  return false;
}

ArgumentModel ArgumentOf(const CLI::Option& option) {
  ArgumentModel model;
  model.about = option.get_description();
  if (option.get_lnames().empty()) {
    model.name = option.get_name(/*positional=*/true);
    if (model.name == "METHOD") {
      model.value = ArgumentModel::Value::kMethod;
    } else if (IsOneOf(model.name, {"FILE", "FROM", "TO"})) {
      model.value = ArgumentModel::Value::kFile;
    } else if (model.name == "STATE") {
      model.value = ArgumentModel::Value::kWord;
      model.words = {"open", "closed"};
    } else if (model.name == "SHELL") {
      model.value = ArgumentModel::Value::kWord;
      model.words = CompletionShells();
    } else {
      model.value = ArgumentModel::Value::kAnything;
    }
    return model;
  }
  model.name = "--" + option.get_lnames().front();
  if (option.get_items_expected_max() == 0) {
    model.value = ArgumentModel::Value::kNone;
  } else if (IsOneOf(model.name, {"--ca", "--cert", "--key", "--token-file",
                                  "--change-token-file", "--policy",
                                  "--recording", "--svg", "--output"})) {
    model.value = ArgumentModel::Value::kFile;
  } else {
    model.value = ArgumentModel::Value::kAnything;
  }
  return model;
}

}  // namespace

CommandModel ModelOf(const CLI::App& app) {
  CommandModel model;
  model.name = app.get_name();
  model.about = app.get_description();
  for (const CLI::Option* option : app.get_options()) {
    (option->get_lnames().empty() ? model.arguments : model.options)
        .push_back(ArgumentOf(*option));
  }
  for (const CLI::App* command : app.get_subcommands({})) {
    model.commands.push_back(ModelOf(*command));
  }
  return model;
}

bool TellsWhere(const ArgumentModel& option) {
  return IsOneOf(option.name,
                 {"--target", "--channel", "--engine", "--ca", "--cert",
                  "--key", "--server-name", "--token-file"});
}

std::set<std::string> OptionsThat(
    const CommandModel& command,
    const std::function<bool(const ArgumentModel& option)>& fits) {
  std::set<std::string> names;
  for (const ArgumentModel& option : command.options) {
    if (fits(option)) names.insert(option.name);
  }
  for (const CommandModel& each : command.commands) {
    names.merge(OptionsThat(each, fits));
  }
  return names;
}

}  // namespace firebreak::ctl
