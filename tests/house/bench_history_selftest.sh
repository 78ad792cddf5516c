#!/usr/bin/env bash
# Tests the history of the benchmarks: each run is compared with the last one
# recorded for the same benchmark and machine. Run by ctest.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

FIREBREAK_BENCH_HISTORY=$(mktemp)
export FIREBREAK_BENCH_HISTORY
trap 'rm -f "$FIREBREAK_BENCH_HISTORY"' EXIT
failed=0

# expect TEXT COMMAND...: the command's output, or its errors, contain TEXT.
expect() {
  local text=$1 out
  shift
  out=$("$@" 2>&1 | tr -s ' ' || true)
  grep -qF -- "$text" <<<"$out" && return
  printf 'not in the output of %s: %s\n%s\n' "$*" "$text" "$out"
  failed=1
}

history=scripts/bench-history
expect "no earlier run of core" $history compare 'core: a_ns=10 b=0'
$history record 'core: a_ns=10 b=0' >/dev/null
$history record 'storm: a_ns=99' >/dev/null
expect "10 -> 12.5 +25.0 %" $history compare 'core: a_ns=12.5 b=1'
expect "b 0 -> 1" $history compare 'core: b=1'
expect "c - -> 3" $history compare 'core: c=3'
# The newest record counts.
$history record 'core: a_ns=25' >/dev/null
expect "25 -> 12.5 -50.0 %" $history compare 'core: a_ns=12.5'
# A record of another machine is not compared with.
sed -i 's/ [^ ]* core:/ 64xother core:/' "$FIREBREAK_BENCH_HISTORY"
expect "no earlier run of core" $history compare 'core: a_ns=12.5'
# A run in virtual time has no machine, since it is the same everywhere.
expect " virtual storm: a_ns=99" $history show storm
expect "not the last line of a benchmark" $history record 'no figures'
expect "no run of hedging" $history show hedging
exit $failed
