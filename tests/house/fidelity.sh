#!/usr/bin/env bash
# Checks that docs/fidelity.md names a test for everything that it says, and
# that its counts are right. Run by ctest.
#
#   tests/house/fidelity.sh [ROOT]      ROOT: the tree to check, default ours
#
# Prints each fault, and exits with 1 if there is one.
# tests/house/fidelity_selftest.sh proves that it finds them.
set -uo pipefail
cd "${1:-$(dirname "${BASH_SOURCE[0]}")/../..}" || exit 2

page=docs/fidelity.md
violations=0
report() { # TEXT
  printf '%s: %s\n' "$page" "$1"
  violations=$((violations + 1))
}

# tests_in FILE...: prints the tests defined there, as Suite.Name. A definition
# may take two lines.
tests_in() {
  cat "$@" | tr -s ' \n' ' ' |
    grep -oE '\bTEST(_F|_P)?\( ?[A-Za-z0-9_]+, ?[A-Za-z0-9_]+\)' |
    sed -E 's/.*\( ?([A-Za-z0-9_]+), ?([A-Za-z0-9_]+)\)/\1.\2/' | sort -u
}
named=$(grep -oE '`[A-Z][A-Za-z0-9_]*Test\.[A-Z][A-Za-z0-9_]*`' "$page" |
  tr -d '`' | sort -u)

while read -r test; do
  [[ -z $test ]] || report "names $test, which is no test"
done < <(comm -23 <(printf '%s\n' "$named") <(tests_in tests/*/*_test.cc))
while read -r test; do
  [[ -z $test ]] || report "does not name $test"
done < <(comm -13 <(printf '%s\n' "$named") <(tests_in tests/fidelity/*_test.cc))

# The rows are | what | natively | guarded | first answer | otherwise | test |.
# "First answer" and "otherwise" are the two modes of driven calls.
modes=(guarded 'first answer' otherwise)
declare -A same rows
for mode in "${modes[@]}"; do same[$mode]=0 rows[$mode]=0; done
count() { # MODE CELL ROW
  case $2 in
    ' same'*) same[$1]=$((same[$1] + 1)) ;;
    ' **different**: '*) ;;
    ' — ') return ;;
    *) report "says neither same nor different of $1:${3% }" ;;
  esac
  rows[$1]=$((rows[$1] + 1))
}
while IFS='|' read -r _ what _ guarded first otherwise test _; do
  [[ $what == ' what ' || $what == -* ]] && continue
  count guarded "$guarded" "$what"
  count 'first answer' "$first" "$what"
  count otherwise "$otherwise" "$what"
  [[ $test =~ \`[A-Z][A-Za-z0-9_]*Test\.[A-Z] ]] || report "no test for:${what% }"
done < <(grep '^|' "$page")
for mode in "${modes[@]}"; do
  truth="- $mode: ${same[$mode]} of ${rows[$mode]} rows are as natively"
  grep -qxF -e "$truth" "$page" || report "does not say '$truth'"
done

if ((violations)); then
  printf '%d fault(s) in %s\n' "$violations" "$page"
  exit 1
fi
printf '%d tests named in %s\n' "$(wc -l <<<"$named")" "$page"
