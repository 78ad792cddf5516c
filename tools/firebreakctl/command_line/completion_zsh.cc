#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "tools/firebreakctl/command_line/completion.h"
#include "tools/firebreakctl/command_line/completion_model.h"

namespace firebreak::ctl {
namespace {

// Escapes text within single quotes, as a part of what _arguments and _describe
// take.
std::string ZshText(const std::string& text) {
  return absl::StrReplaceAll(text, {{"\\", "\\\\"},
                                    {":", "\\:"},
                                    {"[", "\\["},
                                    {"]", "\\]"},
                                    {"'", "'\\''"}});
}

std::string ZshValue(const ArgumentModel& argument) {
  switch (argument.value) {
    case ArgumentModel::Value::kNone:
      return "";
    case ArgumentModel::Value::kAnything:
      return ": :";
    case ArgumentModel::Value::kFile:
      return ":file:_files";
    case ArgumentModel::Value::kMethod:
      return ":method:_firebreakctl_methods";
    case ArgumentModel::Value::kWord:
      return absl::StrCat(":word:(", absl::StrJoin(argument.words, " "), ")");
  }
  return "";
}

std::string ZshSpecs(const CommandModel& command) {
  std::string specs;
  for (const ArgumentModel& option : command.options) {
    const bool takes_value = option.value != ArgumentModel::Value::kNone;
    // --target may be given several times.
    absl::StrAppend(&specs, " \\\n    '", option.name == "--target" ? "*" : "",
                    option.name, takes_value ? "=" : "", "[",
                    ZshText(option.about), "]", ZshValue(option), "'");
  }
  for (const ArgumentModel& argument : command.arguments) {
    absl::StrAppend(&specs, " \\\n    '", ZshValue(argument), "'");
  }
  return specs;
}

void AppendZshFunctions(const std::string& name, const CommandModel& command,
                        std::string* out) {
  for (const CommandModel& each : command.commands) {
    AppendZshFunctions(absl::StrCat(name, "_", each.name), each, out);
  }
  absl::StrAppend(out, name, "() {\n");
  if (command.commands.empty()) {
    absl::StrAppend(out, "  _arguments", ZshSpecs(command), "\n}\n");
    return;
  }
  absl::StrAppend(out, "  local line state\n  typeset -A opt_args\n",
                  "  _arguments -C -A '-*'", ZshSpecs(command),
                  " \\\n    '1: :->command' '*:: :->argument' && return\n"
                  "  case $state in\n    command)\n"
                  "      local -a commands=(");
  for (const CommandModel& each : command.commands) {
    absl::StrAppend(out, "\n        '", each.name, ":", ZshText(each.about),
                    "'");
  }
  absl::StrAppend(out,
                  "\n      )\n      _describe command commands\n      ;;\n"
                  "    argument)\n      case $line[1] in\n");
  for (const CommandModel& each : command.commands) {
    absl::StrAppend(out, "        ", each.name, ") ", name, "_", each.name,
                    " ;;\n");
  }
  absl::StrAppend(out, "      esac\n      ;;\n  esac\n}\n");
}

// Names from a server are offered as they are, and never expanded.
constexpr char kZshScript[] = R"zsh(#compdef firebreakctl
# firebreakctl for zsh:
#   source <(firebreakctl completion zsh)
# or this file as _firebreakctl in a folder of $fpath.

# Names of methods, by their beginning or that of their last part.
_firebreakctl_methods() {
  local name
  local -a names
  for name in ${(f)"$("$program" list --names --timeout 1s $where 2>/dev/null)"}
  do
    [[ $name == "${(Q)PREFIX}"* || ${name##*/} == "${(Q)PREFIX}"* ]] &&
      names+=("$name")
  done
  compadd -U -- $names
}
@FUNCTIONS@
_firebreakctl() {
  # Said here, since further down the words are those of the command only.
  local program=${${(Q)words[1]}/#\~\//$HOME/}
  local -a where
  local -i i
  for ((i = 2; i < CURRENT; i++)); do
    case $words[i] in
      @WHERE_ALONE@)
        ((i + 1 < CURRENT)) &&
          where+=($words[i] "${${(Q)words[i + 1]}/#\~\//$HOME/}")
        ((++i))
        ;;
      @WHERE_JOINED@ | --tls) where+=("${(Q)words[i]}") ;;
    esac
  done
  _firebreakctl_main
}

if [[ $funcstack[1] == _firebreakctl ]]; then
  _firebreakctl "$@"
else
  compdef _firebreakctl firebreakctl
fi
)zsh";

}  // namespace

std::string ZshCompletion(const CLI::App& app) {
  const CommandModel model = ModelOf(app);
  std::string functions;
  AppendZshFunctions("_firebreakctl_main", model, &functions);
  const std::set<std::string> where = OptionsThat(model, TellsWhere);
  return absl::StrReplaceAll(
      kZshScript,
      {{"@FUNCTIONS@", functions},
       {"@WHERE_ALONE@", absl::StrJoin(where, " | ")},
       {"@WHERE_JOINED@", absl::StrCat(absl::StrJoin(where, "=* | "), "=*")}});
}

}  // namespace firebreak::ctl
