#include "tools/firebreakctl/completion.h"

#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"

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

// Method names come from a server. They are compared and quoted, and never
// expanded, as `compgen -W` would.
constexpr char kScript[] = R"bash(# firebreakctl for bash:
#   source <(firebreakctl completion bash)
_firebreakctl() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
  local command= at=0 i name
  for ((i = 1; i < COMP_CWORD; i++)); do
    case ${COMP_WORDS[i]} in
      @COMMANDS@) command=${COMP_WORDS[i]} at=$i && break ;;
    esac
  done
  COMPREPLY=()
  [[ $word == -* ]] && before=
  case $before in
    --ca | --cert | --key | --token-file | lint | diff | apply)
      mapfile -t COMPREPLY < <(compgen -f -- "$word")
      return
      ;;
    --target | --channel | --timeout | --server-name | --for | --after | --if-version)
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
  case $command in
    '') mapfile -t COMPREPLY < <(compgen -W "@WORDS@" -- "$word") ;;
    policy) mapfile -t COMPREPLY < <(compgen -W "@POLICY@" -- "$word") ;;
    completion) mapfile -t COMPREPLY < <(compgen -W bash -- "$word") ;;
    @METHODS@)
      if [[ $command == override && $at -lt $((COMP_CWORD - 1)) ]]; then
        mapfile -t COMPREPLY < <(compgen -W "open closed" -- "$word")
        return
      fi
      local where=()
      for ((i = 1; i < COMP_CWORD - 1; i++)); do
        [[ ${COMP_WORDS[i]} == --target ]] &&
          where=(--target "${COMP_WORDS[i + 1]}")
      done
      while IFS= read -r name; do
        [[ $name == "$word"* || ${name##*/} == "$word"* ]] || continue
        COMPREPLY+=("$(printf %q "$name")")
      done < <("${COMP_WORDS[0]}" list --names --timeout 1s "${where[@]}" \
        2>/dev/null)
      ;;
  esac
}
complete -F _firebreakctl firebreakctl
)bash";

}  // namespace

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
  return absl::StrReplaceAll(
      kScript, {{"@COMMANDS@", absl::StrJoin(commands, " | ")},
                {"@WORDS@", absl::StrJoin(commands, " ")},
                {"@POLICY@",
                 absl::StrJoin(CommandsOf(*app.get_subcommand("policy")), " ")},
                {"@METHODS@", absl::StrJoin(with_method, " | ")},
                {"@OPTIONS@", options}});
}

}  // namespace firebreak::ctl
