#!/usr/bin/env bash
# Checks the laws of the house, as far as grep can see them. Run by ctest.
#
#   tests/house/laws.sh [ROOT]          ROOT: the tree to check, default ours
#
# Prints every violation as file:line: law, and exits with 1 if there is one.
# tests/house/laws_selftest.sh proves that the check of each law works.
set -uo pipefail
cd "${1:-$(dirname "${BASH_SOURCE[0]}")/../..}" || exit 2

violations=0
report() { # FILE:LINE LAW TEXT
  printf '%s: %s\n    %s\n' "$1" "$2" "$3"
  violations=$((violations + 1))
}

# cpp FOLDER...: prints the C++ files in those of the folders that exist.
cpp() {
  local folder
  for folder; do
    [[ ! -e $folder ]] || find "$folder" -type f \( -name '*.h' -o -name '*.cc' \)
  done | sort
}

# forbid LAW PATTERN [FILE...]: reports every line of code that matches. Lines
# that are only a comment may say anything.
forbid() {
  local law=$1 pattern=$2 line where text
  shift 2
  (($#)) || return 0
  while IFS= read -r line; do
    [[ $line =~ ^([^:]+:[0-9]+):(.*)$ ]] || continue
    where=${BASH_REMATCH[1]} text=${BASH_REMATCH[2]}
    [[ $text =~ ^[[:space:]]*// ]] || report "$where" "$law" "$text"
  done < <(grep -HnE -e "$pattern" "$@")
}

mapfile -t core < <(cpp src/core)
mapfile -t engine < <(cpp src/engine)
mapfile -t admin < <(cpp src/admin)
mapfile -t simulator < <(cpp src/sim)
mapfile -t prometheus < <(cpp src/prometheus)
mapfile -t hooks < <(cpp interceptors)
mapfile -t public < <(cpp include)
mapfile -t unit < <(cpp tests/unit)
mapfile -t product < <(cpp include src interceptors tools examples)
mapfile -t code < <(cpp include src interceptors tools examples tests)
mapfile -t headers < <(printf '%s\n' "${code[@]}" | grep '\.h$')
mapfile -t scripts < <(find scripts tests .ci -type f \
  -exec grep -lE -m1 '^#!' {} + 2>/dev/null | sort)
mapfile -t everything < <(
  printf '%s\n' "${code[@]}"
  find scripts cmake proto docs .ci CMakeLists.txt tests -type f \( -path 'scripts/*' \
    -o -path '.ci/*' -o -name '*.cmake' -o -name '*.in' \
    -o -name '*.proto' -o -name 'CMakeLists.txt' -o -name '*.md' \
    -o -name '*.sh' \) 2>/dev/null | grep -v '^tests/house/'
)

# --- The core decides, and does nothing else --------------------------------
forbid "the core knows no gRPC and no Protobuf" \
  '#include *[<"](grpc|google/|.*\.pb\.h)' "${core[@]}"
forbid "the core reads no clock: take 'Time now'" \
  '_clock::now|absl::Now\(|GetCurrentTimeNanos|clock_gettime|gettimeofday' \
  "${core[@]}"
forbid "the core owns no thread and never waits for time" \
  'std::j?thread|std::async|this_thread|pthread_|#include <(thread|future)>' \
  "${core[@]}"
forbid "the core takes its random source from the caller (rng.h)" \
  'random_device|mt19937|absl::BitGen|\brand\(' "${core[@]}"

forbid "the simulator knows virtual time only" \
  '_clock::now|absl::Now\(|clock_gettime|gettimeofday|std::j?thread|std::async|this_thread|random_device|mt19937' \
  "${simulator[@]}"

# Real time may be read where gRPC's deadlines are converted (wire.cc), and
# where threads wait for the work of a clock (fault_timer.cc).
mapfile -t by_clock < <(printf '%s\n' "${hooks[@]}" "${admin[@]}" \
  "${prometheus[@]}" | grep -vE '^(interceptors/(context/wire|fault/fault_timer)\.cc)?$')
forbid "what belongs to an engine goes by the engine's clock: core->Now()" \
  'engine::Now\(\)|_clock::now|gpr_now' "${by_clock[@]}"
forbid "what ships knows nothing of firebreak::testing" \
  '#include *["<](src/testing/|firebreak/testing)' "${core[@]}" "${engine[@]}" \
  "${admin[@]}" "${prometheus[@]}" "${hooks[@]}"

# --- Arrows go one way: interceptors, admin -> engine -> core ----------------
forbid "the core includes nothing above it" \
  '#include *[<"](firebreak/|src/engine|src/admin|src/prometheus|interceptors/)' \
  "${core[@]}"
forbid "the engine includes nothing above it" \
  '#include *"(interceptors/|src/admin/|src/prometheus/)' "${engine[@]}"
# The folders within these are layers too. The files beside the folders, such as
# src/core/options.h, join them, so they are above all of them.
rooms() { # PARENT ROOM...: its folders, the highest first
  local parent=$1 above='[a-z_]+\.h' room files
  shift
  for room; do
    mapfile -t files < <(cpp "$parent/$room")
    forbid "$room includes nothing above it" \
      "#include *\"$parent/($above)" "${files[@]}"
    above="$room/|$above"
  done
}
# The breaker and the attempts take options.h: no folder, so only above.
rooms src/core '(breaker|attempts)' admission measure base
rooms src/engine callbacks policy io
rooms interceptors fault driven reply batch context
rooms src/admin streams control views health message
rooms tools/firebreakctl foresight command_line live ask show
forbid "the simulator includes the core, and nothing else of ours" \
  '#include *[<"](grpc|google/|firebreak/|src/(engine|admin|prometheus)|interceptors/|tests/|tools/)' \
  "${simulator[@]}"
forbid "what runs in production knows no simulator" \
  '#include *"src/sim/' "${core[@]}" "${engine[@]}" "${admin[@]}" "${hooks[@]}"
forbid "interceptors and admin do not know each other" \
  '#include *"src/admin/' "${hooks[@]}"
forbid "interceptors and admin do not know each other" \
  '#include *"interceptors/' "${admin[@]}" "${prometheus[@]}"
forbid "public headers stand alone: only <firebreak/...> is installed" \
  '#include *[<"](src/|interceptors/|tests/)' "${public[@]}"

# What is not exported is missing in a shared library. Structs, templates (with
# the matchers that a macro makes) and mere declarations need no export.
while read -r line; do
  [[ -z $line ]] || report "${line%%|*}" \
    "the API's classes and functions are FIREBREAK_EXPORT" "${line#*|}"
done < <(((${#public[@]})) && awk '
  /^template/ { inline = 2 }
  inline-- > 0 || /FIREBREAK_EXPORT|^(using|typedef|extern|namespace|friend|MATCHER)/ { next }
  /^class .*[^;]$/ || /^[A-Za-z].*[A-Za-z0-9_]\(/ {
    print FILENAME ":" FNR "|" $0
  }' "${public[@]}")

# --- gRPC's public face only --------------------------------------------------
forbid "gRPC's internals may change with any version" \
  'impl/codegen|grpc::internal|grpc_impl|grpc_core::' "${code[@]}"

mapfile -t alarmed < <(printf '%s\n' "${product[@]}" | grep -v '/io/alarm\.h$')
forbid "an alarm may go with its own end: take src/engine/io/alarm.h" \
  'grpc::Alarm|grpcpp/alarm' "${alarmed[@]}"

# --- Style that a formatter cannot see ----------------------------------------
forbid "unit tests run in virtual time: no sleeping" \
  'sleep_(for|until)|absl::SleepFor|\bu?sleep\(|nanosleep' "${unit[@]}"
forbid "no 'using namespace' in a header" \
  '^ *using +namespace' "${headers[@]}"
forbid "clang takes no format that is chosen at run time" \
  'Str(Append)?Format\([^"]*\?' "${product[@]}"
forbid "a skipped test says why: GTEST_SKIP() << ..." \
  'GTEST_SKIP\(\) *;' "${code[@]}"

for file in "${headers[@]}"; do
  guard=$(grep -m1 -E '^#' "$file")
  stem=$(basename "$file" .h | tr '[:lower:].-' '[:upper:]__')
  if [[ ! $guard =~ ^'#ifndef FIREBREAK_'([A-Z0-9_]*_)?"$stem"_H_$ ]] ||
    ! grep -qxF "#define ${guard#\#ifndef }" "$file"; then
    report "$file:1" "opens with the guard FIREBREAK_..._${stem}_H_" "$guard"
  fi
done
while read -r guard; do
  [[ -z $guard ]] || report "$guard:1" "two headers share one guard" ""
done < <(((${#headers[@]})) &&
  grep -hm1 '^#ifndef' "${headers[@]}" | sort | uniq -d)

for file in "${product[@]}"; do
  lines=$(wc -l <"$file")
  ((lines <= 400)) ||
    report "$file:$lines" "no file over 400 lines: split it by idea" ""
done

for file in "${scripts[@]}"; do
  [[ -x $file ]] || report "$file:1" "a script is executable" ""
done

# A test that is never built is worse than none.
while IFS= read -r file; do
  grep -qwF "${file#tests/}" tests/CMakeLists.txt ||
    report "$file:1" "a test is listed in tests/CMakeLists.txt" ""
done < <(find tests -name '*_test.cc' | sort)

# Unfinished work belongs in the tracker, not in the code.
if ((${#everything[@]})); then
  while IFS= read -r line; do
    report "$(cut -d: -f1-2 <<<"$line")" "unfinished work is in an issue" \
      "$(cut -d: -f3- <<<"$line")"
  done < <(grep -HnwE 'TODO|FIXME|XXX' "${everything[@]}")
fi

if ((violations)); then
  printf '%d violation(s) of the laws of the house\n' "$violations"
  exit 1
fi
printf 'the laws of the house hold in %d files\n' "${#code[@]}"
