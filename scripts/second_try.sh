#!/usr/bin/env bash
# Runs once more what has failed of real sockets, after a whole run of ctest.
#
#   scripts/second_try.sh BUILD_DIR OUTPUT_OF_CTEST
#
# A machine that stands still for seconds, as those of CI do, fails a test of
# real sockets now and then although nothing is wrong. So at most three suites
# of this kind run again, alone; one that passes then is named as "flaky", for
# somebody to look at. Where ctest ran whole programs (FIREBREAK_TESTS_BY), these
# are the suites that GoogleTest says have failed. Exit code 1 without a second
# try:
# - a unit test has failed: its time is virtual, and it has no such excuse (under
#   TSan there is one program of both kinds);
# - something has crashed or hung, or a sanitizer has reported: that is a fault
#   although it is rare.
set -euo pipefail
dir=$1 output=$2
unset FIREBREAK_TESTS_BY  # one suite at a time

no() {
  echo "no second try: $1"
  exit 1
}

! grep -qE 'Sanitizer: |runtime error: ' "$output" || no 'a sanitizer reports'
failed=$(sed -n 's/^\t *[0-9]* - \([^ ]*\) (\(.*\))$/\1 \2/p' "$output")
[[ -n $failed ]] || no 'ctest names nothing that has failed'
! grep -qv ' Failed$' <<<"$failed" || no 'there is a crash or a hang'
failed=$(cut -d ' ' -f 1 <<<"$failed")
programs=$(grep '_tests$' <<<"$failed" || true)
if [[ -n $programs ]]; then
  [[ $(grep -c '^\[  FAILED  \] .* listed below:$' "$output") == \
    $(wc -l <<<"$programs") ]] || no 'a program names no test that has failed'
  suites=$(sed -nE "s/^\[  FAILED  \] ([A-Za-z0-9_/]+)\.[A-Za-z0-9_/]+($|[ ,].*)/\1/p" \
    "$output" | sort -u)
  failed=$({ grep -v '_tests$' <<<"$failed" || true; } && echo "$suites")
fi
count=$(wc -l <<<"$failed")
((count <= 3)) || no "$count suites have failed"

names=$(paste -sd '|' <<<"$failed")
chosen=(--test-dir "$dir" --timeout 600 -R "^($names)\$"
  -L 'integration|chaos|conformance|tsan')
ctest "${chosen[@]}" --show-only | grep -q "^Total Tests: $count\$" ||
  no 'there is one without sockets'
echo "==> a second try: ${names//|/ }"
ctest "${chosen[@]}" --output-on-failure || exit 1
for name in ${names//|/ }; do
  echo "flaky: $name failed once, and passed alone; please look at it"
done
