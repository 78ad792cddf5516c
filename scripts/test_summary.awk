# Summarizes GoogleTest's results in ctest's log: the number of tests, which
# were skipped and why, and the slowest ten.
#
#   awk -f scripts/test_summary.awk build/release/Testing/Temporary/LastTest.log

/^\[ +(OK|FAILED|SKIPPED) +\] .+ \([0-9]+ ms\)$/ {
  verdict = $2 == "]" ? $1 : $2
  sub(/^\[ */, "", verdict)
  ++count[verdict]
  name = $0
  sub(/^\[[^]]*\] /, "", name)
  time = name
  sub(/ \([0-9]+ ms\)$/, "", name)
  sub(/^.* \(/, "", time)
  time += 0
  if (verdict == "SKIPPED") skipped[name] = reason
  slowest[NR] = sprintf("%9d ms  %s", time, name)
  times[NR] = time
  reason = ""
  next
}
/^\[ RUN / { reason = ""; next }
# The line after "file:line: Skipped" is the reason.
reason == "next" { reason = $0 }
/: Skipped$/ { reason = "next" }

END {
  printf "tests: passed=%d failed=%d skipped=%d\n", \
    count["OK"], count["FAILED"], count["SKIPPED"]
  for (name in skipped) printf "  skipped: %s: %s\n", name, skipped[name]
  print "the slowest ten:"
  for (i = 0; i < 10; ++i) {
    best = ""
    for (n in times) if (best == "" || times[n] > times[best]) best = n
    if (best == "") break
    print slowest[best]
    delete times[best]
  }
}
