#!/usr/bin/env bash
# Proves that scripts/second_try.sh forgives the failures that it may, and no
# others.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
failed=0

# suite NAME LABEL COMMAND: prints the lines for a test that ctest can run.
suite() {
  printf 'add_test([[%s]] sh -c [==[%s]==])\n' "$1" "$3"
  printf 'set_tests_properties([[%s]] PROPERTIES LABELS %s)\n' "$1" "$2"
}

# once COMMAND: prints a command that fails the first time, by COMMAND, and then
# passes.
once() { echo "[ -e $tree/been ] || { touch $tree/been; $1; }"; }

expect() { # WANTED TEXT SUITE...: exit code, what is said, lines of suite()
  local wanted=$1 text=$2 code=0
  shift 2
  rm -f "$tree/been"
  printf '%s\n' "$@" >"$tree/CTestTestfile.cmake"
  ctest --test-dir "$tree" --output-on-failure >"$tree/first" 2>&1 || true
  "$root/scripts/second_try.sh" "$tree" "$tree/first" >"$tree/out" 2>&1 ||
    code=$?
  if ((code != wanted)) || ! grep -qF -e "$text" "$tree/out"; then
    printf 'of %s\nwanted %s and "%s", got %s and:\n' "$*" "$wanted" "$text" \
      "$code"
    cat "$tree/first" "$tree/out"
    failed=1
  fi
}

good=$(suite Good integration true)
expect 0 'flaky: Styles/ATest failed once' \
  "$good" "$(suite Styles/ATest integration "$(once 'exit 1')")"
expect 0 'flaky: ATest failed once' "$(suite ATest chaos "$(once 'exit 1')")"
expect 0 'flaky: ATest failed once' "$(suite ATest tsan "$(once 'exit 1')")"
expect 1 '0% tests passed, 1 tests failed' "$(suite ATest chaos 'exit 1')"
expect 1 'one without sockets' "$(suite ATest unit "$(once 'exit 1')")"
expect 1 'one without sockets' "$(suite ATest house "$(once 'exit 1')")" \
  "$(suite BTest chaos "$(once 'exit 1')")"
# shellcheck disable=SC2016  # for the shell of the test
expect 1 'a crash or a hang' "$(suite ATest chaos "$(once 'kill -SEGV $$')")"
expect 1 'a sanitizer reports' \
  "$(suite ATest chaos "$(once 'echo ERROR: AddressSanitizer: x; exit 1')")"
expect 1 'a sanitizer reports' \
  "$(suite ATest chaos "$(once 'echo a.cc:1: runtime error: x; exit 1')")"
expect 1 '4 suites have failed' "$(suite ATest chaos "$(once 'exit 1')")" \
  "$(suite BTest chaos 'exit 1')" "$(suite CTest chaos 'exit 1')" \
  "$(suite DTest chaos 'exit 1')"
expect 1 'names nothing' "$good"

# program SUITE...: prints a command that says what GoogleTest says if these
# suites fail.
program() {
  local suite
  echo "echo '[ RUN      ] GoodTest.Works'; echo '[       OK ] GoodTest.Works (1 ms)'"
  for suite; do
    echo "echo '[  FAILED  ] $suite.Works/Sync, where GetParam() = 8-byte object" \
      "<00> (7 ms)'"
  done
  echo "echo '[  FAILED  ] $# tests, listed below:'; exit 1"
}

# Chooses between program and suites as cmake/TestSuites.cmake does.
whole() { # PROGRAM SUITE...
  # shellcheck disable=SC2016  # for ctest
  echo 'if("$ENV{FIREBREAK_TESTS_BY}" STREQUAL program)'
  echo "$1"
  echo 'else()'
  printf '%s\n' "${@:2}"
  echo 'endif()'
}

export FIREBREAK_TESTS_BY=program
expect 0 'flaky: Styles/ATest failed once' "$(whole \
  "$(suite a_tests integration "$(program Styles/ATest)")" \
  "$(suite Styles/ATest integration true)" "$(suite GoodTest integration false)")"
expect 1 '0% tests passed, 1 tests failed' "$(whole \
  "$(suite a_tests chaos "$(program ATest)")" "$(suite ATest chaos false)")"
expect 1 'one without sockets' "$(whole \
  "$(suite a_tests unit "$(program ATest)")" "$(suite ATest unit true)")"
expect 1 '4 suites have failed' "$(whole \
  "$(suite a_tests chaos "$(program A B)")
  $(suite b_tests chaos "$(program C D)")" "$good")"
expect 1 'names no test' "$(whole \
  "$(suite a_tests chaos "$(program ATest)")
  $(suite b_tests chaos 'exit 1')" "$(suite ATest chaos true)")"
# shellcheck disable=SC2016  # for the shell of the test
expect 1 'a crash or a hang' \
  "$(whole "$(suite a_tests chaos 'kill -SEGV $$')" "$good")"
exit "$failed"
