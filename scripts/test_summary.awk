# Summarizes GoogleTest's results in ctest's log: the number of tests, which
# were skipped and why, the slowest ten, what the tests that failed have said,
# and what the sanitizers have reported. The latter two come last and cut short,
# since who reads the log of another machine may only be shown its end.
#
#   awk -f scripts/test_summary.awk build/release/Testing/Temporary/LastTest.log

# From where a report begins to the line of TSan, or the summary of ASan, that
# ends it. UBSan without stacks writes one line.
/^(WARNING: ThreadSanitizer|==[0-9]+==ERROR: |.*: runtime error: )/ {
  reporting = /: runtime error: / ? 1 : 60
}
reporting > 0 {
  if (reports++ < 150) report[reports] = $0
  --reporting
}
/^(=+|SUMMARY: .*)$/ { reporting = 0 }

/^\[ RUN / {
  if (running) keep_words()  # it has crashed
  running = 1
  reason = ""
  said = 0
}
{ if (said < 30) words[++said] = $0 }

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
  if (verdict == "FAILED") keep_words()
  running = 0
  slowest[NR] = sprintf("%9d ms  %s", time, name)
  times[NR] = time
  reason = ""
  next
}
# The line after "file:line: Skipped" is the reason.
reason == "next" { reason = $0 }
/: Skipped$/ { reason = "next" }

function keep_words() {
  for (i = 1; i <= said && failures < 150; ++i) failure[++failures] = words[i]
}

END {
  if (running) keep_words()
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
  if (failures > 0) print "what failed:"
  for (i = 1; i <= failures; ++i) print "  " failure[i]
  if (reports > 0) print "what the sanitizers report:"
  for (i = 1; i <= reports && i <= 150; ++i) print "  " report[i]
}
