#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "tools/firebreakctl/command_line/completion.h"
#include "tools/firebreakctl/command_line/completion_model.h"

namespace firebreak::ctl {
namespace {

std::string FishQuoted(const std::string& text) {
  return absl::StrCat(
      "'", absl::StrReplaceAll(text, {{"\\", "\\\\"}, {"'", "\\'"}}), "'");
}

// The options of `complete` that say which values are possible.
std::string FishValue(const ArgumentModel& argument) {
  switch (argument.value) {
    case ArgumentModel::Value::kNone:
      return "";
    case ArgumentModel::Value::kAnything:
      return " -x";
    case ArgumentModel::Value::kFile:
      return " -rF";
    case ArgumentModel::Value::kMethod:
      return " -xa '(__firebreakctl_methods)'";
    case ArgumentModel::Value::kWord:
      return absl::StrCat(" -xa '", absl::StrJoin(argument.words, " "), "'");
  }
  return "";
}

// `path` has the words that lead to the command, each with a space before it.
void AppendFishRules(const std::string& path, const CommandModel& command,
                     std::string* out) {
  const std::string rule = "complete -c firebreakctl -n '__firebreakctl_";
  for (const ArgumentModel& option : command.options) {
    absl::StrAppend(out, rule, "in", path, "' -l ", option.name.substr(2),
                    FishValue(option), " -d ", FishQuoted(option.about), "\n");
  }
  int place = 0;
  for (const ArgumentModel& argument : command.arguments) {
    absl::StrAppend(out, rule, "at ", place++, path, "'", FishValue(argument),
                    "\n");
  }
  for (const CommandModel& each : command.commands) {
    absl::StrAppend(out, rule, "at 0", path, "' -a ", each.name, " -d ",
                    FishQuoted(each.about), "\n");
    AppendFishRules(absl::StrCat(path, " ", each.name), each, out);
  }
}

// Names from a server are offered as they are, and never expanded.
constexpr char kFishScript[] = R"fish(# firebreakctl for fish:
#   firebreakctl completion fish | source
# or this file as ~/.config/fish/completions/firebreakctl.fish.

# The words so far that are neither options nor values of them.
function __firebreakctl_words
    set -l value 0
    for token in (commandline -opc)[2..-1]
        if test $value = 1
            set value 0
        else if contains -- $token @WITH_VALUE@
            set value 1
        else if not string match -q -- '-*' $token
            echo -- $token
        end
    end
end

# Whether the words begin with these: __firebreakctl_in policy apply
function __firebreakctl_in
    set -l words (__firebreakctl_words)
    test (count $words) -ge (count $argv); or return 1
    test (count $argv) = 0; and return (test (count $words) = 0)
    test "$words[1..$(count $argv)]" = "$argv"
end

# Whether that is so, and N others follow: __firebreakctl_at N override
function __firebreakctl_at
    set -l words (__firebreakctl_words)
    test (count $words) = (math (count $argv) - 1 + $argv[1]); or return 1
    test (count $argv) = 1; or test "$words[1..$(math (count $argv) - 1)]" = "$argv[2..-1]"
end

# The names that the server knows, which may have been named already.
function __firebreakctl_methods
    set -l tokens (commandline -opc)
    set -l where
    set -l option
    for token in $tokens[2..-1]
        if test -n "$option"
            contains -- $option @WHERE@; and set -a where $option (string replace -r '^~/' "$HOME/" -- $token)
            set option
        else if contains -- $token @WITH_VALUE@
            set option $token
        else if string match -qr -- '^(@WHERE_JOINED@)=|^--tls$' $token
            set -a where $token
        end
    end
    set -l program (string replace -r '^~/' "$HOME/" -- $tokens[1])
    $program list --names --timeout 1s $where 2>/dev/null
end

complete -c firebreakctl -f
@RULES@)fish";

}  // namespace

std::string FishCompletion(const CLI::App& app) {
  const CommandModel model = ModelOf(app);
  std::string rules;
  AppendFishRules("", model, &rules);
  const std::set<std::string> where = OptionsThat(model, TellsWhere);
  const std::set<std::string> with_value = OptionsThat(model, TakesValue);
  return absl::StrReplaceAll(kFishScript,
                             {{"@RULES@", rules},
                              {"@WITH_VALUE@", absl::StrJoin(with_value, " ")},
                              {"@WHERE@", absl::StrJoin(where, " ")},
                              {"@WHERE_JOINED@", absl::StrJoin(where, "|")}});
}

}  // namespace firebreak::ctl
