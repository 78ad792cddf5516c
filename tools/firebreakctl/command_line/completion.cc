#include "tools/firebreakctl/command_line/completion.h"

#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "tools/firebreakctl/command_line/completion_model.h"

namespace firebreak::ctl {
namespace {

std::vector<std::string> CommandsOf(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands({})) {
    names.push_back(command->get_name());
  }
  return names;
}

std::set<std::string> OptionsOf(const CLI::App& app) {
  std::set<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) {
      names.insert("--" + name);
    }
  }
  return names;
}

bool TakesMethod(const CLI::App& app) {
  return app.get_option_no_throw("METHOD") != nullptr;
}

// Names of methods come from a server, and the words from a user. They are
// compared and quoted, and never expanded, as `compgen -W` would do.
constexpr char kScript[] = R"bash(# firebreakctl for bash:
#   source <(firebreakctl completion bash)
_firebreakctl() {
  # Completion cuts words at ":" and "=" too. What no space parts is one word.
  local words=() line=$COMP_LINE part i
  for ((i = 0; i <= COMP_CWORD; i++)); do
    part=${COMP_WORDS[i]}
    if ((i > 0)) && [[ $line != [[:space:]]* ]]; then
      words[-1]+=$part
    else
      words+=("$part")
    fi
    line=${line#"${line%%[![:space:]]*}"}
    line=${line#"$part"}
  done
  local last=$((${#words[@]} - 1))
  local word=${words[last]} before=${words[last - 1]}
  # What has been said, and where the server is.
  local command= argument= where=() name
  for ((i = 1; i < last; i++)); do
    case ${words[i]} in
      @WHERE_ALONE@)
        ((i + 1 < last)) &&
          where+=("${words[i]}" "${words[i + 1]/#\~\//$HOME/}")
        ((++i))
        ;;
      @WHERE_JOINED@ | --tls)
        where+=("${words[i]}")
        ;;
      @OTHERS_WITH_VALUE@)
        ((++i))
        ;;
      -?*) ;;
      *)
        if [[ -z $command ]]; then
          command=${words[i]}
        else
          argument=${argument:-${words[i]}}
        fi
        ;;
    esac
  done
  COMPREPLY=()
  if [[ $word == --*=* ]]; then
    before=${word%%=*} word=${word#*=}
  elif [[ $word == -* ]]; then
    before=
  fi
  case $before in
    @WITH_FILE@)
      command=policy argument=lint
      ;;
    @WITHOUT_FILE@)
      return
      ;;
  esac
  if [[ $word == -* ]]; then
    case $command in
@OPTIONS@
    esac
    mapfile -t COMPREPLY < <(compgen -W "$name" -- "$word")
    return
  fi
  # Its argument is a method, as that of show.
  [[ $command == policy && $argument == compare ]] && command=show argument=
  case $command in
    '') mapfile -t COMPREPLY < <(compgen -W "@WORDS@" -- "$word") ;;
    policy)
      case $argument in
        '') mapfile -t COMPREPLY < <(compgen -W "@POLICY@" -- "$word") ;;
        lint | diff | apply | shadow)
          # Bash quotes what it is told are names of files.
          compopt -o filenames 2>/dev/null
          mapfile -t COMPREPLY < <(compgen -f -- "$word")
          ;;
      esac
      ;;
    simulate)
      compopt -o filenames 2>/dev/null
      mapfile -t COMPREPLY < <(compgen -f -- "$word")
      ;;
    completion) mapfile -t COMPREPLY < <(compgen -W "@SHELLS@" -- "$word") ;;
    @METHODS@)
      if [[ -n $argument ]]; then
        [[ $command == override ]] &&
          mapfile -t COMPREPLY < <(compgen -W "open closed" -- "$word")
        return
      fi
      while IFS= read -r name; do
        [[ $name == "$word"* || ${name##*/} == "$word"* ]] || continue
        COMPREPLY+=("$(printf %q "$name")")
      done < <("${words[0]/#\~\//$HOME/}" list --names --timeout 1s \
        "${where[@]}" 2>/dev/null)
      ;;
  esac
}
complete -F _firebreakctl firebreakctl
)bash";

}  // namespace

std::vector<std::string> CompletionShells() { return {"bash", "zsh", "fish"}; }

std::string Completion(const CLI::App& app, const std::string& shell) {
  if (shell == "zsh") return ZshCompletion(app);
  if (shell == "fish") return FishCompletion(app);
  return BashCompletion(app);
}

std::string BashCompletion(const CLI::App& app) {
  const std::vector<std::string> commands = CommandsOf(app);
  std::vector<std::string> with_method;
  std::string options;
  for (const CLI::App* command : app.get_subcommands({})) {
    if (TakesMethod(*command)) with_method.push_back(command->get_name());
    std::set<std::string> names = OptionsOf(*command);
    for (const CLI::App* part : command->get_subcommands({})) {
      names.merge(OptionsOf(*part));
    }
    absl::StrAppend(&options, "      ", command->get_name(), ") name=\"",
                    absl::StrJoin(names, " "), "\" ;;\n");
  }
  absl::StrAppend(&options, "      *) name=\"",
                  absl::StrJoin(OptionsOf(app), " "), "\" ;;");
  const CommandModel model = ModelOf(app);
  const auto pattern = [&](auto fits) {
    return absl::StrJoin(OptionsThat(model, fits), " | ");
  };
  const auto is_file = [](const ArgumentModel& option) {
    return option.value == ArgumentModel::Value::kFile;
  };
  return absl::StrReplaceAll(
      kScript,
      {{"@WHERE_ALONE@", pattern(TellsWhere)},
       {"@WHERE_JOINED@",
        absl::StrCat(absl::StrJoin(OptionsThat(model, TellsWhere), "=* | "),
                     "=*")},
       {"@OTHERS_WITH_VALUE@", pattern([](const ArgumentModel& option) {
          return TakesValue(option) && !TellsWhere(option);
        })},
       {"@WITH_FILE@", pattern(is_file)},
       {"@WITHOUT_FILE@", pattern([&](const ArgumentModel& option) {
          return TakesValue(option) && !is_file(option);
        })},
       {"@SHELLS@", absl::StrJoin(CompletionShells(), " ")},
       {"@WORDS@", absl::StrJoin(commands, " ")},
       {"@POLICY@",
        absl::StrJoin(CommandsOf(*app.get_subcommand("policy")), " ")},
       {"@METHODS@", absl::StrJoin(with_method, " | ")},
       {"@OPTIONS@", options}});
}

}  // namespace firebreak::ctl
