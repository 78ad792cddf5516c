#!/usr/bin/env bash
# Proves that scripts/test_summary.awk counts tests, and shows what those that
# failed have said and what sanitizers have reported.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
log=$(mktemp)
trap 'rm -f "$log"' EXIT

cat >"$log" <<'END'
[ RUN      ] Good.Passes
[       OK ] Good.Passes (12 ms)
[ RUN      ] Good.Skips
a_test.cc:3: Skipped
there is no server
[  SKIPPED ] Good.Skips (0 ms)
[ RUN      ] Bad.Fails
a_test.cc:12: Failure
1 is not 2
[  FAILED  ] Bad.Fails (34 ms)
[ RUN      ] Good.RacesAndPasses
==================
WARNING: ThreadSanitizer: data race (pid=1)
    #0 Take
SUMMARY: ThreadSanitizer: data race in Take
==================
after the report
[       OK ] Good.RacesAndPasses (2 ms)
[ RUN      ] Bad.Crashes
a.cc:5:7: runtime error: index 9 out of bounds
[ RUN      ] Good.InAnotherProgram
[       OK ] Good.InAnotherProgram (1 ms)
END

# Without a last newline, as is what $( ) makes of the output.
read -r -d '' wanted <<'END' || true
tests: passed=3 failed=1 skipped=1
  skipped: Good.Skips: there is no server
the slowest ten:
       34 ms  Bad.Fails
       12 ms  Good.Passes
        2 ms  Good.RacesAndPasses
        1 ms  Good.InAnotherProgram
        0 ms  Good.Skips
what failed:
  [ RUN      ] Bad.Fails
  a_test.cc:12: Failure
  1 is not 2
  [  FAILED  ] Bad.Fails (34 ms)
  [ RUN      ] Bad.Crashes
  a.cc:5:7: runtime error: index 9 out of bounds
what the sanitizers report:
  WARNING: ThreadSanitizer: data race (pid=1)
      #0 Take
  SUMMARY: ThreadSanitizer: data race in Take
  a.cc:5:7: runtime error: index 9 out of bounds
END

got=$(awk -f "$root/scripts/test_summary.awk" "$log")
diff -u <(echo "$wanted") <(echo "$got") || exit 1
echo "test_summary_selftest: ok"
