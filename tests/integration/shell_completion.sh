#!/usr/bin/env bash
# Completion of firebreakctl's command line in zsh and fish, as somebody types
# it. (For bash there is firebreakctl_completion_test.cc.) Run by ctest.
#
#   tests/integration/shell_completion.sh SHELL FIREBREAKCTL
#
# Exits 77 where SHELL is not installed; in CI that is a failure.
set -euo pipefail

shell=$1 program=$2
if ! command -v "$shell" >/dev/null; then
  echo "skipped: no $shell here"
  [[ ${CI:-} == true ]] && exit 1
  exit 77
fi
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
failed=0

# What is run when the line is entered. As a server it knows two methods, one of
# which no shell may expand; and it notes how it was asked.
mkdir "$dir/bin"
cat >"$dir/bin/firebreakctl" <<SCRIPT
#!/bin/sh
if [ "\$1" = list ] && [ "\$2" = --names ]; then
  echo "\$*" >"$dir/asked"
  echo /shop.v1.PaymentService/Charge
  echo '/shop.v1.Odd/\$(touch $dir/expanded)'
  exit
fi
printf '<%s>' "\$@" >"$dir/said"
SCRIPT
chmod +x "$dir/bin/firebreakctl"
export PATH=$dir/bin:$PATH HOME=$dir XDG_CONFIG_HOME=$dir XDG_DATA_HOME=$dir
touch "$dir/policy one.textproto"

# complete LINE: what was run of LINE, a "~" in which is the tab key.
complete_in_zsh() {
  mkdir -p "$dir/functions"
  "$program" completion zsh >"$dir/functions/_firebreakctl"
  cat >"$dir/.zshrc" <<ZSHRC
fpath=($dir/functions \$fpath)
autoload -Uz compinit
compinit -u -d $dir/dump
PS1= PS2=
unset zle_bracketed_paste
ZSHRC
  {
    printf '%s\n' "cd $dir" "${1//\~/$'\t'}"
    printf 'exit\n'
  } >"$dir/keys"
  TERM=dumb timeout 60 script -qec "env ZDOTDIR=$dir zsh -i" /dev/null \
    <"$dir/keys" >"$dir/log" 2>&1 || true
}

# fish says itself what it would complete; the line is not run, but pieced
# together from that.
complete_in_fish() {
  "$program" completion fish >"$dir/firebreakctl.fish"
  local line='' part rest=$1
  while [[ $rest == *'~'* ]]; do
    line+=${rest%%\~*} rest=${rest#*\~}
    (cd "$dir" && fish --no-config -c "source $dir/firebreakctl.fish
      complete -C \"\$argv[1]\"" -- "$line") >"$dir/offered" 2>"$dir/log"
    [[ $(wc -l <"$dir/offered") == 1 ]] || {
      cat "$dir/offered" >>"$dir/log"
      break
    }
    part=$(fish --no-config -c 'string escape -- "$argv"' -- \
      "$(cut -f 1 "$dir/offered")")
    line="${line% *} ${part} "
  done
  fish --no-config -c "$line $rest" >>"$dir/log" 2>&1 || true
}

expect() { # LINE SAID
  rm -f "$dir/said"
  "complete_in_$shell" "firebreakctl $1"
  if [[ $(cat "$dir/said" 2>/dev/null) != "$2" ]]; then
    printf "'%s': wanted %s, got %s\n" "$1" "$2" "$(cat "$dir/said" 2>&1)"
    cat "$dir/log"
    failed=1
  fi
}
asked() { # HOW
  [[ $(cat "$dir/asked") == "list --names --timeout 1s$1" ]] && return
  echo "asked: $(cat "$dir/asked"), wanted:$1"
  failed=1
}

expect 'ov~' '<override>'
expect 'events --fo~' '<events><--follow>'
expect '--js~ alerts --cr~' '<--json><alerts><--critical>'
expect 'policy app~ x' '<policy><apply><x>'
expect 'override x o~' '<override><x><open>'
expect 'completion fi~' '<completion><fish>'
expect 'list --tok~ x' '<list><--token-file><x>'
expect 'show /shop.v1.P~' '<show></shop.v1.PaymentService/Charge>'
asked ''
expect 'show Char~' '<show></shop.v1.PaymentService/Charge>'
expect '--target a:1,b:2 reset --token-file=t Char~' \
  '<--target><a:1,b:2><reset><--token-file=t></shop.v1.PaymentService/Charge>'
asked ' --target a:1,b:2 --token-file=t'
expect 'policy lint pol~' '<policy><lint><policy one.textproto>'
expect 'show /shop.v1.Odd/~' "<show></shop.v1.Odd/\$(touch $dir/expanded)>"
[[ ! -e $dir/expanded ]] || { echo "a name was expanded" && failed=1; }

((failed == 0)) && echo "$shell completes"
exit "$failed"
