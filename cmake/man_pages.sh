#!/bin/sh
# Makes the manual pages of a program with subcommands from its --help: one for
# the program and one for each subcommand, "firebreakctl-policy-apply.1".
#
#   cmake/man_pages.sh HELP2MAN PROGRAM INTO
#
# The help of PROGRAM has to come from CLI11. help2man runs a command of one
# word, so it gets a small script for each page.
set -eu

help2man=$1 program=$2 into=$3
name=$(basename "$program")
rm -rf "$into"
mkdir -p "$into/scripts"
into=$(cd "$into" && pwd)

# Prints what `PROGRAM WORD... --help` says. Its first line gives the purpose.
say() { COLUMNS=80 "$program" "$@" --help; }

# page WORD...: makes the page of `PROGRAM WORD...`, and of its subcommands.
page() {
  title=$(printf '%s' "$name${*:+ $*}" | tr ' ' -)
  script=$into/scripts/$title
  # An example stays on its own line if it looks as if typed at a prompt.
  cat >"$script" <<SCRIPT
#!/bin/sh
case \$1 in
  --version) "$program" --version | sed "s/^$name /$title /" ;;
  *) COLUMNS=80 "$program" $* --help |
    sed -e 's/^  -h,--help/  -h, --help/' \\
        -e '/^Examples:/,/^\$/s/^  /  \$ /' ;;
esac
SCRIPT
  chmod +x "$script"
  if [ $# = 0 ]; then
    about='look at and control the circuit breakers of a process'
  else
    about=$(say "$@" | sed -e 's/\.$//' -e 1q)
  fi
  "$help2man" --no-info --section=1 --name="$about" \
    --output="$into/$title.1" "$script"
  say "$@" | sed -n '/^Subcommands:/,/^$/s/^  \([a-z][a-z-]*\) .*/\1/p' |
    while read -r word; do (page "$@" "$word"); done
}

page
rm -rf "$into/scripts"
